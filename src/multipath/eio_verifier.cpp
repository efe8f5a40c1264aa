// SPDX-License-Identifier: BSD-3-Clause
#include "multipath/eio_verifier.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace multipath {

struct EioVerifier::Doubt {
    struct Side {
        Doubt *doubt;
        Path *path = nullptr;
        bool reads = true;
        ProbeRead read{};
    };
    block::Request *request;
    Side first{this};
    Side second{this};
    unsigned reads_left = 0;
};

EioVerifier::EioVerifier(Owner &owner) noexcept
    : owner_(owner) {}
EioVerifier::~EioVerifier() { assert(doubts_.empty()); }

std::vector<std::unique_ptr<EioVerifier::Doubt>>::iterator
EioVerifier::find(const block::Request &request) noexcept {
    return std::ranges::find_if(doubts_, [&](const auto &doubt) { return doubt->request == &request; });
}

void EioVerifier::doubt(block::Request &request, Path &first) {
    auto doubt = std::make_unique<Doubt>();
    doubt->request = &request;
    doubt->first.path = &first;
    doubts_.push_back(std::move(doubt));
}

Path *EioVerifier::first_of(const block::Request &request) noexcept {
    const auto found = find(request);
    return found == doubts_.end() ? nullptr : (*found)->first.path;
}

void EioVerifier::forget(const block::Request &request) noexcept { doubts_.erase(find(request)); }

void EioVerifier::verify(block::Request &request, Path &second) {
    Doubt &doubt = **find(request);
    doubt.second.path = &second;
    for (Doubt::Side *side : {&doubt.first, &doubt.second})
        if (side->read.send(*side->path->device, *this, side))
            ++doubt.reads_left;
    assert(doubt.reads_left == 2); // both devices took a request of this disk
}

void EioVerifier::completed(block::Request &request, block::Status status) noexcept {
    auto &side = *static_cast<Doubt::Side *>(request.popped());
    side.reads = !status.is_path_error();
    if (--side.doubt->reads_left == 0)
        end(*side.doubt);
}

void EioVerifier::end(Doubt &doubt) noexcept {
    // Out of the list first: the owner may send the request again.
    const auto found = find(*doubt.request);
    const std::unique_ptr<Doubt> ended = std::move(*found);
    doubts_.erase(found);
    owner_.verified(*ended->request, *ended->first.path, ended->first.reads, *ended->second.path,
                    ended->second.reads);
}

} // namespace multipath
