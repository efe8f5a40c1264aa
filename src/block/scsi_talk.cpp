// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_talk.hpp"

namespace block {

bool may_ask_again(const ScsiResult &result) noexcept {
    const Status status = classify_scsi(result, Operation::read).status;
    return status.outcome == Outcome::retry && status.retry_delay_ms == 0;
}

ScsiTalk<ScsiReply> ask_unit(std::function<ScsiPort *()> port, ScsiOrder order) {
    ScsiReply reply;
    for (unsigned times = 0; times < most_times_asked; ++times) {
        ScsiAnswers answers;
        answers.ask(port(), order);
        std::vector<ScsiReply> replies = co_await answers;
        reply = std::move(replies.front());
        if (!may_ask_again(reply.result))
            break;
    }
    co_return reply;
}

} // namespace block
