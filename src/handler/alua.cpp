// SPDX-License-Identifier: BSD-3-Clause
#include "handler/handler_list.hpp"

#include "base/error.hpp"
#include "handler/port_group.hpp"

#include <fmt/format.h>

namespace handler {

namespace {

using block::ScsiResult;

/// "LUN not accessible" for the state of its target port: standby, unavailable, offline.
bool is_inaccessible(const ScsiResult &result) noexcept {
    return result.has_sense && result.key == 2 && result.asc == 0x04 &&
           (result.ascq == 0x0b || result.ascq == 0x0c || result.ascq == 0x12);
}

/// Asymmetric logical unit access (semantics reference 4.10).
class Alua final : public Handler, private PortGroup::Owner {
public:
    Alua(base::Scheduler &scheduler, Listener &listener)
        : scheduler_(scheduler)
        , listener_(listener) {}

    void set_parameters(std::span<const std::string> words) override {
        if (words.size() > 1 || (!words.empty() && words[0] != "0" && words[0] != "1"))
            throw base::Error(EINVAL, "hardware handler alua takes nothing, 0 or 1");
        keeps_unpreferred_ = !words.empty() && words[0] == "1";
    }

    bool attach(block::Device &device) override {
        if (device.scsi() == nullptr)
            return false;
        if (find(device) == nullptr)
            paths_.push_back(std::make_unique<Path>(device));
        reached(device);
        return true;
    }

    void reached(block::Device &device) override {
        Path &path = *find(device);
        join(path);
        if (path.group != nullptr)
            path.group->recheck();
    }

    [[nodiscard]] std::string objection(block::Device &device) const override {
        const block::ScsiFacts *facts = device.scsi() == nullptr ? nullptr : device.scsi()->facts();
        if (facts == nullptr)
            return {};
        if (facts->port_groups == 0)
            return "its unit has no target port groups, which hardware handler alua needs";
        if (!facts->port_group)
            return "its unit does not name its target port group, which hardware handler alua needs";
        return {};
    }

    void activate(block::Device &device, ActivationObserver &observer) noexcept override {
        Path &path = *find(device);
        join(path);
        (path.group == nullptr ? nowhere_ : *path.group).activate(observer);
    }

    [[nodiscard]] bool may_send(block::Device &device) noexcept override {
        const PortGroup *group = find(device)->group;
        return group == nullptr || takes_requests(group->state());
    }

    [[nodiscard]] std::string_view state_of(const block::Device &device) const noexcept override {
        const Path *path = find(device);
        const bool known = path != nullptr && path->group != nullptr && path->group->known();
        return known ? name_of(path->group->state()) : std::string_view();
    }

    void stop() noexcept override {
        for (const auto &path : paths_)
            path->stop_listening();
        nowhere_.stop();
        for (const auto &group : groups_)
            group->stop();
    }

private:
    struct Path final : block::ScsiListener {
        explicit Path(block::Device &its_device)
            : device(its_device)
            , port(*its_device.scsi()) {
            port.listen(*this);
        }
        ~Path() { stop_listening(); }
        void stop_listening() noexcept {
            if (linked())
                unlink();
        }
        void answered(const ScsiResult &result) noexcept override {
            if (group == nullptr)
                return;
            const block::ScsiOutcome outcome = block::classify_scsi(result, block::Operation::read);
            if (outcome.transitioning)
                group->transition_sensed();
            else if (outcome.recheck_alua || is_inaccessible(result))
                group->recheck();
        }

        block::Device &device;
        block::ScsiPort &port;
        PortGroup *group = nullptr; ///< where the path led when it was reached last
    };

    [[nodiscard]] Path *find(const block::Device &device) const noexcept {
        for (const auto &path : paths_)
            if (&path->device == &device)
                return path.get();
        return nullptr;
    }

    /// As long as the path is down it stays where it was: others lead there, too.
    void join(Path &path) {
        const block::ScsiFacts *facts = path.port.facts();
        if (facts == nullptr)
            return;
        PortGroup *group = objection(path.device).empty() ? &group_of(*facts) : nullptr;
        if (group == path.group)
            return;
        if (path.group != nullptr)
            path.group->remove(path.port);
        path.group = group;
        if (group != nullptr)
            group->add(path.port);
    }

    PortGroup &group_of(const block::ScsiFacts &facts) {
        const PortGroup::Name name{facts.wwid.empty() ? facts.serial : facts.wwid, *facts.port_group};
        for (const auto &group : groups_)
            if (group->name() == name)
                return *group;
        PortGroup::Owner &self = *this;
        groups_.push_back(std::make_unique<PortGroup>(scheduler_, self, name, keeps_unpreferred_));
        return *groups_.back();
    }

    void reported(const PortGroup &by, const PortGroupReport &report) noexcept override {
        for (const PortGroupFacts &facts : report.groups)
            for (const auto &group : groups_)
                if (group.get() != &by && group->name() == PortGroup::Name{by.name().unit, facts.id})
                    group->take(facts);
    }

    void state_changed(const PortGroup &group) noexcept override {
        listener_.handler_event("PORT_GROUP", fmt::format("unit={} id={} state={}", group.name().unit,
                                                          group.name().id, name_of(group.state())));
    }
    void complain(const PortGroup &group, std::string_view what) noexcept override {
        listener_.handler_warning(
            fmt::format("target port group {} of unit {} {}", group.name().id, group.name().unit, what));
    }

    base::Scheduler &scheduler_;
    Listener &listener_;
    bool keeps_unpreferred_ = false;
    std::vector<std::unique_ptr<PortGroup>> groups_;
    PortGroup nowhere_{scheduler_, *this, {}, false}; ///< of paths that were never reached
    std::vector<std::unique_ptr<Path>> paths_;
};

} // namespace

const Type alua{"alua", "asks SCSI units for the states of their target port groups, and sets them",
                [](base::Scheduler &scheduler, Listener &listener) -> std::unique_ptr<Handler> {
                    return std::make_unique<Alua>(scheduler, listener);
                }};

} // namespace handler
