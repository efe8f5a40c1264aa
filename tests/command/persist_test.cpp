// SPDX-License-Identifier: BSD-3-Clause
#include "command/persist_order.hpp"

#include "base/text.hpp"
#include "fakes/refusal.hpp"

#include <doctest/doctest.h>

using block::ReserveIn;
using block::ReserveOut;
using command::PersistOrder;

namespace {

PersistOrder parse(std::string_view text) { return command::parse_persist(base::split_words(text)); }

std::string refusal(std::string_view text) {
    return fakes::refusal_of([&] { return parse(text); });
}

} // namespace

TEST_CASE("persist has the long options of mpathpersist") {
    const PersistOrder registering = parse("--out --register --param-sark=0x123abc m");
    CHECK(registering.map == "m");
    CHECK(registering.changes);
    CHECK(registering.out.action == ReserveOut::register_key);
    CHECK(registering.out.service_key == 0x123abc);
    CHECK(registering.out.key == 0);
    const PersistOrder preempting = parse(
        "--out --preempt-abort --param-rk 123abc --param-sark def --prout-type 5 --device=/dev/mapper/m");
    CHECK(preempting.map == "m");
    CHECK(preempting.out.action == ReserveOut::preempt_abort);
    CHECK(preempting.out.key == 0x123abc);
    CHECK(preempting.out.service_key == 0xdef);
    CHECK(preempting.out.type == 5);
    CHECK(parse("--in --read-full-status m --hex").hexadecimal);
    CHECK(parse("--in --report-capabilities -l 256 m").length == 256);
}

TEST_CASE("persist has the short options of mpathpersist, in one word, too") {
    const PersistOrder clearing = parse("-oCK 123abc m");
    CHECK(clearing.out.action == ReserveOut::clear);
    CHECK(clearing.out.key == 0x123abc);
    CHECK(parse("-ir m").in == ReserveIn::reservation);
    CHECK_FALSE(parse("-ik -d m").changes);
    const PersistOrder ignoring = parse("m -oI -S1 -ZY -v 3");
    CHECK(ignoring.out.action == ReserveOut::register_ignore);
    CHECK(ignoring.out.keep_through_power_loss);
    CHECK(ignoring.out.all_target_ports);
    CHECK(parse("-oL -K1 -T8 m").out.type == 8);
    CHECK(parse("-oG -S 0 m").out.service_key == 0);
}

TEST_CASE("what persist cannot make sense of is refused by what is wrong with it") {
    CHECK(refusal("") == "either --in or --out");
    CHECK(refusal("-io m") == "either --in or --out");
    CHECK(refusal("-ok m").starts_with("--out needs one of --register"));
    CHECK(refusal("-i m").starts_with("--in needs one of --read-keys"));
    CHECK(refusal("-ikr m") == "one thing at a time: there are two actions");
    CHECK(refusal("-ik") == "a map must be named");
    CHECK(refusal("-ik m n") == "one map at a time, not 'm' and 'n'");
    CHECK(refusal("-oG m") == "--param-sark is missing");
    CHECK(refusal("-oR -T5 m") == "--param-rk is missing");
    CHECK(refusal("-oR -K1 m") == "--prout-type is missing");
    CHECK(refusal("-oR -K1 -T4 m") == "prout-type: '4' is none of 1, 3, 5, 6, 7, 8");
    CHECK(refusal("-oG -S 10000000000000000 m") ==
          "param-sark: '10000000000000000' is not hexadecimal of up to 8 bytes");
    CHECK(refusal("-oG -S 0x m") == "param-sark: '0x' is not hexadecimal of up to 8 bytes");
    CHECK(refusal("-ik -l 7 m") == "alloc-length: '7' is not from 8 to 8192");
    CHECK(refusal("-ik --what m") == "unknown option '--what'");
    CHECK(refusal("-oGS") == "-oGS needs a value");
    CHECK(refusal("-oG -S1 -X iqn.a m") == "registering other initiators (transport-id) is not supported");
    CHECK(refusal("-f file") == "batch-file: give the commands to nbdmpathctl's standard input");
}
