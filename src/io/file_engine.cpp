// SPDX-License-Identifier: BSD-3-Clause
#include "io/file_engine.hpp"

#include "build_config.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <sys/uio.h>
#include <unistd.h>

namespace io {

namespace {
std::int64_t call_kernel(const FileCall &call) noexcept {
    const auto offset = static_cast<off_t>(call.offset);
    const auto length = static_cast<off_t>(call.length);
    const iovec piece{call.data, call.length};
    switch (call.kind) {
    case FileCall::Kind::read:
        return ::preadv2(call.fd, &piece, 1, offset, call.flags);
    case FileCall::Kind::write:
        return ::pwritev2(call.fd, &piece, 1, offset, call.flags);
    case FileCall::Kind::sync:
        return ::fdatasync(call.fd);
    case FileCall::Kind::allocate:
        return ::fallocate(call.fd, call.flags, offset, length);
    case FileCall::Kind::advise:
        errno = ::posix_fadvise(call.fd, offset, length, call.flags);
        return errno == 0 ? 0 : -1;
    case FileCall::Kind::function:
        return call.function(call);
    }
    errno = ENOSYS;
    return -1;
}
} // namespace

std::int64_t execute(const FileCall &call) noexcept {
    const std::int64_t result = call_kernel(call);
    return result < 0 ? -static_cast<std::int64_t>(errno) : result;
}

#if !NBDMPATH_HAVE_URING
std::unique_ptr<FileEngine> make_ring(Worker &) { return nullptr; }
#endif

std::unique_ptr<FileEngine> make_file_engine(Worker &worker) {
    const char *denied = std::getenv("NBDMPATH_NO_IO_URING");
    if (denied == nullptr || std::string_view(denied) != "1")
        if (auto ring = make_ring(worker))
            return ring;
    return make_thread_engine(worker);
}

} // namespace io
