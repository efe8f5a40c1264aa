// SPDX-License-Identifier: BSD-3-Clause
#include "backend/fault_rule.hpp"

#include "base/error.hpp"
#include "base/keys.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace backend {

namespace {

constexpr std::size_t longest_quote = 64;

// In the order of block::Operation.
constexpr std::string_view operation_names[] = {"read", "write", "flush", "trim", "write_zeroes", "cache"};

struct ErrorClass {
    std::string_view name;
    block::Status status; ///< with the error that stands for it when none is said
};
constexpr ErrorClass error_classes[] = {
    {"path", {block::Outcome::path, EIO}},
    {"path_lost", {block::Outcome::path_lost, ENOTCONN}},
    {"path_in_doubt", {block::Outcome::path_in_doubt, ENOTCONN}},
    {"path_delayed", {block::Outcome::path_delayed, ENOMEM}},
    {"retry", {block::Outcome::retry, EINTR}},
    {"target", {block::Outcome::target, EIO}},
    {"pass", {block::Outcome::pass, ENOTSUP}},
};

std::string quoted(std::string_view word) {
    return fmt::format("'{}{}'", word.substr(0, longest_quote), word.size() > longest_quote ? "..." : "");
}

/// ", did you mean 'x'?", or nothing.
std::string hint(std::string_view word, const std::vector<std::string_view> &candidates) {
    // The distance to a word grows with the square of its length: a long one is no typing error.
    const std::string_view nearest =
        word.size() <= longest_quote ? base::nearest_word(word, candidates) : std::string_view();
    return nearest.empty() ? std::string() : fmt::format(", did you mean '{}'?", nearest);
}

// What a word's value means. Each throws base::Error with a text that goes on after the word.

int read_errno(std::string_view name) {
    if (const std::optional<int> value = base::errno_value(name))
        return *value;
    throw base::Error(
        EINVAL,
        "{} is neither the name of an error nor one of path, path_lost, path_in_doubt, path_delayed, "
        "retry, target, pass",
        quoted(name));
}

void read_error(FaultSpec &spec, std::string_view value) {
    const std::size_t colon = std::min(value.find(':'), value.size());
    const auto *found = std::ranges::find(error_classes, value.substr(0, colon), &ErrorClass::name);
    if (found == std::end(error_classes)) {
        spec.error = block::classify_errno(read_errno(value));
        return;
    }
    spec.error = found->status;
    if (colon != value.size())
        spec.error.error = read_errno(value.substr(colon + 1));
}

void read_delay(FaultSpec &spec, std::string_view value) {
    spec.effect = FaultSpec::Effect::delay;
    spec.delay = std::get<std::chrono::milliseconds>(base::parse_value(base::KeyKind::duration, value));
    if (spec.delay.count() == 0)
        throw base::Error(EINVAL, "a delay of nothing");
}

void read_operations(FaultSpec &spec, std::string_view value) {
    const std::vector<std::string_view> names(std::begin(operation_names), std::end(operation_names));
    spec.operations = 0;
    for (std::size_t from = 0; from <= value.size();) {
        const std::size_t comma = std::min(value.find(',', from), value.size());
        const std::string_view name = value.substr(from, comma - from);
        const auto found = std::ranges::find(names, name);
        if (found == names.end())
            throw base::Error(EINVAL, "{} is no operation{}", quoted(name), hint(name, names));
        spec.operations |= static_cast<std::uint8_t>(1U << (found - names.begin()));
        from = comma + 1;
    }
}

void read_range(FaultSpec &spec, std::string_view value) {
    const std::size_t plus = value.find('+');
    if (plus == std::string_view::npos)
        throw base::Error(EINVAL, "not an offset, a plus and a length");
    const auto size = [](std::string_view text) {
        return std::get<std::uint64_t>(base::parse_value(base::KeyKind::size, text));
    };
    spec.offset = size(value.substr(0, plus));
    spec.length = size(value.substr(plus + 1));
    if (spec.length == 0)
        throw base::Error(EINVAL, "a range of no bytes");
}

std::uint64_t number_from(std::uint64_t least, std::string_view value) {
    const std::optional<std::uint64_t> number = base::parse_number(value);
    if (!number || *number < least)
        throw base::Error(EINVAL, "not a number from {} on", least);
    return *number;
}

void read_probability(FaultSpec &spec, std::string_view value) {
    const char *end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, spec.probability);
    if (error != std::errc{} || stop != end || !(spec.probability >= 0 && spec.probability <= 1))
        throw base::Error(EINVAL, "not a number from 0 to 1");
}

struct Word {
    std::string_view name;
    bool is_effect;
    void (*read)(FaultSpec &spec, std::string_view value); ///< of a word that has a value
    std::string_view example;
};

