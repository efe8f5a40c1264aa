// SPDX-License-Identifier: BSD-3-Clause
#include "io/file_engine.hpp"

#include "io/worker.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

/// A file without a name, on a real file system.
class ScratchFile {
public:
    ScratchFile()
        : fd(::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
        REQUIRE(fd >= 0);
    }
    ScratchFile(const ScratchFile &) = delete;
    ScratchFile &operator=(const ScratchFile &) = delete;
    ~ScratchFile() { ::close(fd); }
    const int fd;
};

/// Gives calls to an engine and runs the loop until all are done.
class Caller {
public:
    Caller(io::Worker &worker, io::FileEngine &engine)
        : worker_(worker)
        , engine_(engine) {}

    io::FileCall &call(io::FileCall::Kind kind, int fd, std::uint64_t offset, std::uint64_t length,
                       std::byte *data = nullptr) {
        io::FileCall &made = calls_.emplace_back();
        made.kind = kind;
        made.fd = fd;
        made.offset = offset;
        made.length = length;
        made.data = data;
        made.done = base::Delegate<>::to<&Caller::done>(*this);
        return made;
    }
    void submit(io::FileCall &call) {
        ++open_;
        inside_submit_ = true;
        engine_.submit(call);
        inside_submit_ = false;
    }
    void run() {
        if (open_ != 0)
            worker_.run();
    }
    [[nodiscard]] int done_count() const { return done_; }
    [[nodiscard]] bool done_inside_submit() const { return done_inside_submit_; }

private:
    void done() noexcept {
        done_inside_submit_ = done_inside_submit_ || inside_submit_;
        ++done_;
        if (--open_ == 0)
            worker_.stop();
    }

    io::Worker &worker_;
    io::FileEngine &engine_;
    std::deque<io::FileCall> calls_;
    int open_ = 0;
    int done_ = 0;
    bool inside_submit_ = false;
    bool done_inside_submit_ = false;
};

using Kind = io::FileCall::Kind;

/// Runs `check(caller, file)` on every engine that can be had here.
template <typename Check>
void on_every_engine(Check check) {
    for (const auto make : {&io::make_ring, &io::make_thread_engine}) {
        io::Worker worker;
        const std::unique_ptr<io::FileEngine> engine = make(worker);
        if (engine == nullptr)
            continue;
        const std::string name = make == &io::make_ring ? "ring" : "threads";
        CAPTURE(name);
        const ScratchFile file;
        Caller caller(worker, *engine);
        check(caller, file.fd);
    }
}

} // namespace

TEST_CASE("an engine writes, syncs and reads back") {
    on_every_engine([](Caller &caller, int fd) {
        std::vector<std::byte> out(10000, std::byte{0x5a});
        std::vector<std::byte> in(10000);
        io::FileCall &write = caller.call(Kind::write, fd, 5, out.size(), out.data());
        caller.submit(write);
        caller.run();
        CHECK(write.result == 10000);
        io::FileCall &sync = caller.call(Kind::sync, fd, 0, 0);
        io::FileCall &read = caller.call(Kind::read, fd, 5, in.size(), in.data());
        caller.submit(sync);
        caller.submit(read);
        caller.run();
        CHECK(sync.result == 0);
        CHECK(read.result == 10000);
        CHECK(in == out);
    });
}

TEST_CASE("an engine gives what the kernel says: holes, advice, the end of the file, errors") {
    on_every_engine([](Caller &caller, int fd) {
        REQUIRE(::ftruncate(fd, 1 << 20) == 0);
        std::vector<std::byte> in(4096);
        io::FileCall &punch = caller.call(Kind::allocate, fd, 4096, 4096);
        punch.flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        io::FileCall &advise = caller.call(Kind::advise, fd, 0, 4096);
        advise.flags = POSIX_FADV_WILLNEED;
        io::FileCall &beyond = caller.call(Kind::read, fd, 1 << 20, in.size(), in.data());
        io::FileCall &closed = caller.call(Kind::read, -1, 0, in.size(), in.data());
        for (io::FileCall *call : {&punch, &advise, &beyond, &closed})
            caller.submit(*call);
        caller.run();
        CHECK(punch.result == 0);
        CHECK(advise.result == 0);
        CHECK(beyond.result == 0);
        CHECK(closed.result == -EBADF);
    });
}

TEST_CASE("more calls than any queue holds are each done once, none inside submit") {
    on_every_engine([](Caller &caller, int fd) {
        constexpr int count = 5000;
        std::vector<std::byte> bytes(count, std::byte{1});
        for (int i = 0; i < count; ++i)
            caller.submit(caller.call(Kind::write, fd, static_cast<std::uint64_t>(i), 1,
                                      &bytes[static_cast<std::size_t>(i)]));
        CHECK(caller.done_count() == 0);
        caller.run();
        CHECK(caller.done_count() == count);
        CHECK_FALSE(caller.done_inside_submit());
        CHECK(::lseek(fd, 0, SEEK_END) == count);
    });
}

TEST_CASE("a worker makes its engine once, of threads when the environment says so") {
    ::setenv("NBDMPATH_NO_IO_URING", "1", 1);
    io::Worker worker;
    io::FileEngine &engine = worker.file_engine();
    ::unsetenv("NBDMPATH_NO_IO_URING");
    CHECK(&engine == &worker.file_engine());
    const ScratchFile file;
    Caller caller(worker, engine);
    std::byte byte{1};
    caller.submit(caller.call(Kind::write, file.fd, 0, 1, &byte));
    caller.run();
    CHECK(caller.done_count() == 1);
}
