// SPDX-License-Identifier: BSD-3-Clause
// The constructor (semantics reference 2.18): dm table text -> Table. The order of the checks and their texts
// are the kernel's, modern where the old one crashed or took junk (R24).
#include "multipath/table.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <limits>
#include <span>

namespace multipath {

class TableParser {
public:
    TableParser(std::string_view text, DeviceSet &devices, const TableRules &rules)
        : words_(base::split_words(text))
        , left_(words_)
        , devices_(devices)
        , rules_(rules)
        , table_(std::make_unique<Table>(*rules.compat)) {}

    std::unique_ptr<Table> parse() {
        parse_features();
        parse_handler();
        parse_groups();
        table_->count_valid_paths();
        return std::move(table_);
    }

private:
    [[noreturn]] static void fail(const char *text) { throw base::Error(EINVAL, text); }

    const std::string &shift() {
        const std::string &word = left_.front();
        left_ = left_.subspan(1);
        return word;
    }
    unsigned number(unsigned minimum, unsigned maximum, const char *error) {
        if (left_.empty())
            fail(error);
        const auto value = parse_number(*rules_.compat, shift());
        if (!value || *value < minimum || *value > maximum)
            fail(error);
        return static_cast<unsigned>(*value);
    }
    /// A count of words that must all be there.
    std::span<const std::string> counted_words(unsigned maximum, const char *error) {
        const unsigned count = number(0, maximum, error);
        if (count > left_.size())
            fail(error);
        const auto words = left_.first(count);
        left_ = left_.subspan(count);
        return words;
    }

    void parse_features() {
        const auto rest = counted_words(8, "invalid number of feature args");
        const auto behind = left_;
        left_ = rest;
        while (!left_.empty())
            parse_feature();
        left_ = behind;
    }
    void parse_feature() {
        const std::string &name = shift();
        const auto is = [&name](std::string_view word) { return base::equal_ignoring_case(name, word); };
        if (is("queue_if_no_path")) {
            table_->set_queueing(true);
        } else if (is("retain_attached_hw_handler")) {
            table_->retains_handler_ = true; // of no effect (R29)
        } else if (is("pg_init_retries") && !left_.empty()) {
            table_->pg_init_retries_ = number(1, 50, "pg_init_retries must be between 1 and 50");
        } else if (is("pg_init_delay_msecs") && !left_.empty()) {
            table_->pg_init_delay_msecs_ =
                static_cast<int>(number(0, 60000, "pg_init_delay_msecs must be between 0 and 60000"));
        } else if (is("queue_mode") && !left_.empty()) {
            parse_queue_mode(shift());
        } else {
            fail("Unrecognised multipath feature request");
        }
    }
    void parse_queue_mode(const std::string &mode) {
        if (base::equal_ignoring_case(mode, "bio"))
            table_->queue_mode_bio_ = true;
        else if (base::equal_ignoring_case(mode, "rq") || base::equal_ignoring_case(mode, "mq"))
            table_->queue_mode_bio_ = false;
        else
            fail("Unknown 'queue_mode' requested");
    }

    void parse_handler() {
        const auto words = counted_words(1024, "invalid number of hardware handler args");
        if (words.empty())
            return;
        table_->handler_name_ = words.front();
        table_->handler_type_ = rules_.find_handler(words.front());
        table_->handler_words_.assign(words.begin() + 1, words.end());
        if (table_->handler_type_ == nullptr && !rules_.compat->handler_must_attach)
            fail("unknown hardware handler type");
    }
    /// The kernel looks for the handler when it has a path to attach it to.
    void check_handler() {
        if (table_->handler_type_ != nullptr || table_->handler_name_.empty())
            return;
        if (!table_->queue_mode_bio_)
            throw base::Error(ENODEV, "error attaching hardware handler");
        table_->handler_name_.clear();
    }

    void parse_groups() {
        const unsigned count = number(0, 1024, "invalid number of priority groups");
        const unsigned initial = number(0, 1024, "invalid initial priority group number");
        if ((count == 0) != (initial == 0))
            fail("invalid initial priority group");
        while (!left_.empty()) {
            parse_group();
            if (table_->groups_.back()->number == initial)
                table_->next_group_ = table_->groups_.back().get();
        }
        if (table_->groups_.size() != count)
            fail("priority group count mismatch");
    }
    void parse_group() {
        if (left_.size() < 2)
            fail("not enough priority group arguments");
        auto group = std::make_unique<PriorityGroup>();
        group->number = static_cast<unsigned>(table_->groups_.size()) + 1;
        group->selector_name = shift();
        const selector::Type *type = selector::find_type(group->selector_name);
        if (type == nullptr)
            fail("unknown path selector type");
        const auto arguments = counted_words(1024, "invalid number of path selector args");
        try {
            group->selector =
                type->create(arguments, {.repeat_counts_are_one = rules_.compat->repeat_counts_are_one,
                                         .numbers_wrap = rules_.compat->numbers_wrap});
        } catch (const base::Error &) {
            fail("path selector constructor failed");
        }
        const unsigned paths = number(1, 1024, "invalid number of paths");
        const unsigned path_arguments = number(0, 1024, "invalid number of selector args");
        for (unsigned i = 0; i < paths; ++i)
            parse_path(*group, path_arguments);
        table_->groups_.push_back(std::move(group));
    }
    void parse_path(PriorityGroup &group, unsigned arguments) {
        if (left_.size() < 1 + std::size_t{arguments})
            fail("not enough path parameters");
        const std::string &name = shift();
        const PathDevice found = devices_.find(name);
        if (found.device == nullptr)
            throw base::Error(look_up_error(*rules_.compat, name), "error getting device");
        check_handler();
        auto path = std::make_unique<Path>(Path{.name = name,
                                                .device = found.device,
                                                .group = &group,
                                                .index = static_cast<selector::PathIndex>(group.paths.size()),
                                                .active = true});
        group.selector->add_path(path->index, left_.first(arguments));
        left_ = left_.subspan(arguments);
        path->barred = found.barred;
        if (found.barred || (!found.usable && !rules_.compat->only_requests_fail_paths)) {
            // Loaded failed: not a transition, so the count stays 0.
            group.selector->fail_path(path->index);
            path->active = false;
        }
        group.paths.push_back(std::move(path));
    }

    std::vector<std::string> words_;
    std::span<const std::string> left_;
    DeviceSet &devices_;
    const TableRules &rules_;
    std::unique_ptr<Table> table_;
};

std::unique_ptr<Table> Table::parse(std::string_view text, DeviceSet &devices, const TableRules &rules) {
    return TableParser(text, devices, rules).parse();
}

std::optional<std::uint64_t> parse_number(const Compat &compat, const std::string &word) {
    if (compat.numbers_wrap)
        return base::parse_wrapping_number(word);
    return base::parse_number(word);
}

int look_up_error(const Compat &compat, std::string_view name) noexcept {
    if (!compat.device_errors_by_name)
        return EINVAL;
    // Device numbers of no device, or no name of a device at all.
    const std::size_t colon = name.find(':');
    const bool numbers = colon != std::string_view::npos && base::parse_number(name.substr(0, colon)) &&
                         base::parse_number(name.substr(colon + 1));
    return numbers ? ENXIO : ENODEV;
}

} // namespace multipath
