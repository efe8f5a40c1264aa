// SPDX-License-Identifier: BSD-3-Clause
// INFO and TABLE, token by token (semantics reference 2.19 and 2.20). Every token is followed by one blank.
#include "multipath/table.hpp"

#include <fmt/format.h>
#include <iterator>

namespace multipath {

namespace {

class Text {
public:
    template <typename T>
    Text &operator<<(const T &token) {
        fmt::format_to(std::back_inserter(text_), "{} ", token);
        return *this;
    }
    /// Tokens that are blank-separated already; none at all is allowed.
    Text &words(const std::string &tokens) { return tokens.empty() ? *this : *this << tokens; }
    void append(const std::string &text) { text_ += text; }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
};

} // namespace

unsigned Table::initial_group_number() const noexcept {
    if (next_group_ != nullptr)
        return next_group_->number;
    if (current_group_ != nullptr)
        return current_group_->number;
    return groups_.empty() ? compat_.group_without_groups : 1;
}

std::string Table::info_text(std::size_t held) const {
    Text text;
    text << 2 << (compat_.info_shows_queue_io ? std::size_t{queue_io_} : held) << rounds_ << 0
         << groups_.size() << initial_group_number();
    for (const auto &group : groups_) {
        text << (group->bypassed ? 'D' : group.get() == current_group_ ? 'A' : 'E');
        text.words(group->selector->info());
        text << group->paths.size() << group->selector->info_width();
        for (const auto &path : group->paths) {
            text << path->name << (path->active ? 'A' : 'F') << path->fail_count;
            text.words(group->selector->path_info(path->index));
        }
    }
    return text.take();
}

std::string Table::table_text() const {
    // The kernel before 6.16 says this of every map in bio mode.
    const bool shows_retained = compat_.shows_retained_handler && (retains_handler_ || queue_mode_bio_);
    Text features;
    unsigned count = 0;
    const auto add = [&](const auto &...words) { ((features << words, ++count), ...); };
    if (queue_if_no_path_)
        add("queue_if_no_path");
    if (pg_init_retries_ != 0)
        add("pg_init_retries", pg_init_retries_);
    if (pg_init_delay_msecs_ >= 0)
        add("pg_init_delay_msecs", pg_init_delay_msecs_);
    if (shows_retained)
        add("retain_attached_hw_handler");
    if (queue_mode_bio_)
        add("queue_mode", "bio");
    Text text;
    text << count;
    text.append(features.take());
    if (!handler_name_.empty())
        text << 1 << handler_name_;
    else
        text << 0;
    // What is printed must load again: no groups have no initial one.
    text << groups_.size() << (groups_.empty() ? 0 : initial_group_number());
    for (const auto &group : groups_) {
        text << group->selector_name;
        text.words(group->selector->table());
        text << group->paths.size() << group->selector->table_width();
        for (const auto &path : group->paths) {
            text << path->name;
            text.words(group->selector->path_table(path->index));
        }
    }
    return text.take();
}

} // namespace multipath
