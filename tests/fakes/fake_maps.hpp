// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "command/event_feed.hpp"
#include "command/maps.hpp"
#include "command/persist_order.hpp"
#include "multipath/event.hpp"

#include <deque>
#include <utility>

namespace fakes {

/// A map that is only a snapshot; keeps the messages it was sent and refuses the verb `refuse`.
class FakeMap final : public command::MapAccess {
public:
    explicit FakeMap(command::MapSnapshot snapshot)
        : state(std::move(snapshot)) {}
    [[nodiscard]] command::MapSnapshot snapshot() const override { return state; }
    [[nodiscard]] std::uint64_t size_sectors() const override { return state.size_sectors; }
    void message(std::span<const std::string> words) override {
        if (words[0] == "refuse")
            throw base::Error(EINVAL, "Unrecognised multipath message received.");
        messages.emplace_back(words.begin(), words.end());
    }
    void inject(const std::string &path, std::string_view rule) override {
        if (rule == "refuse")
            throw base::Error(EINVAL, "unknown word 'refuse'");
        rules.push_back(path + " " + std::string(rule));
    }
    void remove_injected(const std::string &) override { rules.clear(); }
    std::vector<std::string> injected_rules(const std::string &) override { return rules; }
    void clear() override { messages.push_back({"clear"}); }
    std::unique_ptr<command::Activity> load(std::string_view table, Finish finish) override {
        return begin(fmt::format("load {}", table), std::move(finish));
    }
    std::unique_ptr<command::Activity> suspend(bool noflush, Finish finish) override {
        return begin(noflush ? "suspend noflush" : "suspend", std::move(finish));
    }
    std::unique_ptr<command::Activity> resume(bool noflush, Finish finish) override {
        return begin(noflush ? "resume noflush" : "resume", std::move(finish));
    }
    std::unique_ptr<command::Activity> pass_through(std::string_view request, Finish finish) override {
        return begin(fmt::format("pass {}", request), std::move(finish));
    }
    std::unique_ptr<command::Activity> pass_order(block::ScsiOrder order, Finish finish) override {
        return begin(fmt::format("order {} {} {}", order.block.size(), order.in, order.out.size()),
                     std::move(finish));
    }
    std::unique_ptr<command::Activity> ask_units(UnitQuestion question, std::string path,
                                                 Finish finish) override {
        return begin(fmt::format("units {} {}", static_cast<int>(question), path), std::move(finish));
    }
    std::unique_ptr<command::Activity> persist(const command::PersistOrder &order, Finish finish) override {
        return begin(fmt::format("persist {} {:x}", order.changes ? "out" : "in", order.out.service_key),
                     std::move(finish));
    }
    std::unique_ptr<command::Activity> probe(Finish finish) override {
        return begin("probe", std::move(finish));
    }
    /// Ends what goes on.
    void finish_all(const command::Outcome &outcome = {}) {
        for (const Finish &finish : std::exchange(going_on, {}))
            finish(outcome);
    }

    [[nodiscard]] std::vector<command::ClientSnapshot> clients() const override { return connected; }
    bool kick(std::uint64_t client) override {
        return std::erase_if(connected, [client](const auto &each) { return each.number == client; }) != 0;
    }

