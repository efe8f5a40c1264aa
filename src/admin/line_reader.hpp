// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace admin {

/// Cuts what a client sends into lines, LF or CRLF (telnet's CR NUL as well), and takes telnet's negotiation
/// out. Holds little more than one line of the longest kind, as long as nobody feeds it when it is full.
class LineReader {
public:
    static constexpr std::size_t longest_line = 64 << 10; ///< without its end

    enum class Result { none, line, too_long };

    void feed(std::string_view bytes);
    /// Takes the next complete line, without its end. After too_long nothing that follows can be trusted.
    Result next(std::string &line);
    /// Holds enough for next() to say something other than none: read no more.
    [[nodiscard]] bool full() const noexcept { return buffer_.size() - begin_ > longest_line + 1; }

private:
    enum class State { text, command, option, subnegotiation, subnegotiation_command };
    void feed_text(unsigned char byte);
    void feed_telnet(unsigned char byte);
    void forget_taken();

    std::string buffer_;
    std::size_t begin_ = 0;   // of what next() has not taken
    std::size_t scanned_ = 0; // no line end before this: half lines are not looked through again
    State state_ = State::text;
};

} // namespace admin
