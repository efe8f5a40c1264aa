// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace base {

/// What a configuration value must look like.
enum class KeyKind { boolean, number, size, duration, text };

/// One configuration key that a plug-in understands. Declared once, in the plug-in's .cpp: the parser, the
/// `not supported yet` and nearest-word messages and the manual all read this.
struct Key {
    std::string_view name;
    KeyKind kind;
    std::string_view default_text; ///< as a user would write it; empty: no default
    std::string_view help;         ///< one sentence for the manual
};

using KeyValue = std::variant<bool, std::uint64_t, std::chrono::milliseconds, std::string>;

/// Checked values by key name, every default filled in (number and size are std::uint64_t).
class KeyValues {
public:
    void set(std::string_view name, KeyValue value) {
        values_.insert_or_assign(std::string(name), std::move(value));
    }
    [[nodiscard]] bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
    /// The key was declared with this type and has a value or a default: a programming error otherwise.
    template <typename T>
    [[nodiscard]] const T &get(std::string_view name) const {
        return std::get<T>(values_.find(name)->second);
    }
    bool operator==(const KeyValues &) const = default;

private:
    std::map<std::string, KeyValue, std::less<>> values_;
};

/// Reads `text` as `kind` (sizes: K/M/G/T, KiB…, binary; durations: ms/s/m, without unit seconds;
/// booleans: true/false/yes/no/on/off). Throws base::Error(EINVAL) that says what is expected, with an
/// example.
KeyValue parse_value(KeyKind kind, std::string_view text);

} // namespace base
