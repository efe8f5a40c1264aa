// SPDX-License-Identifier: BSD-3-Clause
// The NBD backend against real servers that behave.
#include "nbd_fixture.hpp"

#include "block/extents.hpp"

#include <fstream>
#include <random>

using namespace nbd_test;
using block::Outcome;
using block::Status;
using fakes::ChildProcess;
using fakes::TempDirectory;

namespace {

struct Served {
    explicit Served(std::vector<std::string> words)
        : server(nbdkit(directory / "s", std::move(words))) {}
    TempDirectory directory;
    ChildProcess server;
    Loop loop;
    Path path{loop, unix_uri(directory / "s")};
};

void exercise(Path &path) {
    CHECK(path.run(Operation::write, 4096, 8192, 0x11).ok());
    CHECK(path.holds(4096, 8192, 0x11));
    CHECK(path.run(Operation::flush, 0, 0).ok());
    CHECK(path.run(Operation::write_zeroes, 4096, 4096).ok());
    CHECK(path.holds(4096, 4096, 0));
    CHECK(path.holds(8192, 4096, 0x11));
    CHECK(path.run(Operation::trim, 8192, 4096).ok());
    CHECK(path.run(Operation::cache, 0, 65536).ok());
    for (const Operation operation : {Operation::write, Operation::trim, Operation::write_zeroes}) {
        Io &io = path.start(operation, 16384, 4096, 0x22);
        io.request.fua = true;
        CHECK(path.finish(io).ok());
    }
    Io &allocated = path.start(Operation::write_zeroes, 16384, 4096);
    allocated.request.no_hole = true;
    CHECK(path.finish(allocated).ok());
    CHECK(path.holds(16384, 4096, 0));
    CHECK(path.device->in_flight() == 0);
}

} // namespace

TEST_CASE("every operation works against nbdkit, whatever it offers") {
    for (const std::vector<std::string> &words : std::vector<std::vector<std::string>>{
             {"memory", "16M"},
             {"--filter=nozero", "memory", "16M"},
             {"--filter=fua", "memory", "16M", "fuamode=emulate"},
             {"--filter=nocache", "memory", "16M", "cachemode=none"},
             {"eval", "get_size=echo 16777216", "open=touch $tmpdir/d; truncate -s 16M $tmpdir/d",
              "pread=dd if=$tmpdir/d iflag=skip_bytes,count_bytes skip=$4 count=$3 2>/dev/null",
              "pwrite=dd of=$tmpdir/d oflag=seek_bytes seek=$4 conv=notrunc 2>/dev/null"}}) {
        CAPTURE(words.front());
        Served served(words);
        REQUIRE(served.path.wait_up());
        CHECK(served.path.device->geometry().size == 16 * mib);
        CHECK_FALSE(served.path.device->geometry().read_only);
        exercise(served.path);
        CHECK(served.path.device->generation() == 0);
        CHECK(served.path.ups == 1);
    }
}

TEST_CASE("a write with FUA is flushed before its end where the server knows no FUA") {
    TempDirectory directory;
    const std::string log = directory / "log";
    ChildProcess server(
        nbdkit(directory / "s", {"eval", "get_size=echo 1048576", "pread=head -c $3 /dev/zero",
                                 "can_fua=echo none", "can_flush=exit 0", "flush=echo flush >> " + log,
                                 "pwrite=cat >/dev/null; echo write >> " + log}));
    Loop loop;
    Path path(loop, unix_uri(directory / "s"));
    REQUIRE(path.wait_up());
    Io &io = path.start(Operation::write, 0, 4096);
    io.request.fua = true;
    CHECK(path.finish(io).ok());
    std::ifstream file(log);
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "write\nflush\n");
}

TEST_CASE("zeroes that the server cannot write are written in pieces") {
    Served served({"--filter=nozero", "memory", "16M"});
    REQUIRE(served.path.wait_up());
    CHECK(served.path.run(Operation::write, 0, 4 * mib, 0x77).ok());
    CHECK(served.path.run(Operation::write_zeroes, 4096, 2 * mib).ok());
    CHECK(served.path.holds(0, 4096, 0x77));
    CHECK(served.path.holds(4096, 2 * mib, 0));
    CHECK(served.path.holds(4096 + 2 * mib, 4096, 0x77));
    Io &fast = served.path.start(Operation::write_zeroes, 0, 4096);
    fast.request.fast_zero = true;
    CHECK(served.path.finish(fast) == Status{Outcome::pass, ENOTSUP});
    CHECK(served.path.holds(0, 4096, 0x77));
}

