// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/extents.hpp"
#include "block/request.hpp"
#include "nbd/reply.hpp"

namespace nbd {

/// A client's request from its header to the last byte of its reply. From the pool of ExportSessions.
class SessionRequest final : public block::Request {
public:
    SessionRequest(const wire::RequestHeader &header, std::uint64_t epoch) noexcept
        : cookie(header.cookie) {
        offset = header.offset;
        loss_epoch = epoch;
    }

    std::uint64_t cookie;
    bool whole = false; ///< read: its data are to come in one chunk
    /// From the payload pool, or none: the data of a read or write, the extents of a block status.
    std::byte *buffer = nullptr;
    std::size_t buffer_size = 0;
    block::Extents status;
    bool lists_contexts = false; ///< block status: the payload in `buffer` says more
    Reply reply;

    /// What of its buffer the client may have to be waited for.
    [[nodiscard]] std::size_t owed_bytes() const noexcept {
        return operation == block::Operation::write ? 0 : buffer_size;
    }
};

} // namespace nbd
