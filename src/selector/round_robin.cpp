// SPDX-License-Identifier: BSD-3-Clause
#include "selector/path_arguments.hpp"
#include "selector/rotation.hpp"
#include "selector/selector_list.hpp"

namespace selector {

namespace {

/// Each path in turn (semantics reference 2.21). A path that comes back is used next.
class RoundRobin final : public Selector {
public:
    explicit RoundRobin(Rules rules)
        : rules_(rules) {}

    void add_path(PathIndex path, Words words) override {
        const PathArguments arguments("round-robin", words, 1, rules_);
        repeat_counts_.push_back(arguments.repeat_count());
        rotation_.add(path);
    }
    void fail_path(PathIndex path) noexcept override { rotation_.remove(path); }
    void reinstate_path(PathIndex path) noexcept override { rotation_.put_first(path); }

    std::optional<Choice> select_path(std::uint64_t, base::TimePoint) noexcept override {
        const auto path = rotation_.take([](PathIndex, PathIndex) { return false; });
        if (!path)
            return std::nullopt;
        return Choice{*path, repeat_counts_[*path]};
    }

    [[nodiscard]] unsigned table_width() const noexcept override { return 1; }
    [[nodiscard]] std::string path_table(PathIndex path) const override {
        return std::to_string(repeat_counts_[path]);
    }

private:
    Rules rules_;
    std::vector<unsigned> repeat_counts_; // by path
    Rotation rotation_;
};

} // namespace

const Type round_robin{
    "round-robin", "each path in turn, repeat_count requests at a time",
    [](Words, Rules rules) -> std::unique_ptr<Selector> { return std::make_unique<RoundRobin>(rules); }};

} // namespace selector
