// SPDX-License-Identifier: BSD-3-Clause
// clang's thread sanitizer has an operator new of its own that cannot be replaced: nothing to count there.
// g++'s takes a replaced one for a mistake.
#if defined(__SANITIZE_THREAD__)
#define NBDMPATH_CANNOT_COUNT
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NBDMPATH_CANNOT_COUNT
#endif
#endif
#ifndef NBDMPATH_CANNOT_COUNT

#include "file_disk.hpp"
#include "rig.hpp"

#include <atomic>
#include <new>
#include <vector>

namespace {
// Counts what this whole test program allocates; looked at in one case only.
std::atomic<std::size_t> allocations{0};
} // namespace

void *operator new(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    void *memory = std::malloc(size);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

/// Submits a batch of requests again and again, as a session does, and stops the loop after so many rounds.
class Reader final : public block::Layer {
public:
    Reader(Rig &rig, int rounds, block::Operation operation)
        : rig_(rig)
        , rounds_(rounds)
        , operation_(operation)
        , data_(depth * 4096) {}

    void submit_all() {
        for (std::size_t i = 0; i < depth; ++i) {
            requests_[i].operation = operation_;
            requests_[i].offset = i * 4096;
            requests_[i].length = 4096;
            requests_[i].data = data_.data() + i * 4096;
            requests_[i].push(*this);
            rig_.backend().submit(requests_[i]);
        }
    }
    bool all_ok = true;
    std::size_t allocated = 0; ///< in all rounds but the first

private:
    static constexpr std::size_t depth = 32;

    void completed(block::Request &, block::Status status) noexcept override {
        all_ok = all_ok && status.ok();
        if (++completed_ % depth != 0)
            return;
        if (++round_ == warm_up)
            before_ = allocations.load();
        if (round_ < rounds_)
            return submit_all();
        allocated = allocations.load() - before_;
        rig_.worker().stop();
    }

    static constexpr int warm_up = 5;
    Rig &rig_;
    int rounds_;
    block::Operation operation_;
    std::vector<std::byte> data_;
    block::Request requests_[depth];
    std::size_t completed_ = 0;
    int round_ = 0;
    std::size_t before_ = 0;
};

std::size_t allocated_while(const std::string &folder, block::Operation operation) {
    const FileDisk disk(folder);
    Rig rig(disk.uri(), disk.values());
    rig.open_and_wait();
    Reader reader(rig, 50, operation);
    reader.submit_all();
    rig.worker().run();
    CHECK(reader.all_ok);
    return reader.allocated;
}

} // namespace

TEST_CASE("warm requests allocate nothing") {
    CHECK(allocated_while("/dev/shm", block::Operation::read) == 0);
    CHECK(allocated_while("/dev/shm", block::Operation::write) == 0);
    CHECK(allocated_while("/var/tmp", block::Operation::read) == 0);  // page cache
    CHECK(allocated_while("/var/tmp", block::Operation::write) == 0); // ring
    const WithoutIoUring environment;
    CHECK(allocated_while("/var/tmp", block::Operation::flush) == 0); // threads
}

#endif
