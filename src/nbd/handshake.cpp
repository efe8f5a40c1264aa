// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/handshake.hpp"

#include "nbd/option_replies.hpp"
#include "wire/big_endian.hpp"

#include <cassert>

namespace nbd {

using wire::Option;
using wire::OptionReply;

namespace {

constexpr std::uint16_t our_flags = wire::fixed_newstyle | wire::no_zeroes;
constexpr std::size_t most_skipped = std::size_t{1} << 20;
constexpr std::size_t most_options = 1000;
constexpr std::size_t options_per_listed_export = 32;

bool data_matters(Option option) noexcept {
    switch (option) {
    case Option::export_name:
    case Option::info:
    case Option::go:
    case Option::list_meta_context:
    case Option::set_meta_context:
        return true;
    default:
        return false;
    }
}

} // namespace

void Handshake::greet(std::vector<std::byte> &out) const { OptionReplies(out).greeting(our_flags); }

std::size_t Handshake::wanted() const noexcept { return needed_; }

void Handshake::expect(State state, std::size_t bytes) {
    state_ = state;
    needed_ = bytes;
    stored_.clear();
    if (state == State::option_header && stored_.capacity() > wire::longest_string)
        stored_.shrink_to_fit();
}

Handshake::Verdict Handshake::receive(std::span<const std::byte> bytes, std::vector<std::byte> &out) {
    assert(bytes.size() <= needed_);
    needed_ -= bytes.size();
    if (state_ != State::skipped_data)
        stored_.insert(stored_.end(), bytes.begin(), bytes.end());
    if (needed_ > 0)
        return Verdict::more;
    switch (state_) {
    case State::client_flags:
        return take_client_flags();
    case State::option_header:
        return take_option_header(out);
    case State::option_data:
    case State::skipped_data:
        break;
    }
    return answer(out);
}

Handshake::Verdict Handshake::take_client_flags() {
    const auto flags = wire::load<std::uint32_t>(stored_.data());
    if ((flags & ~std::uint32_t{our_flags}) != 0)
        return Verdict::hang_up;
    fixed_ = (flags & wire::fixed_newstyle) != 0;
    zeroes_ = (flags & wire::no_zeroes) == 0;
    expect(State::option_header, wire::option_header_size);
    return Verdict::more;
}

Handshake::Verdict Handshake::take_option_header(std::vector<std::byte> &out) {
    if (wire::load<std::uint64_t>(stored_.data()) != wire::option_magic)
        return Verdict::hang_up;
    option_ = static_cast<Option>(wire::load<std::uint32_t>(stored_.data() + 8));
    data_length_ = wire::load<std::uint32_t>(stored_.data() + 12);
    if (++options_ > most_options + options_per_listed_export * listed_ || data_length_ > most_skipped)
        return Verdict::hang_up;
    if (!fixed_ && option_ != Option::export_name)
        return Verdict::hang_up;
    if (option_ == Option::export_name && data_length_ > wire::longest_string)
        return Verdict::hang_up;
    const bool stored = data_matters(option_) && data_length_ <= most_stored;
    expect(stored ? State::option_data : State::skipped_data, data_length_);
    return data_length_ == 0 ? answer(out) : Verdict::more;
}

Handshake::Verdict Handshake::answer(std::vector<std::byte> &out) {
    const Verdict verdict = choose(out);
    if (verdict == Verdict::wait)
        return verdict;
    if (option_ != Option::info)
        last_info_.reset();
    expect(State::option_header, wire::option_header_size);
    return verdict;
}

Handshake::Verdict Handshake::choose(std::vector<std::byte> &out) {
    OptionReplies replies(out);
    if (option_ == Option::export_name)
        return export_name(replies);
    if (option_ == Option::abort) {
        replies.ack(option_);
        return Verdict::hang_up;
    }
    if (shutting_down_) {
        replies.error(option_, OptionReply::shutdown, "the server is shutting down");
        return Verdict::more;
    }
    if (tls_ == TlsMode::require && !tls_up_ && option_ != Option::starttls) {
        replies.error(option_, OptionReply::tls_required, "the server requires TLS");
        return Verdict::more;
    }
    switch (option_) {
    case Option::list:
        list(replies);
        return Verdict::more;
    case Option::info:
    case Option::go:
        return info(replies);
    case Option::starttls:
        return start_tls(replies);
    case Option::structured_reply:
        raise_dialect(replies, wire::Dialect::structured);
        return Verdict::more;
    case Option::extended_headers:
        raise_dialect(replies, wire::Dialect::extended);
        return Verdict::more;
    case Option::list_meta_context:
    case Option::set_meta_context:
        meta_context(replies);
        return Verdict::more;
    default:
        replies.error(option_, OptionReply::unsupported);
        return Verdict::more;
    }
}

} // namespace nbd
