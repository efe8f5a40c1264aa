// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_unit_reader.hpp"

#include "wire/big_endian.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace backend {

namespace {
constexpr unsigned most_attempts = 10; // a new session finds several unit attentions waiting
constexpr std::uint8_t caching_page = 0x08;
constexpr std::uint8_t short_length = 252; // for commands whose length has one byte
constexpr std::uint32_t capacity_length = 32;
constexpr std::uint32_t short_capacity_length = 8;
constexpr std::uint8_t illegal_request = 5;
} // namespace

void IscsiUnitReader::begin(IscsiSession &session) noexcept {
    step_ = Step::inquiry;
    attempts_ = 0;
    unit_ = {};
    why_.clear();
    pages_.clear();
    ask(session);
}

unsigned IscsiUnitReader::page_of(Step step) noexcept {
    switch (step) {
    case Step::identification:
        return 0x83;
    case Step::serial:
        return 0x80;
    case Step::limits:
        return 0xb0;
    case Step::characteristics:
        return 0xb1;
    case Step::provisioning:
        return 0xb2;
    default:
        return 0;
    }
}

bool IscsiUnitReader::has_page(unsigned page) const noexcept {
    return pages_.find(static_cast<char>(page)) != std::string::npos;
}

void IscsiUnitReader::ask(IscsiSession &session) noexcept {
    std::byte *data = buffer_.data();
    switch (step_) {
    case Step::inquiry:
        session.issue(*this, scsi::inquiry(false, 0, data, short_length));
        break;
    case Step::capacity:
        session.issue(*this, scsi::read_capacity16(data, capacity_length));
        break;
    case Step::short_capacity:
        session.issue(*this, scsi::read_capacity10(data, short_capacity_length));
        break;
    case Step::caching:
        session.issue(*this, scsi::mode_sense6(caching_page, data, short_length));
        break;
    default:
        session.issue(*this, scsi::inquiry(true, static_cast<std::uint8_t>(page_of(step_)), data,
                                           static_cast<std::uint16_t>(buffer_.size())));
    }
}

IscsiUnitReader::Progress IscsiUnitReader::answered(IscsiSession &session,
                                                    const IscsiSession::Answer &answer) noexcept {
    const block::ScsiResult &result = answer.result;
    const block::Status status = block::classify_scsi(result, block::Operation::read).status;
    const bool is_needed = step_ == Step::inquiry || step_ == Step::capacity || step_ == Step::short_capacity;
    if (status.outcome == block::Outcome::retry && status.retry_delay_ms == 0 &&
        ++attempts_ < most_attempts) {
        ask(session);
        return Progress::asking;
    }
    if (step_ == Step::capacity && result.has_sense && result.key == illegal_request) {
        step_ = Step::short_capacity;
        ask(session);
        return Progress::asking;
    }
    if (status.ok())
        take(ScsiUnit::Bytes(buffer_).first(std::min<std::size_t>(answer.moved, buffer_.size())));
    else if (is_needed || status.outcome == block::Outcome::retry)
        why_ = result.has_sense
                   ? fmt::format("the unit does not tell what it is (sense {:x}/{:02x}/{:02x})", result.key,
                                 result.asc, result.ascq)
                   : fmt::format("the unit does not tell what it is (status {:02x}h)", result.status);
    if (!why_.empty())
        return Progress::failed;
    next();
    if (step_ == Step::end)
        return Progress::done;
    ask(session);
    return Progress::asking;
}

void IscsiUnitReader::next() noexcept {
    attempts_ = 0;
    do
        step_ = static_cast<Step>(static_cast<unsigned>(step_) + 1);
    while (step_ == Step::short_capacity || (page_of(step_) != 0 && !has_page(page_of(step_))));
}

void IscsiUnitReader::take(ScsiUnit::Bytes data) noexcept {
    switch (step_) {
    case Step::inquiry:
        why_ = unit_.take_inquiry(data);
        break;
    case Step::capacity:
        why_ = unit_.take_capacity(data);
        break;
    case Step::short_capacity:
        why_ = unit_.take_short_capacity(data);
        break;
    case Step::pages:
        if (data.size() > 4) {
            const std::size_t count =
                std::min<std::size_t>(wire::load<std::uint16_t>(data.data() + 2), data.size() - 4);
            pages_.assign(reinterpret_cast<const char *>(data.data() + 4), count);
        }
        break;
    case Step::identification:
        unit_.take_identification(data);
        break;
    case Step::serial:
        unit_.take_serial(data);
        break;
    case Step::limits:
        unit_.take_limits(data);
        break;
    case Step::characteristics:
        unit_.take_characteristics(data);
        break;
    case Step::provisioning:
        unit_.take_provisioning(data);
        break;
    case Step::caching:
        unit_.take_caching(data);
        break;
    case Step::end:
        break;
    }
}

} // namespace backend
