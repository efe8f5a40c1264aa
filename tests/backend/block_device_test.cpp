// SPDX-License-Identifier: BSD-3-Clause
#include "file_disk.hpp"
#include "rig.hpp"

#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

namespace {

/// A loop device over a scratch file, reached by a symbolic link. Needs root: open() is false without.
class LoopDisk final : public contract::Disk {
public:
    explicit LoopDisk(std::string direct, int open_flags = O_RDWR, unsigned block_size = 512)
        : file_("/var/tmp", std::move(direct)) {
        const int backing = ::open(file_.path().c_str(), open_flags | O_CLOEXEC);
        const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        // Somebody else may take the free one first.
        for (int attempt = 0; attempt < 10 && control >= 0 && fd_ < 0; ++attempt)
            attach(::ioctl(control, LOOP_CTL_GET_FREE), backing, open_flags, block_size);
        ::close(control);
        ::close(backing);
        if (fd_ >= 0)
            come_back();
    }
    LoopDisk(const LoopDisk &) = delete;
    LoopDisk &operator=(const LoopDisk &) = delete;
    ~LoopDisk() override {
        ::unlink(link().c_str());
        ::close(fd_); // detaches it
    }

    [[nodiscard]] bool open() const { return fd_ >= 0; }
    [[nodiscard]] std::string uri() const override { return "file://" + link(); }
    [[nodiscard]] base::KeyValues values() const override { return file_.values(); }
    void go_away() override { REQUIRE(::unlink(link().c_str()) == 0); }
    void come_back() override { REQUIRE(::symlink(device_.c_str(), link().c_str()) == 0); }
    [[nodiscard]] const std::string &device() const { return device_; }

private:
    void attach(int number, int backing, int open_flags, unsigned block_size) {
        device_ = "/dev/loop" + std::to_string(number);
        fd_ = ::open(device_.c_str(), open_flags | O_CLOEXEC);
        loop_config configuration{};
        configuration.fd = static_cast<unsigned>(backing);
        configuration.block_size = block_size;
        configuration.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        if (fd_ >= 0 && ::ioctl(fd_, LOOP_CONFIGURE, &configuration) < 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }
    [[nodiscard]] std::string link() const { return file_.path() + ".device"; }

    FileDisk file_;
    std::string device_;
    int fd_ = -1;
};

std::unique_ptr<contract::Disk> loop_device(const char *direct) {
    auto disk = std::make_unique<LoopDisk>(direct);
    if (!disk->open())
        return nullptr;
    return disk;
}

const contract::Registration fixtures[] = {
    contract::Registration{{"block device, direct", [] { return loop_device("auto"); }}},
    contract::Registration{{"block device, page cache", [] { return loop_device("false"); }}},
};

} // namespace

TEST_CASE("a block device has its size, its blocks, and one identity for all its names") {
    const LoopDisk disk("auto", O_RDWR, 4096);
    if (!disk.open())
        return;
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    const block::Geometry &geometry = rig.backend().geometry();
    CHECK(geometry.size == contract::Disk::size);
    CHECK(geometry.minimum_block == 4096);
    CHECK_FALSE(geometry.read_only);
    const backend::Type &type = *backend::find_type(disk.uri());
    CHECK(type.cache_identity(disk.uri(), {}) == type.cache_identity("file://" + disk.device(), {}));
    CHECK(type.cache_identity(disk.uri(), {}) == "direct");
}

TEST_CASE("a block device that is write-protected is served for reading") {
    const LoopDisk disk("auto", O_RDONLY);
    if (!disk.open())
        return;
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    CHECK(rig.backend().geometry().read_only);
    alignas(4096) static std::byte data[4096];
    CHECK(rig.run(block::Operation::read, 0, 4096, data).ok());
    CHECK(rig.run(block::Operation::flush).ok());
    CHECK(rig.run(block::Operation::write, 0, 4096, data) == block::Status::target_error(EPERM));
    CHECK(rig.run(block::Operation::trim, 0, 4096) == block::Status::target_error(EPERM));
}

TEST_CASE("a block device without a medium is refused") {
    std::string device;
    {
        const LoopDisk disk("auto");
        if (!disk.open())
            return;
        device = disk.device();
    }
    Rig rig("file://" + device, FileDisk("/dev/shm").values());
    rig.open();
    REQUIRE(rig.run_until([&rig] { return rig.downs > 0; }));
    CHECK(rig.why.find("No medium") != std::string::npos);
}
