// SPDX-License-Identifier: BSD-3-Clause
#include "selector/path_arguments.hpp"
#include "selector/rotation.hpp"
#include "selector/selector_list.hpp"

#include <fmt/format.h>
#include <limits>

namespace selector {

namespace {

constexpr unsigned most_throughput = 100;
constexpr unsigned throughput_bits = 7; // 100 fits
/// From here on a number of bytes times a throughput would not fit 64 bits.
constexpr std::uint64_t many_bytes = std::numeric_limits<std::uint64_t>::max() >> throughput_bits;

/// The path that will be done first with what it has and the new request, by the throughputs that the table
/// states (semantics reference 2.21).
class ServiceTime final : public Selector {
public:
    explicit ServiceTime(Rules rules)
        : rules_(rules) {}

    void add_path(PathIndex path, Words words) override {
        const PathArguments arguments("service-time", words, 2, rules_);
        Path added;
        added.repeat_count = arguments.repeat_count();
        added.throughput = arguments.number(1, 1, most_throughput, "relative_throughput value");
        paths_.push_back(added);
        rotation_.add(path);
    }
    void fail_path(PathIndex path) noexcept override { rotation_.remove(path); }
    void reinstate_path(PathIndex path) noexcept override { rotation_.put_last(path); }

    std::optional<Choice> select_path(std::uint64_t length, base::TimePoint) noexcept override {
        const auto path = rotation_.take(
            [this, length](PathIndex a, PathIndex b) { return is_better(paths_[a], paths_[b], length); });
        if (!path)
            return std::nullopt;
        return Choice{*path, paths_[*path].repeat_count};
    }
    void start_io(PathIndex path, std::uint64_t length, base::TimePoint) noexcept override {
        paths_[path].in_flight_bytes += length;
    }
    void end_io(PathIndex path, std::uint64_t length, base::TimePoint, base::TimePoint) noexcept override {
        paths_[path].in_flight_bytes -= length;
    }

    [[nodiscard]] unsigned info_width() const noexcept override { return 2; }
    [[nodiscard]] unsigned table_width() const noexcept override { return 2; }
    [[nodiscard]] std::string path_info(PathIndex path) const override {
        return fmt::format("{} {}", paths_[path].in_flight_bytes, paths_[path].throughput);
    }
    [[nodiscard]] std::string path_table(PathIndex path) const override {
        return fmt::format("{} {}", paths_[path].repeat_count, paths_[path].throughput);
    }

private:
    struct Path {
        unsigned repeat_count = 1;
        unsigned throughput = 1; ///< relative to the others; 0: only when no other path is left
        std::uint64_t in_flight_bytes = 0;
    };

    static bool is_better(const Path &a, const Path &b, std::uint64_t length) noexcept {
        if (a.throughput == b.throughput)
            return a.in_flight_bytes < b.in_flight_bytes;
        if (a.in_flight_bytes == b.in_flight_bytes || a.throughput == 0 || b.throughput == 0)
            return a.throughput > b.throughput;
        std::uint64_t bytes_a = a.in_flight_bytes + length;
        std::uint64_t bytes_b = b.in_flight_bytes + length;
        if (bytes_a >= many_bytes || bytes_b >= many_bytes) {
            bytes_a >>= throughput_bits;
            bytes_b >>= throughput_bits;
        }
        // bytes_a / a.throughput against bytes_b / b.throughput, without the division.
        const std::uint64_t time_a = bytes_a * b.throughput;
        const std::uint64_t time_b = bytes_b * a.throughput;
        return time_a == time_b ? a.throughput > b.throughput : time_a < time_b;
    }

    Rules rules_;
    std::vector<Path> paths_;
    Rotation rotation_;
};

} // namespace

const Type service_time{
    "service-time", "the path that is done first, by its bytes in flight and throughput",
    [](Words, Rules rules) -> std::unique_ptr<Selector> { return std::make_unique<ServiceTime>(rules); }};

} // namespace selector
