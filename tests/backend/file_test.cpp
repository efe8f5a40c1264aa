// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "block/extents.hpp"
#include "file_disk.hpp"
#include "rig.hpp"

#include <atomic>
#include <fcntl.h>
#include <new>
#include <optional>
#include <sys/statfs.h>
#include <vector>

namespace {

using block::Operation;
using block::Status;

std::unique_ptr<contract::Disk> in_memory() { return std::make_unique<FileDisk>("/dev/shm"); }
std::unique_ptr<contract::Disk> page_cache() { return std::make_unique<FileDisk>("/var/tmp"); }
std::unique_ptr<contract::Disk> direct() { return std::make_unique<FileDisk>("/var/tmp", "true"); }

/// The same file, its worker on threads.
template <auto make>
std::unique_ptr<contract::Disk> on_threads() {
    struct Threads final : contract::Disk {
        std::unique_ptr<contract::Disk> disk = make();
        WithoutIoUring environment;
        [[nodiscard]] std::string uri() const override { return disk->uri(); }
        [[nodiscard]] base::KeyValues values() const override { return disk->values(); }
        void go_away() override { disk->go_away(); }
        void come_back() override { disk->come_back(); }
    };
    return std::make_unique<Threads>();
}

const contract::Registration fixtures[] = {
    contract::Registration{{"file on tmpfs", in_memory}},
    contract::Registration{{"file in the page cache, io_uring", page_cache}},
    contract::Registration{{"file with direct I/O, io_uring", direct}},
    contract::Registration{{"file in the page cache, threads", on_threads<page_cache>}},
    contract::Registration{{"file with direct I/O, threads", on_threads<direct>}},
};

const backend::Type &type() { return *backend::find_type("file:///x"); }

std::string refusal(const std::string &path, const std::string &direct = "false") {
    base::KeyValues values = FileDisk("/dev/shm", direct).values();
    Rig rig("file://" + path, values);
    rig.open();
    REQUIRE(rig.run_until([&rig] { return rig.downs > 0; }));
    CHECK(rig.ups == 0);
    return rig.why;
}

} // namespace

TEST_CASE("a file URI has an absolute path, percent-decoded; anything else is refused") {
    for (const char *good : {"file:///srv/disk.img", "file:/srv/disk.img", "file:///a%20b"})
        CHECK_NOTHROW(type().check_uri(good));
    for (const char *bad : {"file:", "file://", "file://host/disk", "file:disk", "file:////x", "file:///a%2",
                            "file:///%zz", "file:///a%00b", "file:///a?b=c", "file:///a#b"})
        CHECK_THROWS_AS(type().check_uri(bad), base::Error);
}

TEST_CASE("two names of one file have one identity, two files have two, a missing one has none") {
    const FileDisk one("/var/tmp");
    const FileDisk two("/var/tmp");
    const std::string link = one.path() + ".link";
    REQUIRE(::symlink(one.path().c_str(), link.c_str()) == 0);
    CHECK(type().cache_identity(one.uri(), {}) == type().cache_identity("file:" + link, {}));
    CHECK(type().cache_identity(one.uri(), {}) ==
          fmt::format("inode {}:{}", one.status().st_dev, one.status().st_ino));
    CHECK(type().cache_identity(one.uri(), {}) != type().cache_identity(two.uri(), {}));
    ::unlink(link.c_str());
    CHECK(type().cache_identity("file:" + link, {}).empty());
}

TEST_CASE("a percent-encoded name is opened") {
    FileDisk disk("/dev/shm");
    std::string uri = disk.uri();
    uri.replace(uri.find("nbdmpath"), 1, "%6E");
    Rig rig(uri, disk.values());
    rig.open_and_wait();
    CHECK(rig.ups == 1);
}

TEST_CASE("what cannot be served is refused with the reason") {
    CHECK(refusal("/nonexistent").find("No such file") != std::string::npos);
    CHECK(refusal("/tmp").find("Is a directory") != std::string::npos);
    CHECK(refusal("/dev/null").find("neither a regular file nor a block device") != std::string::npos);
}

