// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/no_device.hpp"

#include <cassert>

namespace nbdmpathd {

namespace {

class NoDevice final : public block::Device {
public:
    void submit(block::Request &) noexcept override { assert(false); }
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return geometry_; }

private:
    block::Geometry geometry_;
};

NoDevice device;

} // namespace

block::Device &no_device() noexcept { return device; }

} // namespace nbdmpathd
