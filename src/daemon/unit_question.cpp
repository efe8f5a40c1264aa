// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/unit_question.hpp"

#include "base/error.hpp"
#include "block/scsi_inquiry.hpp"
#include "block/scsi_text.hpp"

#include <utility>

namespace nbdmpathd {

namespace {

using namespace std::chrono_literals;
constexpr auto patience = 3s;
} // namespace

UnitQuestion::UnitQuestion(multipath::Map &map, PathSet &paths, Kind kind, std::string path, Finish finish)
    : map_(map)
    , paths_(paths)
    , path_(std::move(path))
    , finish_(std::move(finish)) {
    if (!path_.empty())
        (void)paths_.require(path_);
    else if (kind != Kind::ready)
        path_ = first_up();
    talk_ = answer(kind);
    talk_.start();
}

std::string UnitQuestion::first_up() const {
    std::string found;
    if (map_.has_live_table())
        for (const multipath::PathStatistics &entry : map_.statistics()) {
            block::ScsiPort *port = paths_.scsi(entry.path);
            if (port == nullptr || port->facts() == nullptr)
                continue;
            if (entry.why_failed.empty())
                return entry.path;
            if (found.empty())
                found = entry.path;
        }
    if (found.empty())
        throw base::Error(ENOTCONN, "no SCSI path of map {} is up", map_.name());
    return found;
}

block::ScsiTalk<int> UnitQuestion::answer(Kind kind) {
    command::Outcome outcome;
    try {
        block::ScsiTalk<Lines> lines = kind == Kind::inquiry ? inquire()
                                       : kind == Kind::luns  ? list_units()
                                                             : test_units();
        outcome.lines = co_await lines;
    } catch (const base::Error &error) {
        outcome = {error.code(), error.what(), {}};
    }
    finish_(std::move(outcome));
    co_return 0;
}

block::ScsiTalk<std::vector<std::byte>> UnitQuestion::ask(block::ScsiOrder order) {
    order.patience = patience;
    if (paths_.scsi(path_) == nullptr)
        throw base::Error(ENOTTY, "path {} is not SCSI", path_);
    const std::function<block::ScsiPort *()> port = [this] { return paths_.scsi(path_); };
    block::ScsiTalk<block::ScsiReply> question = block::ask_unit(port, std::move(order));
    block::ScsiReply reply = co_await question;
    if (reply.result.status == block::ScsiReply::overdue)
        throw base::Error(ETIMEDOUT, "path {} did not answer within {} s", path_, patience.count());
    if (reply.result.status < 0)
        throw base::Error(ENOTCONN, "path {}: {}", path_, block::scsi_end_text(reply.result));
    if (!block::classify_scsi(reply.result, block::Operation::read).status.ok())
        throw base::Error(EIO, "path {}: {}", path_, block::scsi_end_text(reply.result));
    co_return std::move(reply.data);
}

block::ScsiTalk<UnitQuestion::Lines> UnitQuestion::inquire() {
    Lines lines{"path: " + path_};
    const auto take = [&lines](Lines more) {
        lines.insert(lines.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    block::ScsiTalk<std::vector<std::byte>> standard = ask(block::inquiry_order());
    const std::vector<std::byte> answer = co_await standard;
    take(block::inquiry_lines(answer));
    constexpr std::uint8_t pages[] = {0x80, 0x83};
    for (const std::uint8_t page : pages) {
        block::ScsiTalk<std::vector<std::byte>> question = ask(block::vital_page_order(page));
        try {
            const std::vector<std::byte> text = co_await question;
            take(page == 0x80 ? block::serial_lines(text) : block::designator_lines(text));
        } catch (const base::Error &error) {
            if (error.code() != EIO)
                throw; // else a page that the unit does not have
        }
    }
    co_return lines;
}

block::ScsiTalk<UnitQuestion::Lines> UnitQuestion::list_units() {
    block::ScsiTalk<std::vector<std::byte>> question = ask(block::report_luns_order());
    const std::vector<std::byte> answer = co_await question;
    Lines lines{"path: " + path_};
    for (std::string &line : block::lun_lines(answer))
        lines.push_back(std::move(line));
    co_return lines;
}

block::ScsiTalk<UnitQuestion::Lines> UnitQuestion::test_units() {
    std::vector<std::string> names;
    if (map_.has_live_table())
        names = map_.dependencies();
    std::vector<bool> is_scsi;
    block::ScsiAnswers answers;
    for (const std::string &name : names) {
        block::ScsiOrder order = block::test_unit_ready_order();
        order.patience = patience;
        block::ScsiPort *port = paths_.scsi(name);
        is_scsi.push_back(port != nullptr);
        answers.ask(port, std::move(order));
    }
    const std::vector<block::ScsiReply> replies = co_await answers;
    Lines lines;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const block::ScsiResult &result = replies[i].result;
        lines.push_back(fmt::format("path={} result=\"{}\"", names[i],
                                    !is_scsi[i]          ? "not SCSI"
                                    : result.status == 0 ? "ready"
                                                         : block::scsi_end_text(result)));
    }
    co_return lines;
}

} // namespace nbdmpathd