TEST_CASE("lengths beyond 32 bits are split") {
    Served served({"memory", "12G"});
    REQUIRE(served.path.wait_up());
    CHECK(served.path.run(Operation::write, 9 * 1024 * mib, 4096, 0x33).ok());
    CHECK(served.path.run(Operation::write_zeroes, 0, 12 * 1024 * mib).ok());
    CHECK(served.path.run(Operation::trim, 0, 12 * 1024 * mib).ok());
    CHECK(served.path.holds(9 * 1024 * mib, 4096, 0));
}

TEST_CASE("the server's block sizes become the geometry") {
    Served served({"--filter=blocksize-policy", "memory", "1049088", "blocksize-minimum=4k",
                   "blocksize-preferred=64k", "blocksize-maximum=1M", "blocksize-error-policy=error"});
    REQUIRE(served.path.wait_up());
    const block::Geometry &geometry = served.path.device->geometry();
    CHECK(geometry.minimum_block == 4096);
    CHECK(geometry.preferred_block == 65536);
    CHECK(geometry.maximum_payload == 1 * mib);
    CHECK(geometry.size == 1 * mib); // the tail of 512 bytes cannot be reached
    CHECK(served.path.run(Operation::write, 0, 1 * mib, 1).ok());
    CHECK(served.path.holds(0, 1 * mib, 1));
}

TEST_CASE("a read-only export refuses what modifies") {
    Served served({"-r", "memory", "1M"});
    REQUIRE(served.path.wait_up());
    CHECK(served.path.device->geometry().read_only);
    CHECK(served.path.run(Operation::write, 0, 4096) == Status::target_error(EPERM));
    CHECK(served.path.run(Operation::trim, 0, 4096) == Status::target_error(EPERM));
    CHECK(served.path.run(Operation::write_zeroes, 0, 4096) == Status::target_error(EPERM));
    CHECK(served.path.run(Operation::flush, 0, 0).ok());
    CHECK(served.path.holds(0, 4096, 0));
}

TEST_CASE("errors that the server answers keep their class and the connection") {
    struct Answer {
        std::string word;
        Status status;
    };
    for (const Answer &answer : std::vector<Answer>{{"EIO", Status::path_error(EIO)},
                                                    {"ENOSPC", Status::target_error(ENOSPC)},
                                                    {"EINVAL", Status::target_error(EINVAL)},
                                                    {"EPERM", Status::path_error(EPERM)},
                                                    {"ENOMEM", Status{Outcome::path_delayed, ENOMEM}}}) {
        CAPTURE(answer.word);
        Served served({"--filter=error", "memory", "1M", "error=" + answer.word, "error-pwrite-rate=1"});
        REQUIRE(served.path.wait_up());
        CHECK(served.path.run(Operation::write, 0, 4096) == answer.status);
        CHECK(served.path.holds(0, 4096, 0));
        CHECK(served.path.downs == 0);
    }
}

TEST_CASE("a server that says it shuts down is left") {
    Served served({"--filter=error", "memory", "1M", "error=ESHUTDOWN", "error-pwrite-rate=1"});
    REQUIRE(served.path.wait_up());
    CHECK(served.path.run(Operation::write, 0, 4096).is_path_error());
    CHECK(served.path.downs == 1);
    CHECK(served.path.why == "the server shuts down");
}

TEST_CASE("every operation works against qemu-nbd") {
    TempDirectory directory;
    std::ofstream(directory / "disk").close();
    std::filesystem::resize_file(directory / "disk", 16 * mib);
    ChildProcess server(
        {"qemu-nbd", "-f", "raw", "-t", "-k", directory / "s", "-x", "disk", directory / "disk"});
    Loop loop;
    Path path(loop, unix_uri(directory / "s", "disk"));
    REQUIRE(path.wait_up());
    CHECK(path.device->geometry().size == 16 * mib);
    exercise(path);
    CHECK(path.run(Operation::cache, 0, 16 * mib).ok());
}

