// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "command/call.hpp"

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace command {

class Maps;

inline constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

/// One admin command. `run` is called on the control loop with a number of arguments that is in range; it
/// answers now, or later when it has asked Maps, or throws base::Error, which becomes the answer.
struct Row {
    std::string_view name;
    std::string_view arguments; ///< as in the manual: "MAP SECTOR VERB [ARG]"
    std::size_t fewest;         ///< arguments after the name
    std::size_t most;
    std::string_view help; ///< one line
    bool changes;          ///< something: the call and its result are logged
    void (*run)(const CallPointer &call, Maps &maps);

    /// "message MAP SECTOR VERB [ARG]"
    [[nodiscard]] std::string usage() const;
};

/// The commands of one .cpp of this folder.
using Family = std::span<const Row>;

/// Every command, in the order of `help`.
[[nodiscard]] std::vector<const Row *> all_rows();
/// nullptr: there is none of that name.
[[nodiscard]] const Row *find_row(std::string_view name) noexcept;
/// find_row() that throws base::Error(EINVAL) with the nearest command instead.
const Row &get_row(std::string_view name);

/// Starts the command that the call names. Called on the control loop, by the admin session. The call is
/// answered, sooner or later, whatever its words are; `maps` outlives every call that is open.
void run(const CallPointer &call, Maps &maps);

} // namespace command
