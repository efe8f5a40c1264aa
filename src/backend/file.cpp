// SPDX-License-Identifier: BSD-3-Clause
#include "backend/backend_list.hpp"
namespace backend { const Type file{"file", {}, "", {}, nullptr, nullptr, nullptr}; }
