// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/open_file.hpp"
#include "block/request.hpp"
#include "io/file_engine.hpp"

namespace backend {

/// One request on its way through the system calls it needs: the next call, its result, the next… Knows no
/// engine.
class FileRequest {
public:
    /// `bounce`, when not null, is an aligned buffer of `bounce_size` bytes that data goes through.
    FileRequest(OpenFile &file, block::Request &request, std::byte *bounce, std::size_t bounce_size) noexcept;

    /// Fills in `call`; false when the request has ended with status().
    [[nodiscard]] bool prepare() noexcept;
    /// Goes on from call.result.
    void take_result() noexcept;
    /// Whether the prepared call does not block the loop.
    [[nodiscard]] bool may_run_inline() const noexcept;

    [[nodiscard]] block::Status status() const noexcept { return status_; }
    /// The file has become shorter than it was when it was opened.
    [[nodiscard]] bool hit_the_end() const noexcept { return hit_the_end_; }
    [[nodiscard]] block::Request &request() const noexcept { return request_; }
    [[nodiscard]] std::byte *bounce() const noexcept { return bounce_; }
    [[nodiscard]] std::size_t bounce_size() const noexcept { return bounce_size_; }

    io::FileCall call;

private:
    enum class Step : std::uint8_t {
        transfer,
        punch,
        zero_range,
        write_zeroes,
        sync,
        advise,
        look,
        pipe,
        ended
    };

    [[nodiscard]] Step first_step() noexcept;
    [[nodiscard]] Step zeroing_step() noexcept;
    /// After trimming and zeroing.
    [[nodiscard]] Step last_step() const noexcept { return request_.fua ? Step::sync : Step::ended; }
    [[nodiscard]] Step status_step() noexcept;
    void prepare_transfer() noexcept;
    void moved(std::uint64_t bytes) noexcept;
    void failed(int error) noexcept;
    void end(block::Status status) noexcept {
        status_ = status;
        step_ = Step::ended;
    }

    OpenFile &file_;
    block::Request &request_;
    std::byte *bounce_;
    std::size_t bounce_size_;
    std::uint64_t position_ = 0; // bytes of the request that are done
    Step step_;
    bool nowait_;
    bool hit_the_end_ = false;
    block::Status status_;
};

} // namespace backend
