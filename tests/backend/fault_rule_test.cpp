// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault_rule.hpp"

#include "fakes/refusal.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <vector>

namespace {

using backend::FaultRule;
using backend::FaultSpec;
using backend::parse_fault;
using block::Operation;
using block::Outcome;
using block::Status;
using Effect = FaultSpec::Effect;

std::string refusal(std::string_view text) {
    return fakes::refusal_of([&] { return parse_fault(text); });
}

bool takes(FaultRule &rule, Operation operation, std::uint64_t offset = 0, std::uint64_t length = 4096) {
    block::Request request;
    request.operation = operation;
    request.offset = offset;
    request.length = length;
    return rule.takes(request);
}

/// "01001": which of `count` reads the rule takes.
std::string pattern(std::string_view text, int count) {
    FaultRule rule(parse_fault(text));
    std::string result;
    for (int i = 0; i < count; ++i)
        result += takes(rule, Operation::read) ? '1' : '0';
    CHECK(rule.used() == static_cast<std::uint64_t>(std::ranges::count(result, '1')));
    return result;
}

} // namespace

TEST_CASE("fault: the name of an error has the class that a local file's has") {
    CHECK(parse_fault("error=EIO").error == Status::path_error(EIO));
    CHECK(parse_fault("error=ENOSPC").error == Status::target_error(ENOSPC));
    CHECK(parse_fault("error=ENOMEM").error == Status{Outcome::path_delayed, ENOMEM});
    CHECK(parse_fault("error=EINTR").error == Status{Outcome::retry, EINTR});
    CHECK(parse_fault("error=ENOTSUP").error == Status{Outcome::pass, ENOTSUP});
    CHECK(parse_fault("error=EOPNOTSUPP").error == Status{Outcome::pass, ENOTSUP});
    CHECK(parse_fault("error=EWOULDBLOCK").error == Status{Outcome::path_delayed, EAGAIN});
}

TEST_CASE("fault: an error may be said by its class") {
    CHECK(parse_fault("error=path").error == Status::path_error(EIO));
    CHECK(parse_fault("error=path:ENOTCONN").error == Status::path_error(ENOTCONN));
    CHECK(parse_fault("error=path_delayed").error == Status{Outcome::path_delayed, ENOMEM});
    CHECK(parse_fault("error=retry").error == Status{Outcome::retry, EINTR});
    CHECK(parse_fault("error=target:ENOSPC").error == Status::target_error(ENOSPC));
    CHECK(parse_fault("error=target").error == Status::target_error(EIO));
    CHECK(parse_fault("error=pass:ENOTSUP").error == Status{Outcome::pass, ENOTSUP});
}

TEST_CASE("fault: the effects, and a delay beside an error") {
    CHECK(parse_fault("hang").effect == Effect::hang);
    CHECK(parse_fault("drop").effect == Effect::drop);
    CHECK(parse_fault("delay=2s").effect == Effect::delay);
    CHECK(parse_fault("delay=2s").delay == std::chrono::seconds(2));
    const FaultSpec both = parse_fault("delay=150ms error=EIO");
    CHECK(both.effect == Effect::error);
    CHECK(both.delay == std::chrono::milliseconds(150));
}

TEST_CASE("fault: words stand in any order and are listed in one, with the seed that is used") {
    CHECK(parse_fault("count=5 op=read,write  error=EIO").text == "error=EIO op=read,write count=5");
    CHECK(parse_fault("probability=0.5 hang").text == "hang probability=0.5 seed=1");
    CHECK(parse_fault("seed=7 probability=0.5 hang").text == "hang probability=0.5 seed=7");
    CHECK_FALSE(parse_fault("drop").filtered);
    CHECK_FALSE(parse_fault("delay=1s error=EIO").filtered);
    CHECK(parse_fault("drop after=3").filtered);
}

TEST_CASE("fault: what is listed is read as the same rule") {
    for (const std::string text : {"error=target:ENOSPC delay=1s op=write,trim range=1M+4K after=3 every=2 "
                                   "count=5 probability=0.25 seed=9",
                                   "hang", "drop op=flush", "delay=10ms probability=1 seed=1"})
        CHECK(parse_fault(text).text == text);
}

TEST_CASE("fault: only the operations that are said") {
    FaultRule rule(parse_fault("error=EIO op=write,flush"));
    CHECK(takes(rule, Operation::write));
    CHECK(takes(rule, Operation::flush, 0, 0));
    for (const Operation other :
         {Operation::read, Operation::trim, Operation::write_zeroes, Operation::cache})
        CHECK_FALSE(takes(rule, other));
    FaultRule any(parse_fault("error=EIO"));
    for (const Operation each : {Operation::read, Operation::write, Operation::flush, Operation::trim,
                                 Operation::write_zeroes, Operation::cache})
        CHECK(takes(any, each));
}

