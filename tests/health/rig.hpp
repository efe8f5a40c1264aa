// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "fakes/fake_backend.hpp"
#include "fakes/manual_scheduler.hpp"
#include "health/path_keeper.hpp"

#include <fmt/format.h>

/// A map of one group over two fake backends, A and B, put together as the daemon does.
struct Rig final : health::KeeperObserver, multipath::Observer, multipath::DeviceSet {
    explicit Rig(const health::Expected &stated = {})
        : expected(stated)
        , keeper(scheduler, map, stated, *this) {
        keeper.add("A", a);
        keeper.add("B", b);
    }
    ~Rig() {
        keeper.stop();
        a.release();
        b.release();
        scheduler.run();
    }
    /// Both paths up, the table loaded.
    void both_up() {
        a.come_up();
        b.come_up();
        scheduler.run();
    }
    void path_settled() noexcept override {
        if (map.has_live_table() || !keeper.settled(a) || !keeper.settled(b))
            return;
        ++settled;
        expected.fingerprint = keeper.fingerprint_of({&a, &b}, false);
        const health::Disk disk = look();
        map.load(table, disk.geometry);
        keeper.expect(expected);
        map.start();
        keeper.set_disk_seen(disk.seen);
        keeper.check_all();
    }
    void disk_seen() noexcept override {
        const health::Disk disk = look();
        map.set_geometry(disk.geometry);
        keeper.set_disk_seen(disk.seen);
    }
    health::Disk look() {
        const auto backends = keeper.alike({&a, &b}, expected.fingerprint);
        const health::Disk disk = health::disk_behind(backends, expected, map.geometry());
        if (disk.geometry.size != 0)
            known.push_back(disk.geometry);
        return disk;
    }
    void path_checked(std::string_view path, std::string_view state) noexcept override {
        checks.push_back(fmt::format("{} {}", path, state));
    }
    void path_notice(std::string_view text, bool bad) noexcept override {
        (bad ? bad_news : news).emplace_back(text);
    }
    void event(const multipath::Event &event) noexcept override {
        if (event.action == "PATH_FAILED")
            keeper.path_failed();
    }
    void warning(std::string_view) noexcept override {}
    multipath::PathDevice find(std::string_view name) override { return keeper.judge(name == "A" ? a : b); }
    /// "AF": the first path is active, the second failed.
    [[nodiscard]] std::string paths() const {
        const std::string text = map.info_text();
        return {text[text.find("A ", 20) + 2], text[text.find("B ") + 2]};
    }
    void message(const std::vector<std::string> &words) { map.message(words); }

    std::string table = "0 0 1 1 round-robin 0 2 0 A B";
    health::Expected expected;
    fakes::ManualScheduler scheduler;
    fakes::FakeBackend a{scheduler};
    fakes::FakeBackend b{scheduler};
    multipath::Map map{scheduler, "m", {}, *this, *this};
    int settled = 0;
    std::vector<block::Geometry> known;
    std::vector<std::string> checks; ///< "A down"
    std::vector<std::string> news;
    std::vector<std::string> bad_news;
    health::PathKeeper keeper;
};
