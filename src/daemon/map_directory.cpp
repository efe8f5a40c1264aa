// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/map_directory.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "daemon/discovery.hpp"
#include "daemon/errand.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace nbdmpathd {

namespace {
// Of a map that is removed: it has no clients, so only a probe may be in flight.
constexpr base::Duration removal_grace = std::chrono::seconds(10);
} // namespace

/// A map as the control loop knows it. Its map's calls come on the map's worker and are carried over.
class MapDirectory::Home final : public MapHomeObserver {
public:
    Home(MapDirectory &directory, std::string its_name, Loop &its_loop, bool is_visible)
        : name(std::move(its_name))
        , loop(its_loop)
        , visible(is_visible)
        , directory_(directory) {}

    std::string name;
    Loop &loop;
    std::unique_ptr<MapHome> map; ///< touched on its worker only
    std::shared_ptr<const nbd::ExportInfo> info;
    bool visible; ///< false before its creation is complete, and after its removal
    bool settled = false;
    bool closing = false;

    [[nodiscard]] io::Worker &worker() const noexcept { return loop.worker; }

    void map_event(const std::string &map_name, const multipath::Event &event) override {
        post([this, map_name, event] { directory_.feed_.publish(map_name, event); });
    }
    void map_renamed(const std::string &before, const std::string &after,
                     const multipath::Event &event) override {
        post([this, before, after, event] { directory_.feed_.publish_renamed(before, event, after); });
    }
    void map_export(std::shared_ptr<const nbd::ExportInfo> published, bool is_settled) override {
        post([this, published = std::move(published), is_settled] {
            info = published;
            settled = is_settled;
            directory_.tell_when_settled();
        });
    }
    void map_leaving(const std::string &map_name, const multipath::Event &event) override {
        post([this, map_name, event] {
            // First, so that whoever waits for the map finds it gone.
            visible = false;
            closing = true;
            directory_.feed_.publish(map_name, event);
        });
    }
    void map_closed() override {
        post([this] {
            info.reset();
            worker().post_from_anywhere([this] {
                map.reset();
                post([this] { directory_.gone(*this); });
            });
        });
    }

private:
    void post(std::function<void()> step) { directory_.control_.post_from_anywhere(std::move(step)); }

    MapDirectory &directory_;
};

/// A map that is being created: gone again when whoever asked for it leaves before its table is staged.
class MapDirectory::Creation final : public command::Call::Waiting {
public:
    Creation(MapDirectory &directory, const HomePointer &home, std::string table, Ended ended)
        : directory_(directory)
        , home_(home)
        , errand_(
              directory.control_, home->worker(),
              [home = home.get(), table = std::move(table)](command::MapAccess::Finish finish) {
                  return home->map->load(table, std::move(finish));
              },
              [this, ended = std::move(ended)](const command::Outcome &outcome) {
                  if (outcome.error == 0)
                      complete();
                  else
                      undo();
                  ended(outcome);
              }) {}
    ~Creation() override { undo(); }

private:
    void undo() {
        const HomePointer home = home_.lock();
        if (home && !home->visible)
            directory_.close(*home, removal_grace);
    }
    void complete() {
        if (const HomePointer home = home_.lock())
            home->visible = !home->closing;
    }

    MapDirectory &directory_;
    std::weak_ptr<Home> home_;
    Errand errand_;
};

MapDirectory::MapDirectory(io::Worker &control, std::size_t threads, MapPlan fresh,
                           std::string default_export, std::string initiator, base::Delegate<> settled,
                           base::Delegate<> closed)
    : control_(control)
    , most_threads_(threads)
    , fresh_(std::move(fresh))
    , default_export_(std::move(default_export))
    , initiator_(std::move(initiator))
    , settled_(settled)
    , closed_(closed) {}

MapDirectory::~MapDirectory() {
    for (const auto &loop : loops_) {
        loop->worker.stop();
        loop->thread.join();
    }
}