TEST_CASE("every operation works against nbd-server") {
    TempDirectory directory;
    std::ofstream(directory / "disk").close();
    std::filesystem::resize_file(directory / "disk", 16 * mib);
    std::ofstream(directory / "conf")
        << "[generic]\nunixsock = " << (directory / "s") << "\n[disk]\nexportname = " << (directory / "disk")
        << "\ntrim = true\nflush = true\nfua = true\n";
    const std::string port = std::to_string(20000 + ::getpid() % 20000);
    ChildProcess server({"nbd-server", "-d", "-C", directory / "conf", "127.0.0.1:" + port});
    Loop loop;
    Path path(loop, unix_uri(directory / "s", "disk"));
    REQUIRE(path.wait_up());
    exercise(path);
}

TEST_CASE("TCP works by address and by name") {
    const std::string port = std::to_string(40000 + ::getpid() % 20000);
    ChildProcess server({"nbdkit", "-f", "-i", "127.0.0.1", "-p", port, "memory", "1M"});
    Loop loop;
    for (const std::string host : {"127.0.0.1", "localhost"}) {
        CAPTURE(host);
        Path path(loop, "nbd://" + host + ":" + port);
        REQUIRE(path.wait_up());
        CHECK(path.run(Operation::write, 0, 65536, 9).ok());
        CHECK(path.holds(0, 65536, 9));
    }
}

TEST_CASE("random operations leave what a model says") {
    Served served({"memory", "1M"});
    REQUIRE(served.path.wait_up());
    std::mt19937 random(20240607);
    std::vector<std::byte> model(1 * mib);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t offset = random() % (1 * mib - 1);
        const std::uint64_t length = 1 + random() % std::min<std::uint64_t>(1 * mib - offset, 70000);
        const auto fill = static_cast<unsigned char>(random());
        const auto at = model.begin() + static_cast<std::ptrdiff_t>(offset);
        const auto end = at + static_cast<std::ptrdiff_t>(length);
        switch (random() % 4) {
        case 0:
            CHECK(served.path.run(Operation::write, offset, length, fill).ok());
            std::fill(at, end, std::byte{fill});
            break;
        case 1:
            CHECK(served.path.run(Operation::write_zeroes, offset, length).ok());
            std::fill(at, end, std::byte{0});
            break;
        default:
            Io &io = served.path.start(Operation::read, offset, length);
            CHECK(served.path.finish(io).ok());
            CHECK(std::equal(at, end, io.bytes.begin()));
        }
        served.path.ios.clear();
    }
}

TEST_CASE("a server is asked what is allocated only when the path is to") {
    TempDirectory directory;
    ChildProcess server(nbdkit(directory / "s", {"data", "(0x55 * 4096) @1048576 0x66", "size=16M"}));
    Loop loop;
    const milliseconds usual(5000);
    for (const bool asked : {false, true}) {
        Path path(loop, unix_uri(directory / "s"), usual, usual, 64, asked);
        REQUIRE(path.wait_up());
        std::vector<block::Extent> room(16);
        block::Extents extents(room);
        Io &io = path.start(Operation::block_status, 0, 16 * mib);
        io.request.extents = &extents;
        CHECK(path.finish(io).ok());
        CHECK(extents.length() == 16 * mib);
        CHECK((extents.list().size() > 1) == asked);
        CHECK(path.holds(0, 4096, 0x55));
    }
}

TEST_CASE("a server without contexts is one where everything is allocated") {
    TempDirectory directory;
    ChildProcess server(nbdkit(directory / "s", {"--no-sr", "memory", "16M"}));
    Loop loop;
    const milliseconds usual(5000);
    Path path(loop, unix_uri(directory / "s"), usual, usual, 64, true);
    REQUIRE(path.wait_up());
    std::vector<block::Extent> room(16);
    block::Extents extents(room);
    Io &io = path.start(Operation::block_status, 4096, 8192);
    io.request.extents = &extents;
    CHECK(path.finish(io).ok());
    REQUIRE(extents.list().size() == 1);
    CHECK(extents.list()[0].length == 8192);
    CHECK(extents.list()[0].state == block::Extents::allocated);
}
