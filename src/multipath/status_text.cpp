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
    return groups_.empty() ? 0 : 1;
}

std::string Table::info_text(std::size_t held) const {
    Text text;
    text << 2 << held << pg_init_count_ << 0 << groups_.size() << initial_group_number();
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
    Text text;
    text << (queue_if_no_path_ ? 1 : 0) + (pg_init_retries_ != 0 ? 2 : 0) +
                (pg_init_delay_msecs_ >= 0 ? 2 : 0) + (queue_mode_bio_ ? 2 : 0);
    if (queue_if_no_path_)
        text << "queue_if_no_path";
    if (pg_init_retries_ != 0)
        text << "pg_init_retries" << pg_init_retries_;
    if (pg_init_delay_msecs_ >= 0)
        text << "pg_init_delay_msecs" << pg_init_delay_msecs_;
    if (queue_mode_bio_)
        text << "queue_mode"
             << "bio";
    text << 0 << groups_.size() << initial_group_number();
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
