// SPDX-License-Identifier: BSD-3-Clause
#include "config/fingerprint_section.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <optional>

namespace config {

namespace {

constexpr std::uint64_t sector = 512;
constexpr std::size_t most_ranges = 16;
constexpr std::uint64_t most_bytes = 1 << 20;
constexpr std::size_t digest_length = 64;

std::string lower(std::string_view text) {
    std::string result(text);
    for (char &c : result)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return result;
}

std::uint64_t sectors(std::string_view text) {
    const auto bytes = std::get<std::uint64_t>(base::parse_value(base::KeyKind::size, text));
    if (bytes % sector != 0)
        throw base::Error(EINVAL, "{} is not a multiple of {}", bytes, sector);
    return bytes;
}

/// OFFSET+LENGTH or OFFSET+LENGTH=SHA256
FingerprintRange parse_range(std::string_view text) {
    const std::size_t equals = std::min(text.find('='), text.size());
    const std::size_t plus = text.substr(0, equals).find('+');
    if (plus == std::string_view::npos)
        throw base::Error(EINVAL, "'{}' is not OFFSET+LENGTH (example: 0+4K)", shown(text));
    FingerprintRange range;
    range.offset = sectors(text.substr(0, plus));
    range.length = sectors(text.substr(plus + 1, equals - plus - 1));
    if (range.length == 0)
        throw base::Error(EINVAL, "a range has at least {} bytes", sector);
    if (equals == text.size())
        return range;
    range.sha256 = lower(text.substr(equals + 1));
    if (range.sha256.size() != digest_length ||
        range.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        throw base::Error(EINVAL, "'{}' is not a SHA-256 in hexadecimal, which has {} digits",
                          shown(range.sha256), digest_length);
    return range;
}

} // namespace

std::vector<FingerprintRange> read_fingerprint(Section &section, const Reading &reading) {
    std::vector<FingerprintRange> ranges;
    const Node *node = section.find("fingerprint");
    if (node == nullptr)
        return ranges;
    const std::vector<const Node *> one{node};
    const bool is_text = node->kind == Node::Kind::scalar;
    std::uint64_t bytes = 0;
    for (const Node *item : is_text ? one : items_of(*node, "fingerprint", reading)) {
        const std::optional<std::string> text = text_of(*item, "fingerprint", reading);
        if (!text)
            continue;
        try {
            ranges.push_back(parse_range(*text));
            bytes = std::min(bytes, most_bytes) + std::min(ranges.back().length, most_bytes + 1);
        } catch (const base::Error &error) {
            reading.problem(*item, "fingerprint: {}", error.what());
        }
    }
    if (ranges.size() > most_ranges)
        reading.problem(*node, "fingerprint: {} ranges are too many, the most is {}", ranges.size(),
                        most_ranges);
    if (bytes > most_bytes)
        reading.problem(*node, "fingerprint: the ranges have more than {} bytes together", most_bytes);
    return ranges;
}

} // namespace config
