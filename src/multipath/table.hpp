// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/device_set.hpp"
#include "multipath/priority_group.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace multipath {

/// The paths of a map in their groups and which of them is in use: what the kernel keeps in `struct
/// multipath` (semantics reference 1.1 to 1.3, choice 2.2 and 2.3). State only: it sends nothing, waits for
/// nothing, tells nobody. The map that owns it moves the requests.
class Table {
public:
    /// Builds a table from dm text (what stands behind the word `multipath`), reference 2.18. Throws
    /// base::Error with the kernel's text; then nothing has happened. `devices` is asked for each path, in
    /// order.
    static std::unique_ptr<Table> parse(std::string_view text, DeviceSet &devices);

    [[nodiscard]] const std::vector<std::unique_ptr<PriorityGroup>> &groups() const noexcept {
        return groups_;
    }
    [[nodiscard]] unsigned valid_paths() const noexcept { return valid_paths_; }
    [[nodiscard]] Path *current_path() const noexcept { return current_path_; }
    [[nodiscard]] PriorityGroup *current_group() const noexcept { return current_group_; }
    /// Requests wait until the current group is initialised. Starts true without effect (Q3).
    [[nodiscard]] bool queue_io() const noexcept { return queue_io_; }

    [[nodiscard]] bool queueing() const noexcept { return queue_if_no_path_; }
    void set_queueing(bool on) noexcept { queue_if_no_path_ = saved_queue_if_no_path_ = on; }

    /// The path for the next request of `length` bytes, nullptr when there is none (2.1 steps 3 and 4).
    Path *path_for(std::uint64_t length, base::TimePoint now) noexcept;
    /// Chooses when no path is current (2.4 step 2).
    void choose_if_none(std::uint64_t length, base::TimePoint now) noexcept;

    /// State part of 2.7: false when the path had failed already.
    bool fail(Path &path) noexcept;
    /// State part of 2.8: false when it was active already.
    bool reinstate(Path &path) noexcept;
    /// 2.9
    void set_bypassed(PriorityGroup &group, bool bypassed) noexcept;
    /// 2.10
    void switch_to(PriorityGroup &group) noexcept;

    [[nodiscard]] std::string info_text(std::size_t held) const; ///< 2.19
    [[nodiscard]] std::string table_text() const;                ///< 2.20

private:
    friend class TableParser;
    void choose(std::uint64_t length, base::TimePoint now) noexcept;
    bool choose_in(PriorityGroup &group, std::uint64_t length, base::TimePoint now) noexcept;
    [[nodiscard]] unsigned initial_group_number() const noexcept;

    std::vector<std::unique_ptr<PriorityGroup>> groups_;
    unsigned valid_paths_ = 0;
    Path *current_path_ = nullptr;
    PriorityGroup *current_group_ = nullptr;
    PriorityGroup *next_group_ = nullptr; ///< a one-shot order to try this group first
    unsigned repeat_count_ = 0;           ///< requests left on the current path; 0 never expires (Q2)
    bool queue_io_ = true;
    bool queue_if_no_path_ = false;
    bool saved_queue_if_no_path_ = false;
    unsigned pg_init_retries_ = 0;
    unsigned pg_init_count_ = 0;
    bool queue_mode_bio_ = false;
    int pg_init_delay_msecs_ = -1; ///< -1: not given
};

} // namespace multipath
