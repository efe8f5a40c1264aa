// SPDX-License-Identifier: BSD-3-Clause
// The console with a map on another worker, as the daemon has them: steps go there and come back.
#include "console.hpp"

#include <doctest/doctest.h>

namespace {

class HomeWorkerMaps final : public command::Maps {
public:
    HomeWorkerMaps(io::Worker &control, io::Worker &home)
        : control_(control)
        , home_(home) {
        maps_.add("mpatha");
    }

    [[nodiscard]] std::vector<std::string> names() const override { return {"mpatha"}; }
    [[nodiscard]] bool has(std::string_view map) const override { return map == "mpatha"; }
    void visit(const std::string &, Step step, Done done) override {
        home_.post_from_anywhere([this, step = std::move(step), done = std::move(done)]() mutable {
            std::optional<base::Error> error;
            try {
                step(*maps_.find("mpatha"));
            } catch (const base::Error &thrown) {
                error = thrown;
            }
            control_.post_from_anywhere([error, done = std::move(done)] { done(error); });
        });
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> begin(const std::string &, Beginning,
                                                                Ended) override {
        return nullptr;
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> create(const command::NewMap &, Ended) override {
        return nullptr;
    }
    [[nodiscard]] std::unique_ptr<command::Call::Waiting> discover(const std::vector<std::string> &,
                                                                   Ended) override {
        return nullptr;
    }
    void remove(const std::string &, Done) override {}
    void rename(const std::string &, const std::string &, Done) override {}
    [[nodiscard]] command::EventFeed &events() noexcept override { return feed_; }

    /// On the home worker.
    void happen() {
        const std::uint64_t number = ++maps_.find("mpatha")->state.event_number;
        control_.post_from_anywhere([this, number] {
            feed_.publish("mpatha", multipath::Event{"PATH_FAILED", "path=a1", number, true});
        });
    }

private:
    io::Worker &control_;
    io::Worker &home_;
    fakes::FakeMaps maps_; // used on the home worker only
    command::EventFeed feed_;
};

} // namespace

TEST_CASE("every wait sees its event, and sessions may close while their steps are away") {
    std::string pattern = std::filesystem::temp_directory_path() / "nbdmpath-admin-XXXXXX";
    const std::string directory = ::mkdtemp(pattern.data());
    io::Worker control;
    io::Worker home;
    HomeWorkerMaps maps(control, home);
    std::optional<admin::Server> server(std::in_place, control, maps);
    server->listen(io::ListeningSocket::open_unix(directory + "/s"));
    std::thread control_thread([&] { control.run(); });
    std::thread home_thread([&] { home.run(); });

    admin_test::Client patient(directory + "/s");
    for (int i = 0; i < 200; ++i) {
        // The event happens before, during or after the step of the wait: all three must end it.
        patient.send("wait mpatha " + std::to_string(i) + "\n");
        admin_test::Client hasty(directory + "/s");
        hasty.send("status\nwait mpatha " + std::to_string(i) + "\ninfo mpatha\nmessage mpatha 0 x\n");
        home.post_from_anywhere([&] { maps.happen(); });
        REQUIRE(patient.line()->starts_with("0 2048 multipath "));
        REQUIRE(patient.line() == "OK");
    }

    control.run_and_wait([&] { server.reset(); });
    home.stop();
    home_thread.join();
    control.stop();
    control_thread.join();
    std::filesystem::remove_all(directory);
}
