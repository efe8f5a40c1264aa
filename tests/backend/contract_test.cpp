// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault.hpp"
#include "contract.hpp"
#include "rig.hpp"

#include "block/extents.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace {

using block::Operation;
using block::Status;
using contract::Disk;

/// Data of the test's: aligned like a session's, because a device may ask for it.
class Data {
public:
    explicit Data(std::size_t length, std::byte fill = {})
        : length_(length)
        , bytes_(static_cast<std::byte *>(std::aligned_alloc(4096, (length + 4095) / 4096 * 4096))) {
        std::fill_n(bytes_, length, fill);
    }
    Data(const Data &) = delete;
    Data &operator=(const Data &) = delete;
    ~Data() { std::free(bytes_); }
    std::byte *get() { return bytes_; }
    [[nodiscard]] bool all(std::byte value) const {
        return std::all_of(bytes_, bytes_ + length_, [value](std::byte b) { return b == value; });
    }

private:
    std::size_t length_;
    std::byte *bytes_;
};

/// Behind a fault injector with a rule that never takes a request.
const auto with_rule = [](io::Worker &worker, auto make) {
    auto wrapped = std::make_unique<backend::FaultBackend>(worker, make);
    wrapped->add_rule(backend::parse_fault("error=EIO probability=0"));
    return wrapped;
};

template <typename Check>
void check_backend(Check check, Disk &disk, Rig &rig) {
    check(disk, rig);
    CHECK(rig.completed_inside_submit == 0);
    rig.close();
    CHECK(rig.completed_after_closed == 0);
}

/// Runs `check(disk, rig)` over every fixture, bare and behind a fault injector; the backend is not open yet.
template <typename Check>
void on_every_backend(Check check) {
    REQUIRE_FALSE(contract::fixtures().empty());
    for (const contract::Fixture &fixture : contract::fixtures()) {
        for (const bool wrapped : {false, true}) {
            INFO(fixture.name << (wrapped ? " with a rule" : ""));
            const std::unique_ptr<Disk> disk = fixture.make();
            if (disk == nullptr) {
                MESSAGE("not here: " << fixture.name);
                break;
            }
            if (wrapped) {
                Rig rig(disk->uri(), disk->values(), with_rule);
                check_backend(check, *disk, rig);
            } else {
                Rig rig(disk->uri(), disk->values());
                check_backend(check, *disk, rig);
            }
        }
    }
}

template <typename Check>
void on_every_open_backend(Check check) {
    on_every_backend([&check](Disk &, Rig &rig) {
        rig.open_and_wait();
        check(rig);
    });
}

constexpr std::byte pattern{0xa5};
constexpr std::size_t block_size = 4096;

void fill(Rig &rig, std::uint64_t offset, std::size_t length) {
    Data data(length, pattern);
    REQUIRE(rig.run(Operation::write, offset, length, data.get()).ok());
}

bool reads_as(Rig &rig, std::uint64_t offset, std::size_t length, std::byte value) {
    Data data(length, std::byte{0x11});
    REQUIRE(rig.run(Operation::read, offset, length, data.get()).ok());
    return data.all(value);
}

} // namespace

TEST_CASE("backend: open tells of the path later, once, with a valid geometry") {
    on_every_backend([](Disk &, Rig &rig) {
        rig.open();
        CHECK_FALSE(rig.backend().up());
        CHECK(rig.ups == 0);
        REQUIRE(rig.run_until([&rig] { return rig.ups > 0; }));
        CHECK(rig.ups == 1);
        CHECK(rig.downs == 0);
        const block::Geometry &geometry = rig.backend().geometry();
        CHECK(geometry.size == Disk::size);
        CHECK(geometry.minimum_block >= 1);
        CHECK(geometry.minimum_block <= block_size);
        CHECK(geometry.preferred_block >= geometry.minimum_block);
        CHECK_FALSE(geometry.read_only);
    });
}

TEST_CASE("backend: what was written is read back") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, 8192, 4 * block_size);
        CHECK(reads_as(rig, 8192, 4 * block_size, pattern));
        CHECK(reads_as(rig, 0, 8192, std::byte{}));
        CHECK(reads_as(rig, Disk::size - block_size, block_size, std::byte{}));
    });
}

TEST_CASE("backend: a write of the largest usual size, at the end of the disk") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, Disk::size / 2, Disk::size / 2);
        CHECK(reads_as(rig, Disk::size / 2, Disk::size / 2, pattern));
    });
}

