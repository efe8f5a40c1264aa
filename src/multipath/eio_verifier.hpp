// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/probe_read.hpp"

#include <memory>
#include <vector>

namespace multipath {

/// `eio: verify` (semantics reference 4.4): who is at fault when a path answers EIO? Another path is asked;
/// when that says EIO too and both still read their first block, it is the disk. This remembers which request
/// is in doubt since which path, and does the reads; the map sends the request. On the map's worker.
class EioVerifier final : private block::Layer {
public:
    class Owner {
    public:
        /// Both paths said EIO to the request, and this is how they read since.
        virtual void verified(block::Request &request, Path &first, bool first_reads, Path &second,
                              bool second_reads) noexcept = 0;

    protected:
        ~Owner() = default;
    };

    explicit EioVerifier(Owner &owner) noexcept;
    ~EioVerifier();

    /// Whether any request is in doubt: the cheap question.
    [[nodiscard]] bool any() const noexcept { return !doubts_.empty(); }
    /// `first` said EIO; the request is about to be sent to another path.
    void doubt(block::Request &request, Path &first);
    /// The path that said EIO first; nullptr when the request is not in doubt.
    [[nodiscard]] Path *first_of(const block::Request &request) noexcept;
    /// The other path gave an answer that decides.
    void forget(const block::Request &request) noexcept;
    /// `second` said EIO as well: reads both. Ends with verified(), not inside this call.
    void verify(block::Request &request, Path &second);

private:
    struct Doubt;
    std::vector<std::unique_ptr<Doubt>>::iterator find(const block::Request &request) noexcept;
    void completed(block::Request &request, block::Status status) noexcept override;
    void end(Doubt &doubt) noexcept;

    Owner &owner_;
    std::vector<std::unique_ptr<Doubt>> doubts_;
};

} // namespace multipath