void MapDirectory::start(std::vector<MapPlan> plans) {
    for (MapPlan &plan : plans)
        add(std::move(plan), true);
    share_memory();
    tell_when_settled();
}

MapDirectory::HomePointer MapDirectory::add(MapPlan plan, bool visible) {
    Loop &loop = least_loaded_loop();
    ++loop.maps;
    homes_.push_back(std::make_shared<Home>(*this, plan.name, loop, visible));
    loop.worker.post_from_anywhere([home = homes_.back().get(), plan = std::move(plan)] {
        home->map = std::make_unique<MapHome>(home->worker(), plan, *home);
        home->map->start();
    });
    return homes_.back();
}

void MapDirectory::share_memory() {
    const std::size_t share = fresh_.buffer_memory / std::max<std::size_t>(1, homes_.size());
    for (const HomePointer &home : homes_)
        if (!home->closing) // or it may be gone before its worker comes to this
            home->worker().post_from_anywhere([map = home.get(), share] { map->map->share_memory(share); });
}

MapDirectory::Loop &MapDirectory::least_loaded_loop() {
    const auto least = std::ranges::min_element(loops_, {}, &Loop::maps);
    if (least != loops_.end() && ((*least)->maps == 0 || loops_.size() >= most_threads_))
        return **least;
    auto loop = std::make_unique<Loop>();
    try {
        loop->thread = std::thread([&worker = loop->worker] { worker.run(); });
    } catch (const std::system_error &error) {
        if (least == loops_.end())
            throw base::Error(EAGAIN, "a thread for the map cannot be started: {}", error.code().message());
        return **least; // it shares a worker then
    }
    return *loops_.emplace_back(std::move(loop));
}

void MapDirectory::tell_when_settled() {
    if (all_settled_ || ending_ || !std::ranges::all_of(homes_, &Home::settled))
        return;
    all_settled_ = true;
    settled_();
}

void MapDirectory::close(base::Duration grace) {
    ending_ = true;
    for (const HomePointer &home : homes_)
        close(*home, grace);
    if (homes_.empty())
        closed_();
}

void MapDirectory::close(Home &home, base::Duration grace) {
    if (!std::exchange(home.closing, true))
        home.worker().post_from_anywhere([&home, grace] { home.map->close(grace); });
}

void MapDirectory::gone(Home &home) {
    --home.loop.maps;
    std::erase_if(homes_, [&home](const HomePointer &one) { return one.get() == &home; });
    share_memory();
    if (ending_ && homes_.empty())
        closed_();
}

MapDirectory::Home *MapDirectory::find_home(std::string_view name) const {
    const auto found = std::ranges::find_if(
        homes_, [name](const HomePointer &home) { return home->visible && home->name == name; });
    return found == homes_.end() ? nullptr : found->get();
}

MapDirectory::Home &MapDirectory::get_home(std::string_view name) const {
    Home *home = ending_ ? nullptr : find_home(name);
    if (home == nullptr)
        throw base::Error(ENXIO, "there is no map '{}'; 'ls' lists them", name);
    return *home;
}

void MapDirectory::require_free(const std::string &name) const {
    const std::string_view problem = base::name_problem(name);
    if (!problem.empty())
        throw base::Error(EINVAL, "'{}' is not a map name: {}", name.substr(0, 127), problem);
    // A map that is only being created has its name already.
    const auto has_it = [&name](const HomePointer &home) { return !home->closing && home->name == name; };
    if (std::ranges::any_of(homes_, has_it))
        throw base::Error(EBUSY, "there is a map '{}' already", name);
}

std::vector<std::string> MapDirectory::names() const {
    std::vector<std::string> result;
    for (const HomePointer &home : homes_)
        if (home->visible)
            result.push_back(home->name);
    return result;
}

bool MapDirectory::has(std::string_view map) const { return find_home(map) != nullptr; }

