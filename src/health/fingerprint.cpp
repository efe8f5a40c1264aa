// SPDX-License-Identifier: BSD-3-Clause
#include "health/fingerprint.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <fmt/format.h>
#include <new>
#include <openssl/evp.h>

namespace health {

namespace {
constexpr std::size_t buffer_size = 64 << 10; // the largest minimum block
constexpr std::size_t alignment = 4096;

} // namespace

bool fits(const Fingerprint &fingerprint, const block::Geometry &disk) noexcept {
    const std::uint64_t whole_blocks = disk.size - disk.size % disk.minimum_block;
    return std::ranges::all_of(fingerprint, [whole_blocks](const Mark &mark) {
        return mark.length <= whole_blocks && mark.offset <= whole_blocks - mark.length;
    });
}

std::string difference(const Fingerprint &fingerprint, const Prints &prints) {
    if (prints.size() != fingerprint.size())
        return "it ends before its fingerprint does";
    for (std::size_t i = 0; i < fingerprint.size(); ++i) {
        const Mark &mark = fingerprint[i];
        if (!mark.sha256.empty() && prints[i] != mark.sha256)
            return fmt::format("the SHA-256 of {}+{} is {}, the map's is {}", mark.offset, mark.length,
                               prints[i], mark.sha256);
    }
    return {};
}

bool contradicts(const Fingerprint &one, const Fingerprint &other) noexcept {
    return !std::ranges::equal(one, other, [](const Mark &a, const Mark &b) {
        return a.sha256.empty() || b.sha256.empty() || a.sha256 == b.sha256;
    });
}

void learn(Fingerprint &fingerprint, const Prints &prints) {
    assert(fingerprint.size() == prints.size());
    for (std::size_t i = 0; i < fingerprint.size(); ++i)
        if (fingerprint[i].sha256.empty())
            fingerprint[i].sha256 = prints[i];
}

void forget(Fingerprint &fingerprint) {
    for (Mark &mark : fingerprint)
        if (!mark.stated)
            mark.sha256.clear();
}

class FingerprintReader::Sha256 {
public:
    Sha256()
        : context_(EVP_MD_CTX_new()) {
        if (context_ == nullptr)
            throw std::bad_alloc();
    }
    Sha256(const Sha256 &) = delete;
    Sha256 &operator=(const Sha256 &) = delete;
    ~Sha256() { EVP_MD_CTX_free(context_); }

    void begin() noexcept { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
    void add(const std::byte *bytes, std::size_t count) noexcept { EVP_DigestUpdate(context_, bytes, count); }
    /// In hexadecimal; no digest is empty.
    std::string end() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned length = 0;
        EVP_DigestFinal_ex(context_, digest.data(), &length);
        std::string text;
        for (unsigned i = 0; i < length; ++i)
            text += fmt::format("{:02x}", digest[i]);
        return text;
    }

private:
    EVP_MD_CTX *context_;
};

FingerprintReader::FingerprintReader(backend::Backend &backend, base::Delegate<block::Status> ended)
    : backend_(backend)
    , ended_(ended) {}

FingerprintReader::~FingerprintReader() { assert(!reading_); }

void FingerprintReader::start(const Fingerprint &fingerprint) {
    assert(!reading_ && !fingerprint.empty());
    if (buffer_ == nullptr) {
        sum_ = std::make_unique<Sha256>();
        buffer_.reset(static_cast<std::byte *>(std::aligned_alloc(alignment, buffer_size)));
        if (buffer_ == nullptr)
            throw std::bad_alloc();
    }
    reading_ = true;
    marks_ = fingerprint;
    prints_.clear();
    at_ = 0;
    generation_ = backend_.generation();
    read_piece();
}

void FingerprintReader::read_piece() noexcept {
    const block::Geometry &disk = backend_.geometry();
    const Mark &mark = marks_[prints_.size()];
    if (at_ == 0)
        sum_->begin();
    // Whole blocks around the bytes that are next.
    const std::uint64_t first = mark.offset + at_;
    const std::uint64_t last = mark.offset + mark.length - 1;
    const std::uint64_t end = last - last % disk.minimum_block + disk.minimum_block;
    request_.operation = block::Operation::read;
    request_.offset = first - first % disk.minimum_block;
    request_.length = std::min<std::uint64_t>({end - request_.offset, buffer_size, disk.maximum_payload});
    request_.data = buffer_.get();
    request_.push(*this);
    backend_.submit(request_);
}

void FingerprintReader::take_piece() {
    const Mark &mark = marks_[prints_.size()];
    const std::uint64_t begin = mark.offset + at_ - request_.offset;
    const std::uint64_t length = std::min(mark.length - at_, request_.length - begin);
    sum_->add(buffer_.get() + begin, length);
    at_ += length;
    if (at_ != mark.length)
        return;
    prints_.push_back(sum_->end());
    at_ = 0;
}

void FingerprintReader::completed(block::Request &, block::Status status) noexcept {
    // What another connection answered says nothing of the present one.
    if (status.ok() && backend_.generation() != generation_)
        status = block::Status::path_lost();
    if (status.ok())
        take_piece();
    if (status.ok() && prints_.size() != marks_.size()) {
        read_piece();
        return;
    }
    reading_ = false;
    ended_(status);
}

} // namespace health
