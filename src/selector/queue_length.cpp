// SPDX-License-Identifier: BSD-3-Clause
#include "selector/path_arguments.hpp"
#include "selector/rotation.hpp"
#include "selector/selector_list.hpp"

#include <fmt/format.h>

namespace selector {

namespace {

/// The path with the fewest requests in flight (semantics reference 2.21).
class QueueLength final : public Selector {
public:
    explicit QueueLength(Rules rules)
        : rules_(rules) {}

    void add_path(PathIndex path, Words words) override {
        const PathArguments arguments("queue-length", words, 1, rules_);
        paths_.push_back({.repeat_count = arguments.repeat_count()});
        rotation_.add(path);
    }
    void fail_path(PathIndex path) noexcept override { rotation_.remove(path); }
    void reinstate_path(PathIndex path) noexcept override { rotation_.put_last(path); }

    std::optional<Choice> select_path(std::uint64_t, base::TimePoint) noexcept override {
        const auto path = rotation_.take(
            [this](PathIndex a, PathIndex b) { return paths_[a].in_flight < paths_[b].in_flight; });
        if (!path)
            return std::nullopt;
        return Choice{*path, paths_[*path].repeat_count};
    }
    void start_io(PathIndex path, std::uint64_t, base::TimePoint) noexcept override {
        ++paths_[path].in_flight;
    }
    void end_io(PathIndex path, std::uint64_t, base::TimePoint, base::TimePoint) noexcept override {
        --paths_[path].in_flight;
    }

    [[nodiscard]] unsigned info_width() const noexcept override { return 1; }
    [[nodiscard]] unsigned table_width() const noexcept override { return 1; }
    [[nodiscard]] std::string path_info(PathIndex path) const override {
        return fmt::to_string(paths_[path].in_flight);
    }
    [[nodiscard]] std::string path_table(PathIndex path) const override {
        return fmt::to_string(paths_[path].repeat_count);
    }

private:
    struct Path {
        unsigned repeat_count;
        unsigned in_flight = 0;
    };
    Rules rules_;
    std::vector<Path> paths_;
    Rotation rotation_;
};

} // namespace

const Type queue_length{
    "queue-length", "the path with the fewest requests in flight",
    [](Words, Rules rules) -> std::unique_ptr<Selector> { return std::make_unique<QueueLength>(rules); }};

} // namespace selector