TEST_CASE("backend: data that is not aligned in memory is served too") {
    on_every_open_backend([](Rig &rig) {
        const std::size_t length = 48 * block_size;
        Data out(length + 28, pattern);
        Data in(length + 28);
        CHECK(rig.run(Operation::write, block_size, length, out.get() + 28).ok());
        CHECK(rig.run(Operation::read, block_size, length, in.get() + 28).ok());
        CHECK(std::equal(in.get() + 28, in.get() + 28 + length, out.get() + 28));
    });
}

TEST_CASE("backend: zeroes read back as zeroes, whatever the flags") {
    on_every_open_backend([](Rig &rig) {
        for (const bool no_hole : {false, true})
            for (const bool fua : {false, true}) {
                fill(rig, 0, 16 * block_size);
                Rig::Call &zero = rig.make(Operation::write_zeroes, block_size, 8 * block_size);
                zero.request.no_hole = no_hole;
                zero.request.fua = fua;
                CHECK(rig.run(zero).ok());
                CHECK(reads_as(rig, block_size, 8 * block_size, std::byte{}));
                CHECK(reads_as(rig, 0, block_size, pattern));
                CHECK(reads_as(rig, 9 * block_size, 7 * block_size, pattern));
            }
    });
}

TEST_CASE("backend: block status covers what was asked, and calls nothing zero that is not") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, 16 * block_size, 3 * block_size);
        std::vector<block::Extent> room(64);
        block::Extents extents(room);
        extents.add(1, block::Extents::hole); // of an attempt before
        Rig::Call &call = rig.make(Operation::block_status, block_size, 40 * block_size);
        call.request.extents = &extents;
        CHECK(rig.run(call).ok());
        CHECK(extents.length() == 40 * block_size);
        std::uint64_t at = block_size;
        for (const block::Extent &extent : extents.list()) {
            if ((extent.state & block::Extents::zero) != 0)
                CHECK(reads_as(rig, at, extent.length, std::byte{}));
            at += extent.length;
        }
    });
}

TEST_CASE("backend: fast zeroing either works or says ENOTSUP and changes nothing") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, 0, 4 * block_size);
        Rig::Call &zero = rig.make(Operation::write_zeroes, 0, 4 * block_size);
        zero.request.fast_zero = true;
        zero.request.no_hole = true;
        const Status status = rig.run(zero);
        if (!status.ok())
            CHECK(status == Status{block::Outcome::pass, ENOTSUP});
        CHECK(reads_as(rig, 0, 4 * block_size, status.ok() ? std::byte{} : pattern));
    });
}

TEST_CASE("backend: trim, flush, cache and FUA succeed; the size stays") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, 0, 4 * block_size);
        Rig::Call &trim = rig.make(Operation::trim, Disk::size - 2 * block_size, 2 * block_size);
        trim.request.fua = true;
        CHECK(rig.run(trim).ok());
        CHECK(rig.run(Operation::trim, 4 * block_size, block_size).ok());
        CHECK(rig.run(Operation::flush).ok());
        CHECK(rig.run(Operation::cache, 0, block_size).ok());
        Data data(block_size, pattern);
        Rig::Call &write = rig.make(Operation::write, Disk::size - block_size, block_size, data.get());
        write.request.fua = true;
        CHECK(rig.run(write).ok());
        CHECK(reads_as(rig, Disk::size - block_size, block_size, pattern));
        CHECK(reads_as(rig, 0, 4 * block_size, pattern));
        CHECK(rig.backend().geometry().size == Disk::size);
    });
}

TEST_CASE("backend: trim and zeroes of the whole disk") {
    on_every_open_backend([](Rig &rig) {
        fill(rig, 0, Disk::size);
        CHECK(rig.run(Operation::trim, 0, Disk::size).ok());
        fill(rig, 0, Disk::size);
        CHECK(rig.run(Operation::write_zeroes, 0, Disk::size).ok());
        CHECK(reads_as(rig, 0, Disk::size, std::byte{}));
    });
}

TEST_CASE("backend: many requests at once complete once each") {
    on_every_open_backend([](Rig &rig) {
        constexpr std::size_t count = 700;
        Data data(count * block_size, pattern);
        std::vector<Rig::Call *> calls;
        for (std::size_t i = 0; i < count; ++i) {
            calls.push_back(
                &rig.make(Operation::write, i * block_size, block_size, data.get() + i * block_size));
            rig.submit(*calls.back());
        }
        CHECK(rig.run_all());
        CHECK(rig.backend().in_flight() == 0);
        for (const Rig::Call *call : calls) {
            CHECK(call->completions == 1);
            CHECK(call->status.ok());
        }
        CHECK(reads_as(rig, 0, count * block_size, pattern));
    });
}

