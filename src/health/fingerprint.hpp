// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/backend.hpp"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace health {

/// Bytes of the disk that nobody changes, by which it is known (design D6).
struct Mark {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::string sha256{};          ///< lower-case hexadecimal; empty: not known yet
    bool stated = !sha256.empty(); ///< by the owner; else it was learned from a path

    bool operator==(const Mark &) const = default;
};
using Fingerprint = std::vector<Mark>;
/// The SHA-256 of what a path has at each mark; none at all when its disk ends before one of them.
using Prints = std::vector<std::string>;

[[nodiscard]] bool fits(const Fingerprint &fingerprint, const block::Geometry &disk) noexcept;

/// Why a path with these prints is not the disk; empty when it is, as far as that is known.
std::string difference(const Fingerprint &fingerprint, const Prints &prints);
/// Whether both are known and not the same somewhere.
[[nodiscard]] bool contradicts(const Fingerprint &one, const Fingerprint &other) noexcept;
/// What is not known yet is so from now on.
void learn(Fingerprint &fingerprint, const Prints &prints);
/// Only what was stated is known.
void forget(Fingerprint &fingerprint);

/// Reads a path's prints, by one request at a time.
class FingerprintReader final : private block::Layer {
public:
    /// `ended`: not inside start().
    FingerprintReader(backend::Backend &backend, base::Delegate<block::Status> ended);
    ~FingerprintReader();

    /// Only when nothing is being read. The path is up; there is a mark, and they fit.
    void start(const Fingerprint &fingerprint);
    [[nodiscard]] bool reading() const noexcept { return reading_; }
    /// After a success: what was read, all of it on one connection.
    [[nodiscard]] const Prints &prints() const noexcept { return prints_; }

private:
    class Sha256;
    struct Free {
        void operator()(std::byte *buffer) const noexcept { std::free(buffer); }
    };

    void completed(block::Request &request, block::Status status) noexcept override;
    void take_piece();
    void read_piece() noexcept;

    backend::Backend &backend_;
    base::Delegate<block::Status> ended_;
    Fingerprint marks_;
    Prints prints_;
    bool reading_ = false;
    std::uint64_t generation_ = 0; ///< of the backend, at the start
    std::uint64_t at_ = 0;         ///< in the mark that is read
    std::unique_ptr<Sha256> sum_;
    std::unique_ptr<std::byte, Free> buffer_;
    block::Request request_;
};

} // namespace health
