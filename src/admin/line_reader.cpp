// SPDX-License-Identifier: BSD-3-Clause
#include "admin/line_reader.hpp"

namespace admin {

namespace {
// Telnet (RFC 854): these bytes never occur in names, which are ASCII, nor in UTF-8.
constexpr unsigned char telnet_escape = 255;
constexpr unsigned char telnet_first_with_option = 251; // WILL, WON'T, DO, DON'T
constexpr unsigned char telnet_subnegotiation = 250;
constexpr unsigned char telnet_subnegotiation_end = 240;
constexpr std::size_t small_capacity = 4096;
} // namespace

void LineReader::feed(std::string_view bytes) {
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (state_ == State::text)
            feed_text(byte);
        else
            feed_telnet(byte);
    }
}

void LineReader::feed_text(unsigned char byte) {
    if (byte == telnet_escape)
        state_ = State::command;
    else if (byte == '\0' && buffer_.size() > begin_ && buffer_.back() == '\r')
        buffer_ += '\n';
    else
        buffer_ += static_cast<char>(byte);
}

void LineReader::feed_telnet(unsigned char byte) {
    switch (state_) {
    case State::command:
        if (byte == telnet_escape)
            buffer_ += static_cast<char>(byte);
        state_ = byte == telnet_subnegotiation                               ? State::subnegotiation
                 : byte >= telnet_first_with_option && byte != telnet_escape ? State::option
                                                                             : State::text;
        break;
    case State::subnegotiation:
        if (byte == telnet_escape)
            state_ = State::subnegotiation_command;
        break;
    case State::subnegotiation_command:
        state_ = byte == telnet_subnegotiation_end ? State::text : State::subnegotiation;
        break;
    case State::option:
    case State::text:
        state_ = State::text;
        break;
    }
}

LineReader::Result LineReader::next(std::string &line) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
        scanned_ = buffer_.size();
        // One more for the CR of a line whose LF is still to come.
        const std::size_t length = buffer_.size() - begin_;
        return length > longest_line + 1 ? Result::too_long : Result::none;
    }
    std::size_t length = end - begin_;
    if (length > 0 && buffer_[end - 1] == '\r')
        --length;
    if (length > longest_line)
        return Result::too_long;
    line.assign(buffer_, begin_, length);
    begin_ = scanned_ = end + 1;
    forget_taken();
    return Result::line;
}

void LineReader::forget_taken() {
    if (begin_ != buffer_.size() && begin_ <= longest_line)
        return;
    buffer_.erase(0, begin_);
    begin_ = scanned_ = 0;
    if (buffer_.empty() && buffer_.capacity() > small_capacity)
        buffer_.shrink_to_fit();
}

} // namespace admin
