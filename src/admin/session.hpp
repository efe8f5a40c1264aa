// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "admin/line_reader.hpp"
#include "admin/socket.hpp"
#include "base/delegate.hpp"
#include "base/scheduler.hpp"
#include "command/call.hpp"
#include "io/fd_watch.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace command {
class Maps;
}

namespace admin {

/// One client of the admin socket: takes its commands one after the other and sends the replies. Control loop
/// only. Closes itself when the client is gone, says `quit`, sends no commands, or does not read what it
/// asked for.
class Session final : private command::Reply {
public:
    struct Surroundings {
        io::Worker &control;
        command::Maps &maps;
        std::size_t longest_output; ///< unsent bytes of events and the like; more cuts the session off
    };

    /// Takes `fd` over. `ended` is called once, when the session closes by itself; it is destroyed after
    /// that, not in it.
    Session(const Surroundings &surroundings, int fd, base::Delegate<> ended);
    /// Cancels what waits.
    ~Session();

    [[nodiscard]] bool open() const noexcept { return watch_.open(); }

private:
    void line(std::string_view text) override;
    void finished() override;
    void hang_up() override { ending_ = true; }

    void readable() noexcept;
    void receive();
    void advance() noexcept;
    void start_next_command();
    void start(std::string_view line);
    void refuse(std::string_view text);
    void wait_for_more();
    void flush() noexcept;
    void writable() noexcept { flush(); }
    void linger();
    void on_timer() noexcept;
    void close() noexcept;
    [[nodiscard]] bool peer_gone() const noexcept;
    [[nodiscard]] std::size_t unsent() const noexcept { return output_.size() - sent_; }

    Surroundings surroundings_;
    io::FdWatch watch_;
    Peer peer_;
    base::Delegate<> ended_;
    LineReader reader_;
    command::CallPointer call_; ///< the command that is being answered
    std::string output_;
    std::size_t sent_ = 0;
    bool at_end_ = false;    ///< the client sends no more
    bool ending_ = false;    ///< no more commands are taken; close when everything is sent
    bool lingering_ = false; ///< everything is sent and our side is shut: waits for the client's end
    bool cut_off_ = false;   ///< the client does not read
    base::Task advance_;
    base::Task flush_;
    base::Timer timer_;
};

} // namespace admin
