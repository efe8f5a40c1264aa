// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/meta_query.hpp"

#include "nbd/export_name.hpp"
#include "wire/big_endian.hpp"
#include "wire/protocol.hpp"

namespace nbd {

namespace {

/// Takes numbers and strings off the front of what has come.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept
        : left_(bytes) {}

    bool number(std::uint32_t &value) noexcept {
        if (left_.size() < sizeof value)
            return false;
        value = wire::load<std::uint32_t>(left_.data());
        left_ = left_.subspan(sizeof value);
        return true;
    }
    bool string(std::string_view &text) noexcept {
        std::uint32_t length = 0;
        if (!number(length) || length > left_.size() || length > wire::longest_string)
            return false;
        text = {reinterpret_cast<const char *>(left_.data()), length};
        left_ = left_.subspan(length);
        return true;
    }
    [[nodiscard]] bool at_end() const noexcept { return left_.empty(); }

private:
    std::span<const std::byte> left_;
};

} // namespace

std::optional<MetaQuery> parse_meta_query(std::span<const std::byte> data) noexcept {
    Reader reader(data);
    MetaQuery query;
    std::uint32_t count = 0;
    if (!reader.string(query.export_name) || !is_export_name(query.export_name) || !reader.number(count))
        return std::nullopt;
    query.empty = count == 0;
    // A count that lies ends with the data, not before.
    for (; count > 0; --count) {
        std::string_view text;
        if (!reader.string(text))
            return std::nullopt;
        query.allocation |= text == allocation_context;
        query.wildcard |= text == "base:";
    }
    if (!reader.at_end())
        return std::nullopt;
    return query;
}

} // namespace nbd
