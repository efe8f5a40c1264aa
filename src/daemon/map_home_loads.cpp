// SPDX-License-Identifier: BSD-3-Clause
// How a map gets its tables: load, and the paths and the size that come with a table.
#include "daemon/map_home.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "daemon/caches.hpp"
#include "daemon/no_device.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <utility>

namespace nbdmpathd {

namespace {

/// Every path that could be opened, for looking at a table before its paths are.
class BookDevices final : public multipath::DeviceSet {
public:
    BookDevices(const PathBook &book, const multipath::Compat &compat)
        : book_(book)
        , compat_(compat) {}
    multipath::PathDevice find(std::string_view name) override {
        if (book_.contains(name))
            return {&no_device(), true};
        constexpr std::size_t longest_quote = 127;
        const std::string_view quote = name.substr(0, longest_quote);
        std::vector<std::string_view> names;
        for (const auto &[known, plan] : book_)
            names.push_back(known);
        const std::string_view nearest = base::nearest_word(quote, names);
        throw base::Error(multipath::look_up_error(compat_, name), "error getting device: no path '{}'{}",
                          quote, nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest));
    }

private:
    const PathBook &book_;
    const multipath::Compat &compat_;
};

block::Geometry with_size(block::Geometry geometry, std::uint64_t size) {
    geometry.size = size - size % geometry.minimum_block;
    return geometry;
}

} // namespace

/// A load that waits until each path of its table has answered or failed to.
class MapHome::Loading final : public command::Activity, public base::ListHook {
public:
    Loading(MapHome &home, std::string its_table, std::vector<std::string> its_paths,
            const health::Expected &stated, Finish when_ended)
        : table(std::move(its_table))
        , paths(std::move(its_paths))
        , expected(stated)
        , finish(std::move(when_ended))
        , home_(home) {}
    ~Loading() override {
        if (!linked())
            return;
        unlink();
        home_.worker_.post(home_.advance_loads_); // its paths are not wanted any more
    }

    const std::string table;
    const std::vector<std::string> paths;
    const health::Expected expected;
    const Finish finish;

private:
    MapHome &home_;
};

MapHome::Activity MapHome::load(std::string_view table, Finish finish) {
    require_started();
    return begin_load(table, std::move(finish));
}

MapHome::Activity MapHome::begin_load(std::string_view text, Finish finish) {
    std::vector<std::string> words = base::split_words(text);
    health::Expected expected = keeper_.expected();
    if (const auto stated = base::take_table_head(words)) {
        expected.size = stated;
        if (size_is_fixed())
            require_same_size({.size = *stated});
    }
    std::string line = base::join_words(words);
    // Everything that is wrong with the text shows before a path is opened for it.
    BookDevices devices(*plan_.paths, *plan_.options.rules.compat);
    const auto table = multipath::Table::parse(line, devices, plan_.options.rules);
    check_caches(*table);
    std::vector<std::string> names = path_names(*table);
    auto loading =
        std::make_unique<Loading>(*this, std::move(line), std::move(names), expected, std::move(finish));
    loads_.push_back(*loading);
    worker_.post(advance_loads_); // also when a path cannot be opened
    paths_.open(loading->paths);
    return loading;
}

/// Finishes the loads whose paths have all answered or failed to.
void MapHome::advance_loads() noexcept {
    base::List<Loading> waiting;
    while (!loads_.empty()) {
        Loading &loading = loads_.pop_front();
        if (!closing_ && !paths_.settled(loading.paths)) {
            waiting.push_back(loading);
            continue;
        }
        command::Outcome outcome;
        try {
            outcome.lines = stage(loading);
        } catch (const base::Error &error) {
            outcome = {error.code(), error.what(), {}};
        }
        loading.finish(std::move(outcome));
    }
    loads_.take_all(waiting);
    close_unused_paths();
}

/// Returns what the user should know of the table.
std::vector<std::string> MapHome::stage(const Loading &loading) {
    if (closing_)
        throw base::Error(ESHUTDOWN, "map {} is being closed", plan_.name);
    const bool fixed = size_is_fixed();
    health::Expected expected = loading.expected;
    expected.fingerprint = keeper_.fingerprint_of(paths_.backends(loading.paths), fixed);
    const auto alike = keeper_.alike(paths_.backends(loading.paths), expected.fingerprint);
    health::Disk disk = health::disk_behind(alike, expected, map_.geometry());
    bool too_long = false;
    if (!disk.seen) {
        too_long = started_ && !alike.empty();
        const bool found_at_swap = plan_.options.rules.compat->swap_checks_length && map_.has_live_table();
        if (too_long && !found_at_swap)
            throw base::Error(EINVAL, "error getting device: every path is smaller than {} bytes",
                              disk.geometry.size);
        disk.geometry = with_size(map_.geometry(), disk.geometry.size);
    }
    if (fixed)
        require_same_size(disk.geometry);
    std::vector<std::string> lines =
        wrong_paths(loading.paths, fixed ? map_.geometry() : disk.geometry, expected);
    const std::string dropped = map_.load(loading.table, disk.geometry);
    if (!dropped.empty()) {
        warning(dropped);
        lines.push_back(dropped);
    }
    staged_ = {expected, disk, too_long};
    if (!plan_.cache_stated && !see_one_cache(with_live_paths(loading.paths), *plan_.paths))
        map_.make_caches_independent();
    return lines;
}

std::vector<std::string> MapHome::wrong_paths(std::span<const std::string> names, const block::Geometry &disk,
                                              const health::Expected &expected) const {
    std::vector<std::string> lines;
    const auto backends = paths_.backends(names);
    for (std::size_t i = 0; i < backends.size(); ++i) {
        const std::string wrong = keeper_.difference(*backends[i], disk, expected);
        if (!wrong.empty())
            lines.push_back(
                fmt::format("path {} is not this disk and will not be used: {}", names[i], wrong));
    }
    return lines;
}

void MapHome::first_table_staged(const command::Outcome &outcome) {
    if (closing_)
        return;
    started_ = true;
    if (outcome.error == 0) {
        keeper_.expect(staged_->expected);
        map_.start();
        take_over_staged();
    } else {
        why_not_ = outcome.text;
        warning(fmt::format("the table cannot be loaded: {}", outcome.text));
        publish();
    }
}

/// Design D4, as for the tables of the configuration.
void MapHome::check_caches(const multipath::Table &table) const {
    const bool independent = plan_.cache_stated ? map_.options().independent_caches
                                                : !see_one_cache(path_names(table), *plan_.paths);
    if (!independent || plan_.expected.read_only)
        return;
    const std::string conflict = cache_conflict(table);
    if (!conflict.empty())
        throw base::Error(EINVAL, "{}", conflict);
}

std::vector<std::string> MapHome::with_live_paths(std::vector<std::string> names) const {
    if (!map_.has_live_table())
        return names;
    for (std::string &name : map_.dependencies())
        if (std::ranges::find(names, name) == names.end())
            names.push_back(std::move(name));
    return names;
}

void MapHome::close_unused_paths() noexcept {
    if (closing_)
        return;
    paths_.close_unless([this](const std::string &name, const backend::Backend &backend) {
        bool wanted = map_.uses(backend);
        loads_.for_each([&](const Loading &loading) {
            wanted = wanted || std::ranges::find(loading.paths, name) != loading.paths.end();
        });
        return wanted;
    });
}

} // namespace nbdmpathd