TEST_CASE("fault: a range takes what touches it, and no flush") {
    FaultRule rule(parse_fault("error=EIO range=8K+4K"));
    CHECK_FALSE(takes(rule, Operation::read, 0, 8192));
    CHECK(takes(rule, Operation::read, 0, 8193));
    CHECK(takes(rule, Operation::write, 12287, 1));
    CHECK_FALSE(takes(rule, Operation::write, 12288, 4096));
    CHECK(takes(rule, Operation::trim, 0, 1 << 20));
    CHECK_FALSE(takes(rule, Operation::flush, 0, 0));
    FaultRule end(parse_fault("error=EIO range=9223372036854775807+9223372036854775807"));
    CHECK_FALSE(takes(end, Operation::read));
}

TEST_CASE("fault: after, every and count") {
    CHECK(pattern("error=EIO every=3", 9) == "001001001");
    CHECK(pattern("error=EIO after=2", 5) == "00111");
    CHECK(pattern("error=EIO count=2", 5) == "11000");
    CHECK(pattern("error=EIO after=1 every=2 count=2", 9) == "001010000");
    CHECK(pattern("error=EIO after=18446744073709551615", 3) == "000");
}

TEST_CASE("fault: what is of another operation or place is not counted") {
    FaultRule rule(parse_fault("error=EIO op=write every=2"));
    CHECK_FALSE(takes(rule, Operation::write));
    CHECK_FALSE(takes(rule, Operation::read));
    CHECK(takes(rule, Operation::write));
}

TEST_CASE("fault: a probability has the same luck for the same seed") {
    const std::string some = pattern("error=EIO probability=0.25", 4000);
    CHECK(some == pattern("error=EIO probability=0.25 seed=1", 4000));
    CHECK(some != pattern("error=EIO probability=0.25 seed=2", 4000));
    const auto hits = std::ranges::count(some, '1');
    CHECK(hits > 900);
    CHECK(hits < 1100);
    CHECK(pattern("error=EIO probability=0", 3) == "000");
    CHECK(pattern("error=EIO probability=1", 3) == "111");
}

TEST_CASE("fault: a wrong word is named, with a right one") {
    CHECK(refusal("eror=EIO") ==
          "unknown word 'eror=EIO', did you mean 'error'? (example: error=EIO op=write count=1)");
    CHECK(refusal("error=EIOO") == "'error=EIOO': 'EIOO' is neither the name of an error nor one of path, "
                                   "path_lost, path_in_doubt, path_delayed, retry, target, "
                                   "pass (example: error=EIO)");
    CHECK(refusal("error=target:5").find("'5' is neither") != std::string::npos);
    CHECK(refusal("error") == "'error': 'error' needs a value (example: error=EIO)");
    CHECK(refusal("hang=1") == "'hang=1': 'hang' has not a value (example: hang)");
    CHECK(refusal("delay=1h").find("'delay=1h': '1h' is not a duration") == 0);
    CHECK(refusal("delay=0ms") == "'delay=0ms': a delay of nothing (example: delay=100ms)");
    CHECK(refusal("hang op=reed") ==
          "'op=reed': 'reed' is no operation, did you mean 'read'? (example: op=read,write)");
    CHECK(refusal("hang op=").find("'' is no operation") != std::string::npos);
    CHECK(refusal("hang op=read,").find("'' is no operation") != std::string::npos);
    CHECK(refusal("hang range=4096") ==
          "'range=4096': not an offset, a plus and a length (example: range=1M+4K)");
    CHECK(refusal("hang range=0+0") == "'range=0+0': a range of no bytes (example: range=1M+4K)");
    CHECK(refusal("hang range=-1+5").find("'-1' is not a size") != std::string::npos);
    CHECK(refusal("hang every=0") == "'every=0': not a number from 1 on (example: every=10)");
    CHECK(refusal("hang count=-1") == "'count=-1': not a number from 1 on (example: count=1)");
    for (const std::string wrong : {"1.1", "-0.1", "nan", "inf", "0.5x", ""})
        CHECK(refusal("hang probability=" + wrong) ==
              "'probability=" + wrong + "': not a number from 0 to 1 (example: probability=0.01)");
    CHECK(refusal(std::string(60000, 'x')).size() < 200);
    CHECK(refusal("error=" + std::string(60000, 'x')).size() < 400);
}

TEST_CASE("fault: words that do not go together are refused") {
    CHECK(refusal("").find("what shall happen?") == 0);
    CHECK(refusal("op=read").find("what shall happen?") == 0);
    CHECK(refusal("hang drop").find("'hang' and 'drop' cannot both happen") == 0);
    CHECK(refusal("error=EIO hang").find("'error' and 'hang' cannot both happen") == 0);
    CHECK(refusal("delay=1s drop").find("'delay' and 'drop' cannot both happen") == 0);
    CHECK(refusal("error=EIO delay=1s hang").find("'delay' and 'hang' cannot both happen") == 0);
    CHECK(refusal("hang count=1 count=2") == "'count' is said twice; one is enough (example: count=1)");
    CHECK(refusal("hang seed=5") == "'seed=5' is for a probability (example: probability=0.01 seed=5)");
}
