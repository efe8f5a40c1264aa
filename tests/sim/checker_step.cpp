// SPDX-License-Identifier: BSD-3-Clause
// What must hold after each step.
#include "checker.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <utility>

namespace sim {

void Checker::step_over(bool settled) {
    check_invariants();
    if (!settled || verdict_.failed())
        return;
    gate.settle();
    begin();
    end();
    paths.expect_all_asked();
    if (!refused_.empty())
        verdict_.fail("request {} was refused, and that is all", refused_.front()->id);
    settle_lines();
    check_waiting();
    check_paths();
    if (caches())
        check_caches();
    else
        check_in_flight();
    check_selectors();
    check_waiters();
}

// I1 and I2 of the map's own state, at any moment.
void Checker::check_invariants() {
    const multipath::Table &table = *map_->live_table();
    unsigned active = 0;
    for (const auto &group : table.groups())
        for (const auto &path : group->paths)
            active += path->active ? 1U : 0U;
    if (table.valid_paths() != active)
        verdict_.fail("{} valid paths, {} are active (I1)", table.valid_paths(), active);
    if (const multipath::Path *path = table.current_path(); path != nullptr)
        if (!path->active || table.current_group() != path->group)
            verdict_.fail("the current path is not a usable one of the current group (I2)");
}

// What could not be foreseen within the step is known now.
void Checker::settle_lines() {
    line_is_sure_ = true;
    const bool worker_may_have_run = std::exchange(worker_may_run_, false);
    for (Io *io : open_ios_) {
        if (!io->waits())
            continue;
        if (io->line == Io::Line::delayed && io->due <= scheduler_.now())
            io->line = Io::Line::held;
        // Nobody has seen that: behind what was held.
        io->lost_place |= closed() && (io->line == Io::Line::barred || locks_.bars(*io));
        const bool pushed_back = closed() && gate.noflush() && io->line != Io::Line::deferred;
        if (pushed_back)
            io->line = Io::Line::pushed_back;
        else if (io->line == Io::Line::unsure && !closed())
            io->line = io->due > scheduler_.now() ? Io::Line::delayed : Io::Line::held;
        settle_bar(*io, worker_may_have_run);
        if (caches() && io->is_flush() && io->line == Io::Line::held)
            io->line = Io::Line::covered; // nobody sees it when it comes to wait for another flush
    }
}

unsigned Checker::queue_size() const {
    return static_cast<unsigned>(std::ranges::count_if(open_ios_, [](const Io *io) {
        return io->where == Io::Where::with_map &&
               (io->line == Io::Line::held || io->line == Io::Line::delayed);
    }));
}

bool Checker::any_unsure() const {
    if (caches() && covered_count() != 0)
        return true;
    return std::ranges::any_of(open_ios_, [](const Io *io) {
        return io->waits() && (io->line == Io::Line::unsure || io->line == Io::Line::held_or_barred);
    });
}

void Checker::check_waiting() {
    std::size_t waiting = 0;
    std::size_t unsure = 0;
    for (const Io *io : open_ios_) {
        if (io->where != Io::Where::with_map)
            continue;
        waiting += io->waits() ? 1U : 0U;
        unsure += io->line == Io::Line::unsure ? 1U : 0U;
        if (io->line == Io::Line::covered && !caches())
            verdict_.fail("request {} is lost", io->id);
        else if (io->waits() && io->line != Io::Line::unsure && !io->client->alive)
            verdict_.fail("request {} of a dead client waits", io->id);
        else if (io->line == Io::Line::held && !may_wait())
            verdict_.fail("request {} is stuck", io->id);
        else if (!closed() && (io->line == Io::Line::pushed_back || io->line == Io::Line::deferred))
            verdict_.fail("request {} was not let in by the resume", io->id);
    }
    unsure += caches() ? covered_count() : 0;
    waiting += caches() ? covered_count() : 0;
    if (map_->held() > waiting || map_->held() + unsure < waiting)
        verdict_.fail("{} requests are said to wait, {} do", map_->held(), waiting);
}

std::string Checker::expected_info() const {
    const multipath::Table &table = *map_->live_table();
    std::string info =
        fmt::format("2 {} {} 0 {} {} ", paths.kernel() ? (paths.queue_io ? 1 : 0) : queue_size(),
                    paths.rounds, paths.groups.size(), paths.shown_group());
    for (unsigned index = 0; index < paths.groups.size(); ++index) {
        const PathsModel::Group &group = paths.groups[index];
        const selector::Selector &selector = *table.groups()[index]->selector;
        info += fmt::format("{} {} {} {} ",
                            group.bypassed           ? 'D'
                            : paths.current == index ? 'A'
                                                     : 'E',
                            selector.info(), group.paths.size(), selector.info_width());
        for (unsigned path = 0; path < group.paths.size(); ++path) {
            const PathsModel::Entry &entry = group.paths[path];
            info += fmt::format("{} {} {} ", device_name(entry.device), entry.active ? 'A' : 'F',
                                entry.fail_count);
            if (selector.info_width() != 0)
                info += selector.path_info(path) + ' ';
        }
    }
    return info;
}

void Checker::check_paths() {
    const multipath::Table &table = *map_->live_table();
    if (map_->suspended() != (gate.state == GateModel::State::suspended))
        verdict_.fail("the map is {}suspended", map_->suspended() ? "" : "not ");
    if (map_->has_inactive_table() != gate.inactive.has_value())
        verdict_.fail("there is {} inactive table", map_->has_inactive_table() ? "an" : "no");
    if (const std::string info = map_->info_text(), expected = expected_info();
        !any_unsure() && info != expected)
        verdict_.fail("status '{}' instead of '{}'", info, expected);
    if (table.queueing() != paths.queueing || table.queueing_after_resume() != paths.saved_queueing)
        verdict_.fail("queueing is {}, after resume {}, instead of {}, {}", table.queueing(),
                      table.queueing_after_resume(), paths.queueing, paths.saved_queueing);
    if (table.queue_io() != paths.queue_io || table.activation_required() != paths.activation_required)
        verdict_.fail("queue_io {}, pg_init_required {} instead of {}, {}", table.queue_io(),
                      table.activation_required(), paths.queue_io, paths.activation_required);
    if (map_->event_number() != story.number())
        verdict_.fail("event number {} instead of {}", map_->event_number(), story.number());
    if (paths.gives_up && *paths.gives_up < scheduler_.now())
        verdict_.fail("the no-path timeout did not come");
    if (paths.round_due && *paths.round_due < scheduler_.now())
        verdict_.fail("the delayed activation did not begin");
}

void Checker::check_in_flight() {
    const auto at_devices = static_cast<std::size_t>(
        std::ranges::count_if(open_ios_, [](const Io *io) { return io->where == Io::Where::at_device; }));
    const auto in_doubt = static_cast<std::size_t>(std::ranges::count_if(open_ios_, [](const Io *io) {
        return io->where == Io::Where::with_map && io->line == Io::Line::in_doubt;
    }));
    const std::size_t in_flight =
        at_devices + in_doubt + own_flushes_ + probe_reads_ + (paths.activations() != 0 ? 1 : 0);
    if (map_->in_flight() != in_flight)
        verdict_.fail("{} in flight instead of {}", map_->in_flight(), in_flight);
    check_gate(in_flight);
}

void Checker::check_gate(std::size_t in_flight) {
    if (gate.state == GateModel::State::suspending && in_flight == 0 && queue_size() == 0 &&
        barred_count() == 0 && !any_unsure())
        verdict_.fail("the suspend does not end");
    if (gate.state == GateModel::State::suspended && gate.about_to_swap() && paths.activations() == 0)
        verdict_.fail("the resume does not end");
}

// Where a selector tells how much a path has in flight, it is what the devices have.
void Checker::check_selectors() {
    struct Row {
        std::string_view selector;
        std::size_t word;
        bool bytes;
    };
    static constexpr Row rows[] = {
        {"queue-length", 0, false}, {"service-time", 0, true}, {"historical-service-time", 1, false}};
    for (const auto &group : map_->live_table()->groups()) {
        const auto *row = std::ranges::find(rows, group->selector_name, &Row::selector);
        if (row == std::end(rows))
            continue;
        for (const auto &path : group->paths) {
            std::size_t expected = 0;
            for (const Io *io : open_ios_)
                if (io->where == Io::Where::at_device && io->group + 1 == group->number &&
                    device_name(io->device) == path->name)
                    expected += row->bytes ? std::size_t{io->block_count} * block_size : 1;
            const auto words = base::split_words(group->selector->path_info(path->index));
            if (words.at(row->word) != std::to_string(expected))
                verdict_.fail("{}: {} says {} in flight instead of {}", row->selector, path->name,
                              words.at(row->word), expected);
        }
    }
}

void Checker::check_waiters() {
    for (const auto &waiter : waiters) {
        if (waiter->pending != waiter->ticket->pending())
            verdict_.fail("a ticket is {}", waiter->ticket->pending() ? "pending" : "not pending");
        if (waiter->result)
            verdict_.fail("a ticket was not told of its end");
    }
}

void Checker::expect_all_done() {
    for (const Io *io : open_ios_)
        verdict_.fail("request {} never ended", io->id);
    if (!gate.idle())
        verdict_.fail("a ticket never ended");
    if (map_->held() != 0 || map_->in_flight() != 0)
        verdict_.fail("{} held, {} in flight at the end", map_->held(), map_->in_flight());
    if (map_->in_doubt() != 0)
        verdict_.fail("{} changes in doubt at the end", map_->in_doubt());
}

} // namespace sim
