// SPDX-License-Identifier: BSD-3-Clause
#include "config/group_section.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace config {

namespace {

constexpr std::size_t most_groups = 1024;
constexpr std::size_t most_paths = 1024;

/// What may stand beside `path`, in the order of the table. All have the kernel's default 1.
struct PathArgument {
    std::string_view name;
    Range range;
};
constexpr PathArgument path_arguments[] = {
    {"repeat_count", {0, std::numeric_limits<std::uint32_t>::max()}},
    {"relative_throughput", {0, 100}},
};

struct GroupPath {
    std::string name;
    std::vector<std::optional<std::uint64_t>>
        arguments; ///< without a value: the default, if the group needs one
};

/// One priority group on its way into the table.
class GroupSection {
public:
    GroupSection(const Environment &environment, const PathNames &paths, const Reading &reading)
        : environment_(environment)
        , paths_(paths)
        , reading_(reading) {}

    void read(const Node &node) {
        Section section(node, "priority group", reading_);
        const Node *selector = section.find("selector");
        const Node *paths = section.find("paths");
        if (node.kind == Node::Kind::mapping && (selector == nullptr || paths == nullptr))
            reading_.problem(node, "a priority group needs 'selector' and 'paths' "
                                   "(example: {{selector: round-robin, paths: [a1, a2]}})");
        if (selector != nullptr)
            read_selector(*selector);
        if (paths != nullptr)
            read_paths(*paths);
        section.finish();
    }

    void append_to(TableText &table) const {
        table.append(selector_.empty() ? std::string_view() : selector_[0]);
        table.append(selector_.empty() ? 0 : selector_.size() - 1);
        for (std::size_t i = 1; i < selector_.size(); ++i)
            table.append(selector_[i]);
        const std::size_t width = argument_width();
        table.append(group_paths_.size());
        table.append(width);
        for (const GroupPath &path : group_paths_) {
            table.append(path.name);
            for (std::size_t i = 0; i < width; ++i)
                table.append(i < path.arguments.size() ? path.arguments[i].value_or(1) : 1);
        }
    }

private:
    void read_selector(const Node &node) {
        const std::optional<std::string> text = text_of(node, "selector", reading_);
        if (!text)
            return;
        selector_ = base::split_words(*text);
        const std::string name = selector_.empty() ? std::string() : selector_[0];
        if (std::ranges::find(environment_.selectors, name) != environment_.selectors.end())
            return;
        reading_.problem(node, "selector: unknown path selector type '{}'{} (known: {})", shown(name),
                         hint(name, environment_.selectors), fmt::join(environment_.selectors, ", "));
    }

    void read_paths(const Node &node) {
        for (const Node *item : items_of(node, "paths", reading_)) {
            if (reading_.problems.full())
                return;
            read_path(*item);
        }
        if ((node.items.empty() && node.kind == Node::Kind::sequence) || node.kind == Node::Kind::empty ||
            node.items.size() > most_paths)
            reading_.problem(node, "paths: invalid number of paths: a group has 1 to {}", most_paths);
    }

    void read_path(const Node &node) {
        GroupPath path;
        const Node *name = &node;
        if (node.kind == Node::Kind::mapping) {
            Section section(node, "path of a group", reading_);
            name = section.find("path");
            if (name == nullptr)
                reading_.problem(node,
                                 "a path of a group needs 'path' (example: {{path: a1, repeat_count: 1}})");
            for (const PathArgument &argument : path_arguments)
                path.arguments.push_back(section.number(argument.name, argument.range));
            while (!path.arguments.empty() && !path.arguments.back())
                path.arguments.pop_back();
            section.finish();
        }
        const std::optional<std::string> text =
            name != nullptr ? text_of(*name, "path", reading_) : std::nullopt;
        if (!text)
            return;
        path.name = *text;
        try {
            (void)paths_.require(path.name);
        } catch (const base::Error &error) {
            reading_.problem(*name, "{}", error.what());
        }
        group_paths_.push_back(std::move(path));
    }

    /// Every path of a group has the same number of arguments in a table. round-robin's repeat count is
    /// always said: the seed's own default of 1000 is not what users of today's kernels expect.
    [[nodiscard]] std::size_t argument_width() const {
        std::size_t width = !selector_.empty() && selector_[0] == "round-robin" ? 1 : 0;
        for (const GroupPath &path : group_paths_)
            width = std::max(width, path.arguments.size());
        return width;
    }

    const Environment &environment_;
    const PathNames &paths_;
    const Reading &reading_;
    std::vector<std::string> selector_;
    std::vector<GroupPath> group_paths_;
};

} // namespace

void append_groups(const Node &groups, std::size_t initial_group, const Environment &environment,
                   const PathNames &paths, const Reading &reading, TableText &table) {
    const auto &items = items_of(groups, "priority_groups", reading);
    if (groups.kind == Node::Kind::empty || (groups.kind == Node::Kind::sequence && items.empty()) ||
        items.size() > most_groups)
        reading.problem(groups, "priority_groups: invalid number of priority groups: a map has 1 to {}",
                        most_groups);
    table.append(items.size());
    table.append(initial_group);
    for (const Node *item : items) {
        if (reading.problems.full())
            return;
        GroupSection group(environment, paths, reading);
        group.read(*item);
        group.append_to(table);
    }
}

} // namespace config
