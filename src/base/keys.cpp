// SPDX-License-Identifier: BSD-3-Clause
#include "base/keys.hpp"
