// SPDX-License-Identifier: BSD-3-Clause
// What is done with a map's tables once they are loaded: suspend, resume as the swap, and what passes by.
#include "daemon/map_home.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "daemon/unit_question.hpp"
#include "io/worker.hpp"

#include <utility>

namespace nbdmpathd {

/// A suspend or resume that goes on.
class MapHome::Operation final : public command::Activity {
public:
    Operation(MapHome &home, std::string_view what, bool resuming, Finish finish)
        : home_(home)
        , what_(what)
        , resuming_(resuming)
        , finish_(std::move(finish)) {
        home_.resumes_ += resuming_ ? 1U : 0U;
    }
    ~Operation() override {
        // One that has ended may outlive its map.
        if (ticket.pending())
            home_.map_.withdraw(ticket);
        end();
    }

    multipath::Ticket ticket{base::Delegate<int>::to<&Operation::done>(*this)};

private:
    void end() noexcept {
        if (std::exchange(resuming_, false))
            home_.resume_is_over();
    }
    void done(int result) noexcept {
        end();
        finish_({result,
                 result == ENOTCONN ? std::string("no path of the map is left")
                                    : fmt::format("{} did not complete: {}", what_, base::errno_text(result)),
                 {}});
    }

    MapHome &home_;
    std::string_view what_;
    bool resuming_;
    Finish finish_;
};

void MapHome::clear() {
    require_started();
    map_.clear();
    staged_.reset();
    close_unused_paths();
}

MapHome::Activity MapHome::suspend(bool noflush, Finish finish) {
    require_started();
    auto operation = std::make_unique<Operation>(*this, "suspend", false, std::move(finish));
    map_.suspend(operation->ticket, noflush);
    return operation;
}

MapHome::Activity MapHome::resume(bool noflush, Finish finish) {
    require_started();
    if (staged_ && staged_->too_long)
        return refuse_swap(noflush, std::move(finish));
    if (resumes_ == 0)
        expected_ = keeper_.expected();
    auto operation = std::make_unique<Operation>(*this, "resume", true, std::move(finish));
    if (staged_) {
        if (size_is_fixed()) {
            require_same_size(staged_->disk.geometry);
            require_same_fingerprint(staged_->expected.fingerprint);
            map_.keep_geometry();
        } else if (staged_->disk.geometry != map_.geometry() ||
                   staged_->expected.fingerprint != expected_.fingerprint) {
            sessions_.let_in(false); // who was told of another disk
        }
        keeper_.expect(staged_->expected);
    }
    map_.resume(operation->ticket, noflush);
    return operation;
}

/// The swap suspends first and then finds the table too long (Compat::swap_checks_length): the map stays so.
MapHome::Activity MapHome::refuse_swap(bool noflush, Finish finish) {
    return suspend(noflush, [this, finish = std::move(finish)](const command::Outcome &) {
        if (!closing_)
            clear();
        finish({EINVAL, "every path of the table is smaller than the map; it is suspended", {}});
    });
}

MapHome::Activity MapHome::pass_through(std::string_view request, Finish finish) {
    return pass(std::make_unique<Passing>(worker_, map_, request, std::move(finish)));
}

MapHome::Activity MapHome::pass_order(block::ScsiOrder order, Finish finish) {
    return pass(std::make_unique<Passing>(worker_, map_, std::move(order), std::move(finish)));
}

MapHome::Activity MapHome::pass(std::unique_ptr<Passing> passing) {
    require_started();
    passings_.push_back(*passing);
    passing->begin();
    return passing;
}

MapHome::Activity MapHome::ask_units(UnitQuestion question, std::string path, Finish finish) {
    require_started();
    return std::make_unique<nbdmpathd::UnitQuestion>(map_, paths_, question, std::move(path),
                                                     std::move(finish));
}

MapHome::Activity MapHome::persist(const command::PersistOrder &order, Finish finish) {
    require_started();
    return reservations_.begin(order, std::move(finish));
}

MapHome::Activity MapHome::probe(Finish finish) {
    require_started();
    auto operation = std::make_unique<Operation>(*this, "probe", false, std::move(finish));
    map_.probe(operation->ticket);
    return operation;
}

/// A resume has ended: with another table, or not.
void MapHome::resume_is_over() noexcept {
    if (--resumes_ != 0)
        return;
    if (staged_ && !map_.has_inactive_table())
        take_over_staged();
    else
        keeper_.expect(expected_);
    sessions_.let_in(true);
}

void MapHome::take_over_staged() noexcept {
    expected_ = staged_->expected;
    disk_seen_ = disk_seen_ || staged_->disk.seen;
    staged_.reset();
    keeper_.expect(expected_);
    keeper_.set_disk_seen(disk_seen_);
    keeper_.check_all();
    close_unused_paths();
    publish();
}

bool MapHome::size_is_fixed() const noexcept {
    return map_.geometry().size != 0 && (sessions_.count() != 0 || map_.suspended_noflush());
}

void MapHome::require_same_size(const block::Geometry &geometry) const {
    if (health::is_same_size(geometry, map_.geometry()))
        return;
    throw base::Error(EINVAL, "the table is of {} bytes and map {} of {}: the size cannot change while {}",
                      geometry.size, plan_.name, map_.geometry().size,
                      map_.suspended_noflush() ? "the map is suspended without flush"
                                               : "clients are connected");
}

void MapHome::require_same_fingerprint(const health::Fingerprint &fingerprint) const {
    if (!health::contradicts(fingerprint, expected_.fingerprint))
        return;
    throw base::Error(EINVAL,
                      "the table's paths are another disk than map {} by its fingerprint: it cannot change "
                      "while clients are connected",
                      plan_.name);
}

} // namespace nbdmpathd
