// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "block/request.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace selector {

/// A path of the group, by its position in declaration order.
using PathIndex = unsigned;
using Words = std::span<const std::string>;

/// How a selector reads its arguments. The defaults are those of `compat: seed`.
struct Rules {
    bool repeat_counts_are_one = false; ///< a repeat count above 1 is taken, and shown, as 1
    bool numbers_wrap = false;          ///< 32-bit numbers are taken modulo 2^32
};

/// What a selector chose, and for how many requests (0: until the path fails or the map forgets it).
struct Choice {
    PathIndex path;
    unsigned repeat_count;
};

/// Which path of one priority group gets the next request (semantics reference 1.5 and 2.21). Offers exactly
/// the active paths of its group. Knows neither the map nor the devices. One worker; nothing here blocks or
/// throws after the table is built.
class Selector {
public:
    Selector() = default;
    Selector(const Selector &) = delete;
    Selector &operator=(const Selector &) = delete;
    virtual ~Selector() = default;

    /// Once for each path, in order, while the table is built; the path is active. Throws base::Error(EINVAL)
    /// with the kernel's text.
    virtual void add_path(PathIndex path, Words arguments) = 0;
    /// The path is not offered any more. Called only for an active path.
    virtual void fail_path(PathIndex path) noexcept = 0;
    /// The path is offered again. Called only for a failed path.
    virtual void reinstate_path(PathIndex path) noexcept = 0;
    /// Nothing when no path is active. `length`: bytes of the request to be placed, 0 when unknown.
    virtual std::optional<Choice> select_path(std::uint64_t length, base::TimePoint now) noexcept = 0;

    /// A request goes to the path / comes back from it, whatever its result.
    virtual void start_io(PathIndex, std::uint64_t /*length*/, base::TimePoint /*now*/) noexcept {}
    virtual void end_io(PathIndex, std::uint64_t /*length*/, base::TimePoint /*started*/,
                        base::TimePoint /*now*/) noexcept {}

    /// Status tokens, blank-separated, without a blank at either end: of the selector ("0" if it has none)
    /// and of a path (empty if it has none). `info_width` and `table_width` are the numbers of tokens per
    /// path.
    [[nodiscard]] virtual unsigned info_width() const noexcept { return 0; }
    [[nodiscard]] virtual unsigned table_width() const noexcept { return 0; }
    [[nodiscard]] virtual std::string info() const { return "0"; }
    [[nodiscard]] virtual std::string table() const { return "0"; }
    [[nodiscard]] virtual std::string path_info(PathIndex) const { return {}; }
    [[nodiscard]] virtual std::string path_table(PathIndex) const { return {}; }
};

/// One kind of selector: a row of the generated table.
struct Type {
    std::string_view name;
    std::string_view summary;
    /// Throws base::Error(EINVAL) when the arguments are wrong.
    std::unique_ptr<Selector> (*create)(Words arguments, Rules rules);
};

std::span<const Type *const> all_types() noexcept;
/// The type of that exact name, or nullptr.
const Type *find_type(std::string_view name) noexcept;

} // namespace selector
