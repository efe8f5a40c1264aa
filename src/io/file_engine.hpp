// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "base/list.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace io {

class Worker;

/// One system call on a file. Filled in and owned by who wants it; lent to an engine from submit() until
/// `done`.
struct FileCall : base::ListHook {
    enum class Kind : std::uint8_t { read, write, sync, allocate, advise, function };

    Kind kind = Kind::read;
    int fd = -1;
    int flags = 0; ///< read, write: RWF_*; allocate: FALLOC_FL_*; advise: POSIX_FADV_*
    std::byte *data = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    /// For a function, which is what no other kind can say: it may wait, runs on any thread, and returns as a
    /// system call does. `context` is for it.
    std::int64_t (*function)(const FileCall &call) noexcept = nullptr;
    void *context = nullptr;
    std::int64_t result = 0; ///< bytes, 0, or a negative errno
    base::Delegate<> done;   ///< on the worker's thread
};

/// Carries file calls out away from the loop, where they may block. One for each worker
/// (Worker::file_engine()); all of it on that worker's thread. Calls are gathered and sent on at the end of
/// the turn; they run in any order.
class FileEngine {
public:
    FileEngine() = default;
    FileEngine(const FileEngine &) = delete;
    FileEngine &operator=(const FileEngine &) = delete;
    /// Nothing may be in flight.
    virtual ~FileEngine() = default;

    /// Takes the call; its `done` is called exactly once, never from inside submit().
    virtual void submit(FileCall &call) noexcept = 0;
};

/// Carries the call out here and now. Any thread.
std::int64_t execute(const FileCall &call) noexcept;

/// An engine on io_uring; null where it was not built in, or the kernel or a sandbox denies it.
std::unique_ptr<FileEngine> make_ring(Worker &worker);
/// An engine of up to 8 threads, started on demand. Throws base::Error when the system is out of descriptors.
std::unique_ptr<FileEngine> make_thread_engine(Worker &worker);
/// The ring, else threads. The environment variable NBDMPATH_NO_IO_URING=1 asks for threads.
std::unique_ptr<FileEngine> make_file_engine(Worker &worker);

} // namespace io