TEST_CASE("a key with a value that makes no sense is refused") {
    const FileDisk disk("/dev/shm", "perhaps");
    io::Worker worker;
    CHECK_THROWS_AS(static_cast<void>(type().create(worker, {"path", disk.uri(), disk.values()})),
                    base::Error);
}

TEST_CASE("attempts to open double their distance from 50 ms on") {
    FileDisk disk("/dev/shm");
    disk.go_away();
    Rig rig(disk.uri(), disk.values());
    rig.open();
    REQUIRE(rig.run_until([&rig] { return rig.downs > 0; }));
    const base::TimePoint down = base::Clock::now();
    disk.come_back();
    REQUIRE(rig.run_until([&rig] { return rig.ups > 0; }));
    CHECK(base::Clock::now() - down >= std::chrono::milliseconds(49));
}

TEST_CASE("a file served with direct I/O is cut to whole blocks; a buffered one to the byte") {
    const FileDisk whole("/var/tmp", "false", 1000001);
    Rig buffered(whole.uri(), whole.values());
    buffered.open_and_wait();
    CHECK(buffered.backend().geometry().size == 1000001);
    CHECK(buffered.backend().geometry().minimum_block == 1);
    const FileDisk cut("/var/tmp", "true", 1000001);
    Rig direct_rig(cut.uri(), cut.values());
    direct_rig.open_and_wait();
    const block::Geometry &geometry = direct_rig.backend().geometry();
    CHECK(geometry.minimum_block >= 512);
    CHECK(geometry.size % geometry.minimum_block == 0);
    CHECK(geometry.size < 1000001);
}

