// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/demo.hpp"

#include "base/error.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

namespace nbdmpathd {

namespace {
constexpr off_t disk_size = off_t{1} << 30;
}

Demo::Demo() {
    const char *parent = std::getenv("TMPDIR");
    directory_ =
        fmt::format("{}/nbdmpath-demo.XXXXXX", parent != nullptr && *parent == '/' ? parent : "/tmp");
    if (::mkdtemp(directory_.data()) == nullptr)
        throw base::Error(errno, "cannot make a directory {}: {}", directory_, base::errno_text(errno));
    const std::string disk = directory_ + "/disk";
    const int fd = ::open(disk.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const bool made = fd >= 0 && ::ftruncate(fd, disk_size) == 0;
    const int error = errno;
    if (fd >= 0)
        ::close(fd);
    if (!made) {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
        throw base::Error(error, "cannot make {}: {}", disk, base::errno_text(error));
    }
}

Demo::~Demo() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string Demo::configuration() const {
    return fmt::format("listen:\n"
                       "  - unix: {0}/nbd.sock\n"
                       "    mode: \"0600\"\n"
                       "admin:\n"
                       "  - unix: {0}/admin.sock\n"
                       "paths:\n"
                       "  a1: file://{0}/disk\n"
                       "  a2: file://{0}/disk\n"
                       "  b1: file://{0}/disk\n"
                       "  b2: file://{0}/disk\n"
                       "multipaths:\n"
                       "  demo:\n"
                       "    description: a demonstration\n"
                       "    queue_if_no_path: true\n"
                       "    no_path_timeout: 60s\n"
                       "    priority_groups:\n"
                       "      - {{selector: round-robin, paths: [a1, a2]}}\n"
                       "      - {{selector: round-robin, paths: [b1, b2]}}\n",
                       directory_);
}

std::string Demo::welcome() const {
    return fmt::format("nbdmpathd serves the export \"demo\": 1 GiB, two priority groups of two paths.\n"
                       "\n"
                       "  NBD    nbd+unix:///demo?socket={0}/nbd.sock\n"
                       "  admin  {0}/admin.sock\n"
                       "\n"
                       "To try in another terminal:\n"
                       "  nbdinfo 'nbd+unix:///demo?socket={0}/nbd.sock'\n"
                       "  fio --name=demo --ioengine=nbd --uri='nbd+unix:///demo?socket={0}/nbd.sock' \\\n"
                       "      --rw=randrw --bs=4k --iodepth=16 --size=64M --time_based --runtime=30\n"
                       "  nbdmpathctl -s {0}/admin.sock status demo\n"
                       "  nbdmpathctl -s {0}/admin.sock message demo 0 fail_path a1\n"
                       "  nbdmpathctl -s {0}/admin.sock message demo 0 reinstate_path a1\n"
                       "  nbdmpathctl -s {0}/admin.sock help\n"
                       "\n"
                       "Ctrl-C ends it and removes {0}.\n",
                       directory_);
}

} // namespace nbdmpathd
