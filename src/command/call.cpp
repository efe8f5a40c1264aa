// SPDX-License-Identifier: BSD-3-Clause
#include "command/call.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace command {

namespace {

constexpr std::size_t longest_log_text = 4096;

/// A line end inside a reply would be taken for the next line, an escape sequence for the terminal's own.
std::string without_controls(std::string_view text) {
    std::string clean(text);
    std::ranges::replace_if(
        clean, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return clean;
}

} // namespace

Call::Call(std::vector<std::string> words, std::string peer, Reply &reply)
    : words_(std::move(words))
    , peer_(std::move(peer))
    , reply_(&reply) {
    assert(!words_.empty());
}

void Call::line(std::string_view text) {
    if (!open())
        return;
    std::string clean = without_controls(text);
    if (clean == "OK" || clean.starts_with("ERR "))
        clean.insert(0, 1, ' ');
    reply_->line(clean);
}

void Call::ok() { end("OK"); }

void Call::fail(int code, std::string_view text) {
    end(fmt::format("ERR {} {}", base::errno_name(code), without_controls(text)));
}

void Call::fail(const base::Error &error) { fail(error.code(), error.what()); }

void Call::hang_up() {
    if (open())
        reply_->hang_up();
}

void Call::end(const std::string &text) {
    if (!open())
        return;
    write_log(text);
    Reply &reply = *std::exchange(reply_, nullptr);
    reply.line(text);
    reply.finished();
}

void Call::cancel() noexcept {
    if (open())
        write_log("the session was closed before the answer");
    reply_ = nullptr;
    waiting_.reset();
}

void Call::write_log(std::string_view result) const {
    if (!logged_)
        return;
    std::string text = without_controls(fmt::format("{}", fmt::join(words_, " ")));
    if (text.size() > longest_log_text)
        text = text.substr(0, longest_log_text) + "...";
    base::log::info("admin: {}: {}: {}", peer_, text, result);
}

} // namespace command
