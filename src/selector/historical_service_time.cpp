// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "base/text.hpp"
#include "selector/path_arguments.hpp"
#include "selector/rotation.hpp"
#include "selector/selector_list.hpp"

#include <array>
#include <fmt/format.h>
#include <limits>

namespace selector {

namespace {

/// Fractions and averages are integers in units of 1/1024.
constexpr unsigned fraction_bits = 10;
constexpr std::uint64_t one = 1 << fraction_bits;
constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
/// An average times a weight fits 64 bits.
constexpr std::uint64_t largest_average = largest >> fraction_bits;
constexpr unsigned default_base_weight = 972; // 0.95

/// Service times are told apart in steps of 2^24 ns, 16.8 ms.
constexpr unsigned bucket_bits = 24;
constexpr std::size_t buckets = 64;

std::uint64_t rounded(std::uint64_t product) noexcept { return (product + one / 2) >> fraction_bits; }

/// fraction^exponent, by squares, so that few roundings add up.
std::uint64_t power(std::uint64_t fraction, std::size_t exponent) noexcept {
    std::uint64_t result = one;
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0)
            result = rounded(result * fraction);
        fraction = rounded(fraction * fraction);
    }
    return result;
}

std::uint64_t capped_product(std::uint64_t a, std::uint64_t b) noexcept {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? largest : product;
}

std::uint64_t nanoseconds(base::TimePoint time) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}

/// The path that will answer first by what its requests took so far (semantics reference 2.21). An old
/// average says little: it is trusted until `stale_after`.
class HistoricalServiceTime final : public Selector {
public:
    HistoricalServiceTime(Words words, Rules rules)
        : rules_(rules) {
        const auto base = words.empty() ? default_base_weight : parse_argument(words[0], rules);
        const auto multiplier = words.size() < 2 ? 0 : base::parse_number(words[1]);
        if (words.size() > 2 || !base || *base >= one || !multiplier)
            throw base::Error(EINVAL, "historical-service-time: bad base weight or threshold multiplier");
        // The longer a request took, the less the past counts.
        for (std::size_t i = 0; i + 1 < buckets; ++i)
            weights_[i] = power(*base, i + 1);
        threshold_multiplier_ = *multiplier;
    }

    void add_path(PathIndex path, Words words) override {
        const PathArguments arguments("historical-service-time", words, 1, rules_);
        (void)arguments.repeat_count(); // has to be right, has no effect
        paths_.emplace_back();
        rotation_.add(path);
    }
    void fail_path(PathIndex path) noexcept override { rotation_.remove(path); }
    void reinstate_path(PathIndex path) noexcept override { rotation_.put_last(path); }

    std::optional<Choice> select_path(std::uint64_t, base::TimePoint time) noexcept override {
        const auto path = rotation_.take([this, now = nanoseconds(time)](PathIndex a, PathIndex b) {
            return is_better(paths_[a], paths_[b], now);
        });
        if (!path)
            return std::nullopt;
        return Choice{*path, 1};
    }
    void start_io(PathIndex path, std::uint64_t, base::TimePoint) noexcept override {
        ++paths_[path].outstanding;
    }
    void end_io(PathIndex index, std::uint64_t, base::TimePoint started,
                base::TimePoint time) noexcept override {
        Path &path = paths_[index];
        const std::uint64_t now = nanoseconds(time);
        // What another request of the path took is not this one's service time: as if sent one by one.
        const std::uint64_t start = std::max(nanoseconds(started), path.last_finish);
        const std::uint64_t service_time = now > start ? now - start : 0;
        const std::uint64_t weight =
            weights_[std::min<std::uint64_t>(service_time >> bucket_bits, buckets - 1)];
        path.average = rounded(path.average * weight +
                               std::min(capped_product(service_time, one), largest_average) * (one - weight));
        --path.outstanding;
        path.last_finish = now;
        path.stale_after = now + rotation_.size() * (path.average >> fraction_bits);
    }

    [[nodiscard]] unsigned info_width() const noexcept override { return 3; }
    [[nodiscard]] unsigned table_width() const noexcept override { return 1; }
    [[nodiscard]] std::string info() const override { return table(); }
    [[nodiscard]] std::string table() const override {
        return fmt::format("2 {} {}", weights_[0], threshold_multiplier_);
    }
    [[nodiscard]] std::string path_info(PathIndex path) const override {
        return fmt::format("{} {} {}", paths_[path].average, paths_[path].outstanding,
                           paths_[path].stale_after);
    }
    [[nodiscard]] std::string path_table(PathIndex) const override { return "0"; }

private:
    struct Path {
        std::uint64_t average = one; ///< service time in 1/1024 ns
        std::uint64_t outstanding = 0;
        std::uint64_t last_finish = 0; ///< ns
        std::uint64_t stale_after = 0; ///< ns
    };

    [[nodiscard]] bool is_better(const Path &a, const Path &b, std::uint64_t now) const noexcept {
        if (too_close(a, b))
            return a.outstanding < b.outstanding;
        const bool a_idle = a.outstanding == 0;
        const bool b_idle = b.outstanding == 0;
        const bool a_stale = now > a.stale_after;
        const bool b_stale = now > b.stale_after;
        if ((a_idle && (a_stale || b_idle)) || (b_idle && b_stale))
            return a_idle == b_idle ? a.stale_after < b.stale_after : a_idle;
        const bool a_wins = answers_before(a, b);
        // A winner that nobody has heard of for long gets no more than its equal share.
        return (a_wins ? a_stale : b_stale) ? a.outstanding < b.outstanding : a_wins;
    }
    [[nodiscard]] bool too_close(const Path &a, const Path &b) const noexcept {
        return std::max(a.average, b.average) <=
               capped_product(threshold_multiplier_, std::min(a.average, b.average));
    }
    static bool answers_before(const Path &a, const Path &b) noexcept {
        if (a.outstanding == b.outstanding)
            return a.average < b.average;
        // From 1024 requests on the products would not fit 64 bits.
        const unsigned dropped = a.outstanding >= one || b.outstanding >= one ? fraction_bits : 0;
        return (1 + a.outstanding) * (a.average >> dropped) < (1 + b.outstanding) * (b.average >> dropped);
    }

    Rules rules_;
    std::array<std::uint64_t, buckets> weights_{}; ///< of the past, by service time; the last one forgets it
    std::uint64_t threshold_multiplier_ = 0;
    std::vector<Path> paths_;
    Rotation rotation_;
};

} // namespace

const Type historical_service_time{
    "historical-service-time", "the path that is expected to answer first, by what its requests took so far",
    [](Words arguments, Rules rules) -> std::unique_ptr<Selector> {
        return std::make_unique<HistoricalServiceTime>(arguments, rules);
    }};

} // namespace selector
