// SPDX-License-Identifier: BSD-3-Clause
#include "backend/open_file.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace backend {

OpenFile::OpenFile(OpenFile &&other) noexcept { *this = std::move(other); }

OpenFile &OpenFile::operator=(OpenFile &&other) noexcept {
    std::swap(fd, other.fd);
    geometry = other.geometry;
    block_device = other.block_device;
    direct = other.direct;
    in_memory = other.in_memory;
    nowait_reads = other.nowait_reads;
    punches_holes = other.punches_holes;
    zeroes_ranges = other.zeroes_ranges;
    return *this;
}

void OpenFile::close() noexcept {
    if (fd >= 0)
        ::close(std::exchange(fd, -1));
}

namespace {

constexpr std::uint32_t largest_minimum_block = 65536;

[[noreturn]] void fail(const std::string &path, std::string_view what, int error) {
    throw base::Error(error, "{}: {}: {}", path, what, base::errno_text(error));
}

/// Opens for writing, else for reading.
int open_either_way(const std::string &path, int flags, bool &read_only) {
    int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | flags);
    read_only = fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM);
    if (read_only)
        fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0 && errno == EINVAL && (flags & O_DIRECT) != 0)
        throw base::Error(EINVAL, "{}: the file system has no direct I/O: say direct: false", path);
    if (fd < 0)
        fail(path, "cannot open", errno);
    return fd;
}

bool is_rotational(dev_t device) {
    // A partition has no queue of its own: its disk is one folder up.
    for (const char *pattern :
         {"/sys/dev/block/{}:{}/queue/rotational", "/sys/dev/block/{}:{}/../queue/rotational"}) {
        const std::string name = fmt::format(fmt::runtime(pattern), major(device), minor(device));
        const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        char answer = '0';
        const ssize_t got = ::read(fd, &answer, 1);
        ::close(fd);
        return got == 1 && answer == '1';
    }
    return false;
}

/// What offsets and lengths must be multiples of for direct I/O on a regular file.
std::uint32_t direct_alignment(int fd, std::uint32_t otherwise) {
#ifdef STATX_DIOALIGN
    struct ::statx answer {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) == 0 &&
        (answer.stx_mask & STATX_DIOALIGN) != 0 && answer.stx_dio_offset_align != 0)
        return std::max(answer.stx_dio_offset_align, answer.stx_dio_mem_align);
#endif
    return otherwise;
}

void examine_block_device(OpenFile &file, const std::string &path, dev_t device) {
    block::Geometry &geometry = file.geometry;
    int logical = 512;
    unsigned physical = 4096;
    if (::ioctl(file.fd, BLKGETSIZE64, &geometry.size) < 0 || ::ioctl(file.fd, BLKSSZGET, &logical) < 0)
        fail(path, "cannot read its size", errno);
    if (geometry.size == 0)
        fail(path, "cannot serve", ENOMEDIUM);
    ::ioctl(file.fd, BLKPBSZGET, &physical);
    int read_only = 0;
    if (::ioctl(file.fd, BLKROGET, &read_only) == 0 && read_only != 0)
        geometry.read_only = true;
    geometry.minimum_block = static_cast<std::uint32_t>(logical);
    geometry.preferred_block = std::bit_ceil(std::max(4096U, physical));
    geometry.rotational = is_rotational(device);
}

void examine_regular_file(OpenFile &file, const struct stat &status) {
    block::Geometry &geometry = file.geometry;
    const auto block =
        std::bit_ceil(static_cast<std::uint32_t>(std::clamp<blksize_t>(status.st_blksize, 512, 1 << 20)));
    geometry.size = static_cast<std::uint64_t>(status.st_size);
    geometry.preferred_block = std::max(4096U, block);
    geometry.minimum_block = file.direct ? std::bit_ceil(direct_alignment(file.fd, block)) : 1;
    geometry.rotational = is_rotational(status.st_dev);
    struct statfs system {};
    if (::fstatfs(file.fd, &system) == 0) {
        const auto magic = static_cast<std::uint32_t>(system.f_type);
        file.in_memory = magic == TMPFS_MAGIC || magic == static_cast<std::uint32_t>(RAMFS_MAGIC);
    }
}

/// Direct I/O would wait in spite of RWF_NOWAIT.
bool reads_without_waiting(const OpenFile &file) {
    std::byte byte{};
    const iovec piece{&byte, 1};
    return !file.direct && !file.in_memory &&
           (::preadv2(file.fd, &piece, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN);
}

int hex_digit(char c) {
    int value = -1;
    std::from_chars(&c, &c + 1, value, 16);
    return value;
}

std::string percent_decoded(std::string_view text, std::string_view uri) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0)
            throw base::Error(
                EINVAL, "'{}': a percent sign needs two hexadecimal digits, not 00 (write %25 for itself)",
                uri);
        result += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return result;
}

} // namespace

std::string path_of_file_uri(std::string_view uri) {
    constexpr std::string_view scheme = "file:";
    std::string_view rest = uri;
    const bool right_scheme = rest.starts_with(scheme);
    if (right_scheme)
        rest.remove_prefix(scheme.size());
    if (rest.starts_with("//"))
        rest.remove_prefix(2);
    if (!right_scheme || !rest.starts_with('/') || rest.starts_with("//"))
        throw base::Error(
            EINVAL, "'{}' is not a file URI with an absolute path (example: file:///srv/disk.img)", uri);
    if (rest.find_first_of("?#") != std::string_view::npos)
        throw base::Error(EINVAL,
                          "'{}': a file URI has no query and no fragment (write %3F for ?, %23 for #)", uri);
    return percent_decoded(rest, uri);
}

OpenFile open_file(const std::string &path, DirectIo direct) {
    struct stat status {};
    // Before open(): that would wait on a FIFO, and act on some character devices.
    if (::stat(path.c_str(), &status) < 0)
        fail(path, "cannot open", errno);
    if (S_ISDIR(status.st_mode))
        fail(path, "cannot serve", EISDIR);
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        throw base::Error(ENOTBLK, "{}: neither a regular file nor a block device", path);
    OpenFile file;
    file.block_device = S_ISBLK(status.st_mode);
    file.direct = direct == DirectIo::yes || (direct == DirectIo::automatic && file.block_device);
    bool read_only = false;
    file.fd = open_either_way(path, file.direct ? O_DIRECT : 0, read_only);
    file.geometry.read_only = read_only;
    if (::fstat(file.fd, &status) < 0)
        fail(path, "cannot examine", errno);
    if (file.block_device)
        examine_block_device(file, path, status.st_rdev);
    else
        examine_regular_file(file, status);
    block::Geometry &geometry = file.geometry;
    if (geometry.minimum_block > largest_minimum_block)
        throw base::Error(EINVAL, "{}: blocks of {} bytes are too large", path, geometry.minimum_block);
    geometry.size -= geometry.size % geometry.minimum_block;
    file.nowait_reads = reads_without_waiting(file);
    return file;
}

std::string file_cache_identity(const std::string &path, DirectIo direct) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0)
        return {};
    const bool block_device = S_ISBLK(status.st_mode);
    // Past the page cache there is no cache of ours: two nodes of one LUN show the same data.
    if (direct == DirectIo::yes || (direct == DirectIo::automatic && block_device))
        return "direct";
    if (S_ISREG(status.st_mode))
        return fmt::format("inode {}:{}", status.st_dev, status.st_ino);
    // Two nodes of one device have two page caches (design D4); one node is one cache.
    if (block_device)
        return fmt::format("node {}:{}", status.st_dev, status.st_ino);
    return {};
}

} // namespace backend