TEST_CASE("any byte of a buffered file can be read and written") {
    const FileDisk disk("/var/tmp");
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    std::byte out[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
    std::byte in[3] = {};
    CHECK(rig.run(Operation::write, 4095, 3, out).ok());
    CHECK(rig.run(Operation::write_zeroes, 4096, 1).ok());
    CHECK(rig.run(Operation::read, 4095, 3, in).ok());
    CHECK(in[0] == std::byte{1});
    CHECK(in[1] == std::byte{0});
    CHECK(in[2] == std::byte{3});
}

TEST_CASE("trimming frees space, zeroing with no_hole keeps it, neither changes the size") {
    const FileDisk disk("/var/tmp");
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    std::vector<std::byte> data(1 << 20, std::byte{7});
    REQUIRE(rig.run(Operation::write, 0, data.size(), data.data()).ok());
    REQUIRE(rig.run(Operation::flush).ok());
    CHECK(disk.status().st_blocks * 512 >= 1 << 20);
    Rig::Call &zero = rig.make(Operation::write_zeroes, 0, data.size());
    zero.request.no_hole = true;
    CHECK(rig.run(zero).ok());
    CHECK(rig.run(Operation::flush).ok());
    CHECK(disk.status().st_blocks * 512 >= 1 << 20);
    CHECK(rig.run(Operation::trim, 0, data.size()).ok());
    CHECK(disk.status().st_blocks * 512 < 1 << 20);
    CHECK(disk.status().st_size == contract::Disk::size);
}

TEST_CASE("trimming and zeroing a huge file allocates nothing by its length") {
    struct Row {
        const char *folder;
        std::uint64_t size;
    };
    // Sparse; ext4 ends at 16 TiB.
    for (const auto &[folder, huge] :
         {Row{"/dev/shm", std::uint64_t{1} << 62}, Row{"/var/tmp", std::uint64_t{1} << 43}}) {
        const FileDisk disk(folder, "false", huge);
        Rig rig(disk.uri(), disk.values());
        rig.open_and_wait();
        CHECK(rig.run(Operation::trim, 0, huge).ok());
        CHECK(rig.run(Operation::write_zeroes, 0, huge).ok());
        CHECK(rig.run(Operation::cache, 0, huge).ok());
        CHECK(disk.status().st_size == static_cast<off_t>(huge));
    }
}

TEST_CASE("a file that becomes shorter is a path error, and the path comes back with its new size") {
    for (const char *folder : {"/dev/shm", "/var/tmp"}) {
        const FileDisk disk(folder);
        Rig rig(disk.uri(), disk.values());
        rig.open_and_wait();
        const std::uint64_t generation = rig.backend().generation();
        REQUIRE(::truncate(disk.path().c_str(), 8192) == 0);
        std::vector<std::byte> data(8192);
        CHECK(rig.run(Operation::read, 0, 8192, data.data()).ok());
        CHECK(rig.run(Operation::read, 4096, 8192, data.data()) == Status::path_error(EIO));
        REQUIRE(rig.run_until([&rig] { return rig.ups == 2; }));
        CHECK(rig.downs == 1);
        CHECK(rig.why.find("shorter") != std::string::npos);
        CHECK(rig.backend().geometry().size == 8192);
        CHECK(rig.backend().generation() > generation);
    }
}

TEST_CASE("more misaligned requests than there are bounce buffers all complete") {
    const FileDisk disk("/var/tmp", "true", 4 << 20);
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    constexpr std::size_t length = 128 << 10;
    std::vector<std::byte> memory(length + 4096);
    std::byte *misaligned =
        memory.data() + (reinterpret_cast<std::uintptr_t>(memory.data()) % 4096 == 16 ? 8 : 0);
    std::vector<Rig::Call *> calls;
    for (int i = 0; i < 600; ++i) {
        calls.push_back(&rig.make(Operation::write, 0, length, misaligned));
        rig.submit(*calls.back());
    }
    rig.start_closing();
    CHECK(rig.run_all());
    for (const Rig::Call *call : calls)
        CHECK(call->status.ok());
}

TEST_CASE("a sparse file's holes are told, at both ends and in between") {
    for (const char *folder : {"/dev/shm", "/var/tmp"})
        for (const bool threads : {false, true}) {
            std::optional<WithoutIoUring> environment;
            if (threads)
                environment.emplace();
            const FileDisk disk(folder, "auto", 8 << 20);
            Rig rig(disk.uri(), disk.values());
            rig.open_and_wait();
            std::vector<std::byte> data(1 << 20, std::byte{1});
            CHECK(rig.run(Operation::write, 2 << 20, data.size(), data.data()).ok());
            std::vector<block::Extent> room(8);
            block::Extents extents(room);
            Rig::Call &call = rig.make(Operation::block_status, 0, 8 << 20);
            call.request.extents = &extents;
            CHECK(rig.run(call).ok());
            const auto list = extents.list();
            REQUIRE(list.size() == 3);
            CHECK(list[0].length == 2 << 20);
            CHECK(list[0].state == (block::Extents::hole | block::Extents::zero));
            CHECK(list[1].length == 1 << 20);
            CHECK(list[1].state == block::Extents::allocated);
            CHECK(list[2].length == 5 << 20);
        }
}

TEST_CASE("what is read from memory goes into a pipe where there is an empty one, else it is copied") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 512 << 10) >= 512 << 10);
    block::Pipe pipe{ends[1], ends[0]};
    for (const char *folder : {"/dev/shm", "/var/tmp"}) {
        const bool memory = FileDisk(folder).in_memory();
        const FileDisk disk(folder, "auto", 1 << 20);
        Rig rig(disk.uri(), disk.values());
        rig.open_and_wait();
        std::vector<std::byte> data(256 << 10);
        for (std::size_t i = 0; i < data.size(); ++i)
            data[i] = static_cast<std::byte>(i * 13 + i / 256);
        CHECK(rig.run(Operation::write, 4097, data.size(), data.data()).ok());
        for (const bool empty : {true, false}) {
            std::vector<std::byte> read(data.size());
            Rig::Call &call = rig.make(Operation::read, 4097, read.size(), read.data());
            call.request.pipe = &pipe;
            if (!empty)
                REQUIRE(::write(ends[1], "x", 1) == 1);
            CHECK(rig.run(call).ok());
            CHECK(call.request.piped == (memory && empty));
            if (call.request.piped)
                for (std::size_t done = 0; done < read.size();) {
                    const ssize_t got = ::read(ends[0], read.data() + done, read.size() - done);
                    REQUIRE(got > 0);
                    done += static_cast<std::size_t>(got);
                }
            CHECK(read == data);
        }
        char byte = 0;
        REQUIRE(::read(ends[0], &byte, 1) == 1);
    }
    ::close(ends[0]);
    ::close(ends[1]);
}