    std::vector<command::ClientSnapshot> connected;
    command::MapSnapshot state;
    std::vector<std::vector<std::string>> messages;
    std::vector<std::string> rules;
    std::vector<Finish> going_on;
    int called_off = 0;

private:
    struct Activity final : command::Activity {
        explicit Activity(FakeMap &of)
            : map(of) {}
        ~Activity() override { map.called_off += map.going_on.empty() ? 0 : 1; }
        FakeMap &map;
    };
    std::unique_ptr<command::Activity> begin(const std::string &what, Finish finish) {
        messages.push_back({what});
        going_on.push_back(std::move(finish));
        return std::make_unique<Activity>(*this);
    }
};

/// Maps without a daemon. Visits run at once, or, with `away`, when run() brings them back.
class FakeMaps final : public command::Maps {
public:
    FakeMap &add(const std::string &name) {
        command::MapSnapshot snapshot;
        snapshot.name = name;
        snapshot.info = "2 0 0 0 1 1 A 0 1 0 a1 A 0 ";
        snapshot.table = "0 0 1 1 round-robin 0 1 1 a1 1 ";
        snapshot.dependencies = {"a1"};
        snapshot.size_sectors = 2048;
        return maps_.emplace_back(std::move(snapshot));
    }
    void remove(std::string_view name) {
        std::erase_if(maps_, [name](const FakeMap &map) { return map.state.name == name; });
    }
    FakeMap *find(std::string_view name) {
        for (FakeMap &map : maps_)
            if (map.state.name == name)
                return &map;
        return nullptr;
    }
    /// As the daemon: the number grows, then who listens hears of it.
    void happen(std::string_view name, std::string_view action, const std::string &details,
                bool counted = true) {
        FakeMap &map = *find(name);
        if (counted)
            ++map.state.event_number;
        feed_.publish(name, multipath::Event{action, details, map.state.event_number, counted});
    }

    [[nodiscard]] std::vector<std::string> names() const override {
        std::vector<std::string> names;
        for (const FakeMap &map : maps_)
            names.push_back(map.state.name);
        return names;
    }
    [[nodiscard]] bool has(std::string_view name) const override {
        for (const FakeMap &map : maps_)
            if (map.state.name == name)
                return true;
        return false;
    }
    void visit(const std::string &name, Step step, Done done) override {
        visits_.push_back({name, std::move(step), std::move(done)});
        if (!away)
            run();
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> begin(const std::string &name, Beginning beginning,
                                                                Ended ended) override {
        auto errand = std::make_unique<Errand>(std::move(ended));
        FakeMap *map = find(name);
        if (map == nullptr) {
            errand->ended({ENXIO, "there is no such map", {}});
            return errand;
        }
        const auto finish = [&errand = *errand](const command::Outcome &outcome) { errand.ended(outcome); };
        try {
            errand->activity = beginning(*map, finish);
        } catch (const base::Error &error) {
            errand->ended({error.code(), error.what(), {}});
        }
        return errand;
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> create(const command::NewMap &map,
                                                                 Ended ended) override {
        require_free(map.name);
        created.push_back(map);
        add(map.name);
        ended({});
        return nullptr;
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> discover(const std::vector<std::string> &uris,
                                                                   Ended ended) override {
        ended({0, {}, uris});
        return nullptr;
    }
    void remove(const std::string &name, Done done) override {
        get(name);
        remove(std::string_view(name));
        done({});
    }
    void rename(const std::string &name, const std::string &other, Done done) override {
        FakeMap &map = get(name);
        require_free(other);
        map.state.name = other;
        done({});
    }
    [[nodiscard]] command::EventFeed &events() noexcept override { return feed_; }

    void run() {
        while (!visits_.empty()) {
            const Visit visit = std::move(visits_.front());
            visits_.pop_front();
            visit.done(result_of(visit));
        }
    }

    bool away = false;
    std::vector<command::NewMap> created;

private:
    FakeMap &get(std::string_view name) {
        if (FakeMap *map = find(name))
            return *map;
        throw base::Error(ENXIO, "there is no map '{}'", name);
    }
    void require_free(std::string_view name) {
        if (has(name))
            throw base::Error(EBUSY, "there is a map '{}' already", name);
    }
    struct Errand final : command::Call::Waiting {
        explicit Errand(Ended when_ended)
            : ended(std::move(when_ended)) {}
        Ended ended;
        std::unique_ptr<command::Activity> activity;
    };
    struct Visit {
        std::string name;
        Step step;
        Done done;
    };
    std::optional<base::Error> result_of(const Visit &visit) {
        FakeMap *map = find(visit.name);
        if (map == nullptr)
            return base::Error(ENXIO, "there is no map '{}'", visit.name);
        try {
            visit.step(*map);
        } catch (const base::Error &error) {
            return error;
        }
        return std::nullopt;
    }

    std::deque<FakeMap> maps_;
    std::deque<Visit> visits_;
    command::EventFeed feed_;
};

} // namespace fakes
