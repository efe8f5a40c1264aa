// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "setup.hpp"
#include "story.hpp"

#include <array>
#include <functional>
#include <optional>

namespace sim {

/// What the live table must be like: sections 1 and 2 of the semantics reference, kept from what goes into
/// the map and what is seen to come out, not from its code. Where the reference leaves the moment of a choice
/// open (no path is left, a round of activations begins with a delay) the map is asked.
class PathsModel {
public:
    struct Entry {
        unsigned device;
        unsigned group; ///< index
        bool active = true;
        bool held_down = false;
        unsigned fail_count = 0;
        bool activating = false;
        bool waits_for_delay = false;
    };
    struct Group {
        bool bypassed = false;
        std::vector<Entry> paths;
    };

    PathsModel(Verdict &verdict, Story &story, const base::Scheduler &scheduler, const Setup &setup)
        : verdict_(verdict)
        , story_(story)
        , scheduler_(scheduler)
        , options_(setup.options) {}

    /// The live table of `map` is now one of this text, fresh.
    void start_table(const multipath::Map &map, const TableSpec &spec,
                     const std::function<bool(unsigned device)> &usable);
    void shut_down() noexcept;
    /// Takes over what the map alone decides the moment of. Before and after everything.
    void catch_up();

    // Paths and groups; each expects the events that the map must tell.
    void fail(Entry &entry);
    void reinstate(Entry &entry);
    void bypass(unsigned group, bool bypassed);
    void switch_to(unsigned group);
    /// The map says that it chose a group: was it the one to choose (2.2)?
    void group_chosen(unsigned number);
    void hold_group(bool held);
    template <typename Visit>
    void for_each_entry(unsigned device, Visit visit) {
        for (Group &group : groups)
            for (Entry &entry : group.paths)
                if (entry.device == device)
                    visit(entry);
    }
    Entry *find(unsigned group, unsigned device);
    /// The path to ask about an EIO of that one (4.4).
    Entry *other_than(unsigned group, unsigned device);

    // Queueing.
    void set_queueing(bool on);
    void message_queueing(bool on);
    void suspend_queueing() noexcept;
    void resume_queueing() { queueing = saved_queueing; }
    void watch_for_no_path();
    void no_path_timeout();

    // Activation (rounds_model.cpp).
    /// The handler was asked to activate the device.
    Entry *activation_asked(unsigned device);
    /// `quiet`: a suspend waits for this alone; nothing: nobody can tell.
    void activation_ends(Entry &entry, handler::Result result, bool was_current, std::optional<bool> quiet);
    /// `go_on`: a round that is due begins at once.
    void activation_ended(bool go_on);
    /// Whether that line is the end of an attempt whose path failed during the delay.
    /// `go_on` as below.
    bool delay_over(std::string_view line, bool go_on);
    /// Whether a path that asked for another attempt, and perhaps does not get it, fails now.
    bool gets_no_other();
    [[nodiscard]] unsigned activations() const noexcept;
    void expect_all_asked();
    /// Whether a round has begun, or a path that came back is to be activated.
    [[nodiscard]] bool foresees_activation() const noexcept { return !to_be_asked_.empty() || round_due; }

    [[nodiscard]] unsigned valid_paths() const noexcept;
    [[nodiscard]] unsigned shown_group() const noexcept; ///< the number in INFO
    [[nodiscard]] bool kernel() const noexcept { return options_.rules.compat == &multipath::kernel; }

    TableSpec spec;
    std::vector<Group> groups;
    std::optional<unsigned> current; ///< index
    std::optional<unsigned> next;
    bool queueing = false;
    bool saved_queueing = false;
    bool queue_io = true;
    bool activation_required = false;
    unsigned rounds = 0;
    std::optional<base::TimePoint> gives_up; ///< no_path_timeout
    std::optional<base::TimePoint> round_due;

private:
    [[nodiscard]] bool has_path(unsigned group) const noexcept;
    [[nodiscard]] std::optional<unsigned> choice() const noexcept;
    void forget_group() noexcept;
    void gets_another(bool delayed) noexcept;
    void begin_round();
    void end_delay(bool go_on);

    Verdict &verdict_;
    Story &story_;
    const base::Scheduler &scheduler_;
    const multipath::MapOptions &options_;
    const multipath::Map *map_ = nullptr;
    std::vector<Entry *> to_be_asked_;
    Entry *in_doubt_ = nullptr; ///< the path whose attempt ends and may have another
    bool doubt_delays_ = false;
    bool delay_is_unsure_ = false; ///< what ended in doubt may have been told no
    bool delays_round_ = false;
    bool timed_out_ = false;
    bool shut_down_ = false;
    bool held_ = false; ///< a probe keeps the group
    bool forget_later_ = false;
    std::optional<unsigned> next_later_;
};

} // namespace sim