TEST_CASE("backend: a thousand random operations agree with a model") {
    on_every_open_backend([](Rig &rig) {
        std::mt19937 random(42); // NOLINT: the same run every time
        constexpr std::size_t blocks = 64;
        std::vector<std::byte> model(blocks * block_size);
        Data data(blocks * block_size);
        for (int i = 0; i < 1000; ++i) {
            const std::size_t from = random() % blocks * block_size;
            const std::size_t length = (1 + random() % (blocks - from / block_size)) * block_size;
            const auto at = model.begin() + static_cast<std::ptrdiff_t>(from);
            const auto end = at + static_cast<std::ptrdiff_t>(length);
            const auto choice = random() % 8;
            if (choice < 3) {
                std::generate_n(data.get(), length, [&random] { return static_cast<std::byte>(random()); });
                std::copy_n(data.get(), length, at);
                REQUIRE(rig.run(Operation::write, from, length, data.get()).ok());
            } else if (choice == 3) {
                std::fill(at, end, std::byte{});
                Rig::Call &zero = rig.make(Operation::write_zeroes, from, length);
                zero.request.no_hole = random() % 2 == 0;
                REQUIRE(rig.run(zero).ok());
            } else {
                REQUIRE(rig.run(Operation::read, from, length, data.get()).ok());
                REQUIRE(std::equal(at, end, data.get()));
            }
        }
    });
}

TEST_CASE("backend: what the layers above wrote into a request is left alone") {
    on_every_open_backend([](Rig &rig) {
        Data data(block_size);
        Rig::Call &read = rig.make(Operation::read, block_size, block_size, data.get());
        read.request.started_ns = 5;
        read.request.held_since_ns = 6;
        read.request.sent_generation = 7;
        CHECK(rig.run(read).ok());
        CHECK(read.request.started_ns == 5);
        CHECK(read.request.held_since_ns == 6);
        CHECK(read.request.sent_generation == 7);
        CHECK(read.request.offset == block_size);
        CHECK(read.request.length == block_size);
        CHECK(read.request.data == data.get());
    });
}

TEST_CASE("backend: a request while the path is down ends with a path error") {
    on_every_backend([](Disk &, Rig &rig) {
        Data data(block_size);
        rig.open();
        CHECK(rig.run(Operation::read, 0, block_size, data.get()) == Status::path_lost());
        REQUIRE(rig.run_until([&rig] { return rig.backend().up(); }));
        CHECK(rig.run(Operation::read, 0, block_size, data.get()).ok());
    });
}

TEST_CASE("backend: an unreachable path is told of once, and comes up by itself when it is back") {
    on_every_backend([](Disk &disk, Rig &rig) {
        disk.go_away();
        rig.open();
        REQUIRE(rig.run_until([&rig] { return rig.downs > 0; }));
        CHECK_FALSE(rig.why.empty());
        CHECK(rig.why.find('\n') == std::string::npos);
        rig.pass(std::chrono::milliseconds(180)); // the second and third attempt fail as well
        disk.come_back();
        REQUIRE(rig.run_until([&rig] { return rig.ups > 0; }));
        CHECK(rig.downs == 1);
        CHECK(reads_as(rig, 0, block_size, std::byte{}));
    });
}

TEST_CASE("backend: closing while requests are in flight completes them first") {
    on_every_open_backend([](Rig &rig) {
        Data data(64 * block_size, pattern);
        std::vector<Rig::Call *> calls;
        for (std::size_t i = 0; i < 64; ++i) {
            calls.push_back(
                &rig.make(Operation::write, i * block_size, block_size, data.get() + i * block_size));
            rig.submit(*calls.back());
        }
        rig.start_closing();
        Rig::Call &late = rig.make(Operation::flush);
        rig.submit(late);
        rig.close();
        for (const Rig::Call *call : calls) {
            CHECK(call->completions == 1);
            CHECK((call->status.ok() || call->status.is_path_error()));
        }
        CHECK(late.completions == 1);
        CHECK(late.status.is_path_error());
        CHECK(rig.downs == 0);
    });
}

TEST_CASE("backend: closing before it is open, while it cannot be reached, or without opening") {
    on_every_backend([](Disk &, Rig &rig) { rig.open(); });
    on_every_backend([](Disk &, Rig &) {});
    on_every_backend([](Disk &disk, Rig &rig) {
        disk.go_away();
        rig.open();
        REQUIRE(rig.run_until([&rig] { return rig.downs > 0; }));
    });
}

TEST_CASE("backend: a URI of the type is accepted and has the same identity each time") {
    on_every_backend([](Disk &disk, Rig &) {
        const backend::Type *type = backend::find_type(disk.uri());
        CHECK_NOTHROW(type->check_uri(disk.uri()));
        CHECK(type->cache_identity(disk.uri(), {}) == type->cache_identity(disk.uri(), {}));
        CHECK_FALSE(type->summary.empty());
    });
}
