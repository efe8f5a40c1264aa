// SPDX-License-Identifier: BSD-3-Clause
// Whatever a client says before transmission. The first byte: is TLS off, allowed or required, and into what
// pieces the rest is cut.
#include "fakes/exports.hpp"
#include "nbd/handshake.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::size_t most_answered = std::size_t{8} << 20;

const fakes::Exports &exports() {
    static const fakes::Exports all = [] {
        fakes::Exports made;
        made.add({.name = "disk", .description = "a disk", .geometry = {.size = 1 << 20}});
        made.add({.name = "not-ready", .ready = false, .why_not = "no path"});
        return made;
    }();
    return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0)
        return 0;
    constexpr nbd::TlsMode modes[] = {nbd::TlsMode::off, nbd::TlsMode::allow, nbd::TlsMode::require};
    const std::size_t piece = data[0] / 3U + std::size_t{1};
    std::span<const std::byte> input = std::as_bytes(std::span(data + 1, size - 1));
    fakes::Visitor visitor;
    nbd::Handshake handshake(exports(), visitor, modes[data[0] % 3]);
    std::vector<std::byte> out;
    handshake.greet(out);
    while (!input.empty()) {
        const std::size_t wanted = handshake.wanted();
        if (wanted == 0)
            std::abort(); // it would wait for ever
        const std::size_t taken = std::min({wanted, piece, input.size()});
        auto verdict = handshake.receive(input.first(taken), out);
        input = input.subspan(taken);
        while (verdict == nbd::Handshake::Verdict::wait)
            verdict = handshake.again(out);
        if (out.size() > most_answered)
            return 0; // a client that asks for so much reads it, too
        if (verdict == nbd::Handshake::Verdict::start_tls) {
            handshake.tls_is_up();
        } else if (verdict == nbd::Handshake::Verdict::transmission) {
            if (handshake.result().info == nullptr || !handshake.result().info->ready)
                std::abort();
            return 0;
        } else if (verdict == nbd::Handshake::Verdict::hang_up) {
            return 0;
        }
    }
    return 0;
}
