// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "handler/handler.hpp"
#include "multipath/compat.hpp"
#include "multipath/device_set.hpp"
#include "multipath/priority_group.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace multipath {

/// How a table's text is read.
struct TableRules {
    const Compat *compat = &seed;
    handler::Find find_handler = &handler::find_type; ///< tests bring their own
};

/// A number that fills the word, in a table or a message; nothing when it is none.
std::optional<std::uint64_t> parse_number(const Compat &compat, const std::string &word);
/// The errno of a path name that nobody has.
int look_up_error(const Compat &compat, std::string_view name) noexcept;

/// The paths of a map in their groups and which of them is in use: what the kernel keeps in `struct
/// multipath` (semantics reference 1.1 to 1.3, choice 2.2 and 2.3). State only: it sends nothing, waits for
/// nothing, tells nobody. The map that owns it moves the requests.
class Table {
public:
    /// Builds a table from dm text (what stands behind the word `multipath`), reference 2.18. Throws
    /// base::Error with the kernel's text; then nothing has happened. `devices` is asked for each path, in
    /// order.
    static std::unique_ptr<Table> parse(std::string_view text, DeviceSet &devices,
                                        const TableRules &rules = {});

    explicit Table(const Compat &compat) noexcept
        : compat_(compat) {}

    /// Makes the hardware handler and attaches it to every path. Throws base::Error. Returns a line for the
    /// log, empty in the good case: the handler was dropped since a path knows no such thing (R31).
    std::string attach_handler(base::Scheduler &scheduler, handler::Listener &listener);
    /// Asks again which paths can be used: a table may have waited long in the inactive slot.
    void refresh(DeviceSet &devices);

    [[nodiscard]] const std::vector<std::unique_ptr<PriorityGroup>> &groups() const noexcept {
        return groups_;
    }
    [[nodiscard]] bool uses(const block::Device &device) const noexcept; ///< an entry of it
    [[nodiscard]] const Compat &compat() const noexcept { return compat_; }
    [[nodiscard]] unsigned valid_paths() const noexcept { return valid_paths_; }
    [[nodiscard]] Path *current_path() const noexcept { return current_path_; }
    [[nodiscard]] PriorityGroup *current_group() const noexcept { return current_group_; }
    [[nodiscard]] PriorityGroup *next_group() const noexcept { return next_group_; }
    /// Requests wait until the current group is initialised. Starts true without effect (Q3).
    [[nodiscard]] bool queue_io() const noexcept { return queue_io_; }
    /// nullptr: groups need no activation.
    [[nodiscard]] handler::Handler *handler() const noexcept { return handler_.get(); }

    /// `queue_mode bio`, which changes nothing but what the table says (R1).
    [[nodiscard]] bool bio_mode() const noexcept { return queue_mode_bio_; }

    [[nodiscard]] bool queueing() const noexcept { return queue_if_no_path_; }
    /// Whether queueing is on, or comes back at resume.
    [[nodiscard]] bool queueing_after_resume() const noexcept { return saved_queue_if_no_path_; }
    void set_queueing(bool on) noexcept { queue_if_no_path_ = saved_queue_if_no_path_ = on; }
    /// Queueing is off until resume (2.11). Again before that: nothing more is saved (R20).
    void suspend_queueing() noexcept { queue_if_no_path_ = false; }
    void resume_queueing() noexcept { queue_if_no_path_ = saved_queue_if_no_path_; }

    /// The path for the next request of `length` bytes, nullptr when there is none (2.1 steps 3 and 4).
    Path *path_for(std::uint64_t length, base::TimePoint now) noexcept;
    /// What the worker does before it sends held requests (2.4 step 2); where each request asks the selector
    /// anyhow, only to find that no path is left, or a group to activate in place of one that is gone.
    void choose_for_worker(base::TimePoint now) noexcept;
    /// The path for a pass-through request (2.16): the current one, else a new choice.
    Path *path_for_passing(base::TimePoint now) noexcept;
    /// Whether the worker finds a path for what is held.
    [[nodiscard]] bool worker_has_path() const noexcept {
        return compat_.asks_selector_each_time ? valid_paths_ != 0 : current_path_ != nullptr;
    }

    /// State part of 2.7: false when the path had failed already.
    bool fail(Path &path) noexcept;
    /// State part of 2.8: false when it was active already.
    bool reinstate(Path &path) noexcept;
    /// 2.9
    void set_bypassed(PriorityGroup &group, bool bypassed) noexcept;
    /// 2.10
    void switch_to(PriorityGroup &group) noexcept;
    /// While a probe reads, messages do not take the group away under it (R34, R41).
    void hold_group(bool held) noexcept;

    // Activation, 2.12 and 2.13 with R7: the rounds are run by Activation.
    [[nodiscard]] bool activation_required() const noexcept { return activation_required_; }
    void require_activation() noexcept { activation_required_ = true; }
    /// A round begins: how long it waits first.
    std::chrono::milliseconds begin_round() noexcept;
    void delay_next_round() noexcept { delay_round_ = true; }
    /// Whether a path that asked for another attempt gets one.
    [[nodiscard]] bool may_retry_activation() const noexcept { return rounds_ <= pg_init_retries_; }
    /// The round is over: requests may go.
    void group_is_ready() noexcept { queue_io_ = false; }
    void enable(PriorityGroup &group) noexcept { group.bypassed = false; }
    /// The next request chooses from the first group on.
    void drop_current() noexcept;

    [[nodiscard]] std::string info_text(std::size_t held) const; ///< 2.19
    [[nodiscard]] std::string table_text() const;                ///< 2.20

private:
    friend class TableParser;
    Path *choose(std::uint64_t length, base::TimePoint now) noexcept;
    Path *choose_in(PriorityGroup &group, std::uint64_t length, base::TimePoint now) noexcept;
    void forget_group_unless_held() noexcept;
    void count_valid_paths() noexcept;
    [[nodiscard]] unsigned initial_group_number() const noexcept;

    const Compat &compat_;
    std::vector<std::unique_ptr<PriorityGroup>> groups_;
    unsigned valid_paths_ = 0;
    Path *current_path_ = nullptr;
    PriorityGroup *current_group_ = nullptr;
    PriorityGroup *next_group_ = nullptr; ///< a one-shot order to try this group first
    unsigned repeat_count_ = 0;           ///< requests left on the current path; 0 never expires (Q2)
    bool queue_io_ = true;
    bool queue_if_no_path_ = false;
    bool saved_queue_if_no_path_ = false;

    std::string handler_name_;                    ///< as TABLE shows it; empty: none
    const handler::Type *handler_type_ = nullptr; ///< nullptr: none, or none of that name
    std::vector<std::string> handler_words_;
    std::unique_ptr<handler::Handler> handler_;
    bool activation_required_ = false; ///< `pg_init_required`
    bool delay_round_ = false;
    unsigned rounds_ = 0; ///< `pg_init_count`
    unsigned pg_init_retries_ = 0;
    int pg_init_delay_msecs_ = -1; ///< -1: not given

    bool group_held_ = false;
    bool group_to_forget_ = false;
    PriorityGroup *next_group_after_hold_ = nullptr;

    bool queue_mode_bio_ = false;
    bool retains_handler_ = false; ///< the word was given
};

} // namespace multipath
