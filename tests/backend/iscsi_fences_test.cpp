// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_fences.hpp"

#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <array>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using backend::IscsiFences;

const IscsiFences::Place configured{"10.0.0.1:3260", "san:3260"};
const IscsiFences::Place sent_to_b{"10.0.0.2:3260", "10.0.0.2:3260"};
const IscsiFences::Place sent_to_c{"10.0.0.3:3260", "10.0.0.3:3260"};

/// Fences of three places with a request each, whose connections the target has closed.
struct Fenced final : IscsiFences::Owner {
    Fenced() {
        for (std::size_t at = 0; at < places.size(); ++at) {
            std::array<int, 2> ends{};
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
            base::List<block::Request> sent;
            sent.push_back(requests[at]);
            fences.begin(ends[0], *places[at], sent);
            ::close(ends[1]);
        }
        worker.run(); // until all are closed
    }
    ~Fenced() {
        for (const IscsiFences::Place *place : places)
            fences.reinstated(place->portal);
    }
    Fenced(const Fenced &) = delete;
    Fenced &operator=(const Fenced &) = delete;

    void fence_ended(block::Request &request, bool fenced) noexcept override {
        CHECK(fenced);
        ended += static_cast<char>('a' + (&request - requests.data()));
    }
    void fence_wants_login() noexcept override {
        if (++closed == places.size())
            worker.stop();
    }
    void all_fenced() noexcept override {}

    const std::array<const IscsiFences::Place *, 3> places{&configured, &sent_to_b, &sent_to_c};
    io::Worker worker;
    std::array<block::Request, 3> requests;
    std::string ended;
    std::size_t closed = 0;
    IscsiFences fences{worker, "path", {60s, true}, *this};
};

} // namespace

TEST_CASE("a session that takes the place of a former one does so at its own portal") {
    Fenced fenced;
    fenced.fences.reinstated(sent_to_c.portal);
    CHECK(fenced.ended == "c");
    fenced.fences.reinstated(configured.server);
    CHECK(fenced.ended == "c");
    fenced.fences.reinstated(configured.portal);
    CHECK(fenced.ended == "ca");
}

TEST_CASE("the reset by one server ends nothing of what another one was sent") {
    Fenced fenced;
    CHECK_FALSE(fenced.fences.wants_reset("10.0.0.4:3260"));
    CHECK(fenced.fences.wants_reset(sent_to_b.server));
    fenced.fences.reset_begun(sent_to_b.server);
    CHECK_FALSE(fenced.fences.wants_reset(sent_to_b.server));
    CHECK(fenced.fences.wants_reset(sent_to_c.server));
    SUBCASE("it fails") {
        fenced.fences.reset_ended(false);
        fenced.fences.reset_begun(sent_to_c.server);
        fenced.fences.reset_ended(true);
        CHECK(fenced.ended == "c");
    }
    SUBCASE("it ends well") {
        fenced.fences.reset_ended(true);
        CHECK(fenced.ended == "b");
        fenced.fences.reset_begun(configured.server);
        fenced.fences.reset_ended(true);
        CHECK(fenced.ended == "ba");
    }
}

TEST_CASE("a command that cuts one server off ends what that one was sent") {
    Fenced fenced;
    CHECK(fenced.fences.wants_command() == configured.server);
    fenced.fences.command_begun(configured.server);
    fenced.fences.command_ended(false);
    CHECK(fenced.fences.wants_command() == sent_to_b.server);
    fenced.fences.command_begun(sent_to_b.server);
    fenced.fences.command_ended(true);
    CHECK(fenced.ended == "b");
    CHECK(fenced.fences.wants_command() == sent_to_c.server);
    fenced.fences.command_begun(sent_to_c.server);
    CHECK(fenced.fences.wants_command().empty());
    fenced.fences.command_ended(true);
    CHECK(fenced.ended == "bc");
}

TEST_CASE("that nobody listens at the configured portals says nothing of those we were sent to") {
    Fenced fenced;
    fenced.fences.nobody_listens({});
    CHECK(fenced.ended.empty());
    const std::array<std::string, 2> portals{configured.portal, "10.0.0.9:3260"};
    fenced.fences.nobody_listens(portals);
    CHECK(fenced.ended == "a");
}
