// SPDX-License-Identifier: BSD-3-Clause
#include "action.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace sim {

namespace {

struct Row {
    Kind kind;
    std::string_view name;
    unsigned weight;
    std::array<unsigned, 5> bounds; ///< each number is below its bound; 0: there is none
};

constexpr Row rows[] = {
    {Kind::io, "io", 60, {3, 10, 16, 4, 8}},             // client, operation, block, blocks, flags
    {Kind::leave, "leave", 2, {3}},                      // client: dies, another takes its place
    {Kind::answer, "answer", 14, {5, 13, 6, 8, 2}},      // device, answer, delay, how often, carried out
    {Kind::hang, "hang", 5, {5}},                        // device
    {Kind::release, "release", 8, {5}},                  // device
    {Kind::die, "die", 5, {5, 3, 4}},                    // device, told at once (0: not), PathDevice::End
    {Kind::revive, "revive", 9, {5, 3}},                 // device, told at once (0: not)
    {Kind::bar, "bar", 1, {5, 2}},                       // device, barred
    {Kind::fail_path, "fail_path", 5, {7}},              // device; 5: in no table, 6: none
    {Kind::reinstate_path, "reinstate_path", 8, {7}},    //
    {Kind::group, "group", 7, {3, 5}},                   // disable, enable, switch; number
    {Kind::queueing, "queueing", 5, {2}},                // on
    {Kind::nonsense, "nonsense", 1, {5}},                // which
    {Kind::suspend, "suspend", 6, {2}},                  // noflush
    {Kind::resume, "resume", 9, {2}},                    // noflush
    {Kind::withdraw, "withdraw", 4, {6}},                // ticket
    {Kind::load, "load", 6, {1U << 20U, 8}},             // table, 0: with a mistake
    {Kind::clear, "clear", 1, {}},                       //
    {Kind::probe, "probe", 4, {}},                       //
    {Kind::pass, "pass", 3, {}},                         //
    {Kind::activation, "activation", 10, {5, 18, 6, 4}}, // device, result, delay, how often
    {Kind::refuse, "refuse", 3, {5, 2}},                 // device, on
    {Kind::rename, "rename", 1, {}},                     //
    {Kind::advance, "advance", 25, {10}},                // delay
};

const Row &row_of(Kind kind) {
    return *std::ranges::find_if(rows, [kind](const Row &row) { return row.kind == kind; });
}

std::vector<unsigned> parse_numbers(std::string_view text) {
    std::vector<unsigned> numbers;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        const auto number = base::parse_number(text.substr(0, end));
        if (!number)
            throw base::Error(EINVAL, "'{}' is no list of numbers", text);
        numbers.push_back(static_cast<unsigned>(*number));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return numbers;
}

Action parse_action(std::string_view word) {
    Action action;
    const std::size_t stroke = word.find('/');
    if (stroke != std::string_view::npos) {
        action.tasks = parse_numbers(word.substr(stroke + 1)).at(0);
        word = word.substr(0, stroke);
    }
    const std::size_t colon = std::min(word.find(':'), word.size());
    const auto row =
        std::ranges::find_if(rows, [&](const Row &each) { return each.name == word.substr(0, colon); });
    if (row == std::end(rows))
        throw base::Error(EINVAL, "'{}' is no action", word);
    action.kind = row->kind;
    const auto numbers = parse_numbers(word.substr(std::min(colon + 1, word.size())));
    for (std::size_t i = 0; i < action.numbers.size() && i < numbers.size(); ++i)
        action.numbers[i] = row->bounds[i] == 0 ? 0 : numbers[i] % row->bounds[i];
    return action;
}

} // namespace

Action random_action(Random &random) {
    static const unsigned total = [] {
        unsigned sum = 0;
        for (const Row &row : rows)
            sum += row.weight;
        return sum;
    }();
    unsigned pick = random.below(total);
    const Row *row = rows;
    while (pick >= row->weight)
        pick -= row++->weight;
    Action action{.kind = row->kind};
    for (std::size_t i = 0; i < action.numbers.size() && row->bounds[i] != 0; ++i)
        action.numbers[i] = random.below(row->bounds[i]);
    if (random.one_in(4))
        action.tasks = random.below(5);
    return action;
}

std::string text_of(const Action &action) {
    const Row &row = row_of(action.kind);
    std::string text(row.name);
    for (std::size_t i = 0; i < action.numbers.size() && row.bounds[i] != 0; ++i)
        text += fmt::format("{}{}", i == 0 ? ':' : ',', action.numbers[i]);
    return action.tasks ? fmt::format("{}/{}", text, *action.tasks) : text;
}

std::string text_of(const std::vector<Action> &actions) {
    std::string text;
    for (const Action &action : actions)
        text += (text.empty() ? "" : " ") + text_of(action);
    return text;
}

std::vector<Action> parse_actions(std::string_view text) {
    std::vector<Action> actions;
    for (const std::string &word : base::split_words(text))
        actions.push_back(parse_action(word));
    return actions;
}

} // namespace sim