constexpr Word words[] = {
    {"error", true, read_error, "error=EIO"},
    {"delay", true, read_delay, "delay=100ms"},
    {"hang", true, nullptr, "hang"},
    {"drop", true, nullptr, "drop"},
    {"op", false, read_operations, "op=read,write"},
    {"range", false, read_range, "range=1M+4K"},
    {"after", false, [](FaultSpec &spec, std::string_view value) { spec.after = number_from(0, value); },
     "after=100"},
    {"every", false, [](FaultSpec &spec, std::string_view value) { spec.every = number_from(1, value); },
     "every=10"},
    {"count", false, [](FaultSpec &spec, std::string_view value) { spec.count = number_from(1, value); },
     "count=1"},
    {"probability", false, read_probability, "probability=0.01"},
    {"seed", false, [](FaultSpec &spec, std::string_view value) { spec.seed = number_from(0, value); },
     "seed=42"},
};
enum Place : std::size_t { error, delay, hang, drop, probability = 9, seed };

/// The words that were said, by their place in the table; empty: not said.
using Said = std::array<std::string, std::size(words)>;

void read_word(std::string_view text, FaultSpec &spec, Said &said) {
    const std::size_t equals = std::min(text.find('='), text.size());
    const std::string_view name = text.substr(0, equals);
    const auto *word = std::ranges::find(words, name, &Word::name);
    if (word == std::end(words)) {
        std::vector<std::string_view> names;
        for (const Word &known : words)
            names.push_back(known.name);
        throw base::Error(EINVAL, "unknown word {}{} (example: error=EIO op=write count=1)", quoted(text),
                          hint(name, names));
    }
    std::string &place = said[static_cast<std::size_t>(word - std::begin(words))];
    if (!place.empty())
        throw base::Error(EINVAL, "'{}' is said twice; one is enough (example: {})", name, word->example);
    place = text;
    const bool has_value = equals != text.size();
    if (has_value != (word->read != nullptr))
        throw base::Error(EINVAL, "{}: '{}' {} a value (example: {})", quoted(text), name,
                          has_value ? "has not" : "needs", word->example);
    if (!has_value)
        return;
    try {
        word->read(spec, text.substr(equals + 1));
    } catch (const base::Error &wrong) {
        throw base::Error(EINVAL, "{}: {} (example: {})", quoted(text), wrong.what(), word->example);
    }
}

void check_effects(const Said &said) {
    std::vector<std::string_view> effects;
    for (std::size_t i = 0; i < said.size(); ++i)
        if (words[i].is_effect && !said[i].empty())
            effects.push_back(words[i].name);
    if (effects.empty())
        throw base::Error(EINVAL, "what shall happen? Say one of error=..., delay=..., hang, drop (example: "
                                  "error=EIO op=write)");
    const bool delayed_error = !said[Place::error].empty() && !said[Place::delay].empty();
    if (effects.size() > (delayed_error ? 2 : 1))
        throw base::Error(EINVAL,
                          "'{}' and '{}' cannot both happen; only a delay may stand beside an error "
                          "(example: delay=1s error=EIO)",
                          effects[effects.size() - 2], effects.back());
    if (!said[Place::seed].empty() && said[Place::probability].empty())
        throw base::Error(EINVAL, "'{}' is for a probability (example: probability=0.01 {})",
                          said[Place::seed], said[Place::seed]);
}

} // namespace

FaultSpec parse_fault(std::string_view text) {
    FaultSpec spec;
    Said said;
    for (const std::string &word : base::split_words(text))
        read_word(word, spec, said);
    check_effects(said);
    if (!said[Place::error].empty())
        spec.effect = FaultSpec::Effect::error;
    else if (!said[Place::hang].empty())
        spec.effect = FaultSpec::Effect::hang;
    else if (!said[Place::drop].empty())
        spec.effect = FaultSpec::Effect::drop;
    if (!said[Place::probability].empty() && said[Place::seed].empty())
        said[Place::seed] = fmt::format("seed={}", spec.seed);
    for (std::size_t i = 0; i < said.size(); ++i) {
        if (said[i].empty())
            continue;
        spec.text += (spec.text.empty() ? "" : " ") + said[i];
        spec.filtered |= !words[i].is_effect;
    }
    return spec;
}

bool FaultSpec::covers(const block::Request &request) const noexcept {
    if ((operations >> static_cast<unsigned>(request.operation) & 1U) == 0)
        return false;
    return length == 0 || (request.offset < offset + length && offset < request.offset + request.length);
}

bool FaultRule::takes(const block::Request &request) noexcept {
    if (used_ >= spec_.count || !spec_.covers(request))
        return false;
    ++seen_;
    if (seen_ <= spec_.after || (seen_ - spec_.after) % spec_.every != 0)
        return false;
    if (spec_.probability < 1 && draw() >= spec_.probability)
        return false;
    ++used_;
    return true;
}

// SplitMix64.
double FaultRule::draw() noexcept {
    random_ += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = random_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31;
    return static_cast<double>(mixed >> 11) * 0x1p-53;
}

} // namespace backend
