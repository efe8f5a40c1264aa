// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "fakes/exports.hpp"
#include "nbd/handshake.hpp"
#include "wire/big_endian.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <string>

/// A client of a handshake that moves no byte over a socket.
namespace handshake_test {

using Verdict = nbd::Handshake::Verdict;
using wire::Option;
using wire::OptionReply;
using Bytes = std::vector<std::byte>;

template <typename Number>
void put(Bytes &bytes, Number value) {
    bytes.resize(bytes.size() + sizeof value);
    wire::store(bytes.data() + bytes.size() - sizeof value, value);
}
inline void put(Bytes &bytes, std::string_view text) {
    for (const char c : text)
        bytes.push_back(static_cast<std::byte>(c));
}
inline Bytes option(Option option, const Bytes &data = {}) {
    Bytes bytes;
    put(bytes, wire::option_magic);
    put(bytes, static_cast<std::uint32_t>(option));
    put(bytes, static_cast<std::uint32_t>(data.size()));
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}
inline Bytes text(std::string_view text) {
    Bytes bytes;
    put(bytes, text);
    return bytes;
}
inline Bytes info_data(std::string_view name, std::vector<std::uint16_t> types = {}) {
    Bytes bytes;
    put(bytes, static_cast<std::uint32_t>(name.size()));
    put(bytes, name);
    put(bytes, static_cast<std::uint16_t>(types.size()));
    for (const std::uint16_t type : types)
        put(bytes, type);
    return bytes;
}

struct Reply {
    OptionReply type;
    Bytes data;
};

/// A client of a handshake: sends, and takes apart what comes back.
struct Client {
    explicit Client(std::uint32_t flags = 3, nbd::TlsMode tls = nbd::TlsMode::off)
        : handshake(exports, visitor, tls) {
        exports.add(
            {.name = "disk", .description = "a disk", .geometry = {.size = 1 << 20, .minimum_block = 512}});
        exports.add({.name = "away", .ready = false, .why_not = "no path is up"});
        Bytes bytes;
        put(bytes, flags);
        verdict = feed(bytes);
    }
    Verdict feed(const Bytes &bytes, std::size_t piece = 1 << 30) {
        Verdict last = Verdict::more;
        for (std::size_t at = 0; at < bytes.size() && last == Verdict::more;) {
            const std::size_t size = std::min({piece, handshake.wanted(), bytes.size() - at});
            last = handshake.receive({bytes.data() + at, size}, out);
            at += size;
        }
        return last;
    }
    std::vector<Reply> ask(Option which, const Bytes &data = {}) {
        out.clear();
        verdict = feed(option(which, data));
        return replies(which);
    }
    OptionReply last(Option which, const Bytes &data = {}) {
        const auto all = ask(which, data);
        REQUIRE(!all.empty());
        return all.back().type;
    }
    std::vector<Reply> replies(Option which) {
        std::vector<Reply> found;
        for (std::size_t at = 0; at < out.size();) {
            REQUIRE(wire::load<std::uint64_t>(&out[at]) == wire::option_reply_magic);
            REQUIRE(wire::load<std::uint32_t>(&out[at + 8]) == static_cast<std::uint32_t>(which));
            const std::byte *data = &out[at] + 20;
            const auto length = wire::load<std::uint32_t>(&out[at + 16]);
            found.push_back(
                {static_cast<OptionReply>(wire::load<std::uint32_t>(&out[at + 12])), {data, data + length}});
            at += 20 + length;
        }
        return found;
    }

    fakes::Exports exports;
    fakes::Visitor visitor;
    nbd::Handshake handshake;
    Bytes out;
    Verdict verdict = Verdict::more;
};

} // namespace handshake_test
