// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/request.hpp"
#include "wire/codec.hpp"

namespace nbd {

/// A client's request from its header to the last byte of its reply. From the pool of ExportSessions; `data`,
/// when set, is a buffer of `length` bytes from the payload pool.
class SessionRequest final : public block::Request {
public:
    SessionRequest(std::uint64_t the_cookie, std::uint64_t epoch) noexcept
        : cookie(the_cookie) {
        loss_epoch = epoch;
    }

    std::uint64_t cookie;
    wire::SimpleReplyBytes reply{};
    /// Bytes of `data` that follow the reply's header.
    std::size_t reply_data = 0;
    [[nodiscard]] std::size_t reply_size() const noexcept { return reply.size() + reply_data; }
};

} // namespace nbd
