// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "contract.hpp"

#include <chrono>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/// A sparse file in `folder`.
class FileDisk : public contract::Disk {
public:
    explicit FileDisk(const std::string &folder, std::string direct = "auto", std::uint64_t bytes = size)
        : direct_(std::move(direct))
        , path_(folder + "/nbdmpath-test-XXXXXX") {
        const int fd = ::mkstemp(path_.data());
        REQUIRE(fd >= 0);
        REQUIRE(::ftruncate(fd, static_cast<off_t>(bytes)) == 0);
        ::close(fd);
    }
    FileDisk(const FileDisk &) = delete;
    FileDisk &operator=(const FileDisk &) = delete;
    ~FileDisk() override {
        ::unlink(path_.c_str());
        ::unlink(away().c_str());
    }

    [[nodiscard]] std::string uri() const override { return "file://" + path_; }
    [[nodiscard]] base::KeyValues values() const override {
        base::KeyValues values;
        values.set("direct", direct_);
        values.set("reconnect_delay", std::chrono::milliseconds(1000));
        return values;
    }
    void go_away() override { REQUIRE(::rename(path_.c_str(), away().c_str()) == 0); }
    void come_back() override { REQUIRE(::rename(away().c_str(), path_.c_str()) == 0); }

    [[nodiscard]] const std::string &path() const { return path_; }
    [[nodiscard]] bool in_memory() const {
        struct statfs system {};
        REQUIRE(::statfs(path_.c_str(), &system) == 0);
        return system.f_type == 0x01021994; // TMPFS_MAGIC
    }
    [[nodiscard]] struct stat status() const {
        struct stat result {};
        REQUIRE(::stat(path_.c_str(), &result) == 0);
        return result;
    }

private:
    [[nodiscard]] std::string away() const { return path_ + ".away"; }

    std::string direct_;
    std::string path_;
};

/// While it lives, workers that are made use threads instead of io_uring.
class WithoutIoUring {
public:
    WithoutIoUring() { ::setenv("NBDMPATH_NO_IO_URING", "1", 1); }
    WithoutIoUring(const WithoutIoUring &) = delete;
    WithoutIoUring &operator=(const WithoutIoUring &) = delete;
    ~WithoutIoUring() { ::unsetenv("NBDMPATH_NO_IO_URING"); }
};