void MapDirectory::run_at(Home &home, std::function<void(MapHome &)> step, Done done) {
    // `done` crosses threads twice and is destroyed where it came from.
    auto held_done = std::make_shared<Done>(std::move(done));
    home.worker().post_from_anywhere([this, &home, step = std::move(step), held_done]() mutable {
        // An exception's text is shared between its copies: only plain values cross threads.
        int code = 0;
        std::string text;
        try {
            step(*home.map);
        } catch (const base::Error &caught) {
            code = caught.code();
            text = caught.what();
        }
        control_.post_from_anywhere([held_done = std::move(held_done), code, text = std::move(text)] {
            (*held_done)(code == 0 ? std::nullopt : std::optional<base::Error>(base::Error(code, text)));
        });
    });
}

void MapDirectory::visit(const std::string &map, Step step, Done done) {
    Home *home = find_home(map);
    if (home == nullptr || ending_)
        return done(base::Error(ENXIO, "there is no map {}", map));
    run_at(*home, std::move(step), std::move(done));
}

std::unique_ptr<command::Call::Waiting> MapDirectory::begin(const std::string &map, Beginning beginning,
                                                            Ended ended) {
    Home *home = find_home(map);
    if (home == nullptr || ending_) {
        ended({ENXIO, fmt::format("there is no map {}", map), {}});
        return nullptr;
    }
    return std::make_unique<Errand>(
        control_, home->worker(),
        [home, beginning = std::move(beginning)](command::MapAccess::Finish finish) {
            return beginning(*home->map, std::move(finish));
        },
        std::move(ended));
}

std::unique_ptr<command::Call::Waiting> MapDirectory::create(const command::NewMap &map, Ended ended) {
    if (ending_)
        throw base::Error(ESHUTDOWN, "the server is shutting down");
    require_free(map.name);
    MapPlan plan = fresh_;
    plan.name = map.name;
    plan.options.rules.compat = map.kernel_compat ? &multipath::kernel : &multipath::seed;
    plan.options.no_path_timeout = map.no_path_timeout;
    plan.options.independent_caches = map.independent_caches.value_or(false);
    plan.cache_stated = map.independent_caches.has_value() || map.kernel_compat;
    plan.expected.size = map.size;
    plan.expected.reinstate = !map.kernel_compat;
    if (map.kernel_compat) {
        plan.options.ambiguous_writes = multipath::AmbiguousWrites::retry;
        plan.fences = false;
    }
    const HomePointer home = add(std::move(plan), false);
    share_memory();
    return std::make_unique<Creation>(*this, home, map.table, std::move(ended));
}

void MapDirectory::remove(const std::string &map, Done done) {
    run_at(
        get_home(map), [](MapHome &home) { home.leave(removal_grace); }, std::move(done));
}

void MapDirectory::rename(const std::string &map, const std::string &name, Done done) {
    Home &home = get_home(map);
    require_free(name);
    // At once: the next command of anybody finds it by this name.
    home.name = name;
    if (default_export_ == map)
        default_export_ = name;
    run_at(
        home, [name](MapHome &renamed) { renamed.rename(name); }, std::move(done));
}

std::unique_ptr<command::Call::Waiting> MapDirectory::discover(const std::vector<std::string> &uris,
                                                               Ended ended) {
    if (ending_)
        throw base::Error(ESHUTDOWN, "the server is shutting down");
    return std::make_unique<Discovery>(control_, uris, initiator_, std::move(ended));
}

std::vector<std::shared_ptr<const nbd::ExportInfo>> MapDirectory::list() const {
    std::vector<std::shared_ptr<const nbd::ExportInfo>> result;
    for (const HomePointer &home : homes_)
        if (home->visible && home->info)
            result.push_back(home->info);
    return result;
}

std::shared_ptr<const nbd::ExportInfo> MapDirectory::find(std::string_view name) const {
    const Home *home = find_home(name.empty() ? std::string_view(default_export_) : name);
    return home == nullptr ? nullptr : home->info;
}

} // namespace nbdmpathd
