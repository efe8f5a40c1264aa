// SPDX-License-Identifier: BSD-3-Clause
#include "block/scsi_text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace block {

namespace {
constexpr std::size_t bytes_of_a_line = 32;
}

std::string_view scsi_status_name(int status) noexcept {
    switch (status) {
    case 0x00:
        return "GOOD";
    case 0x02:
        return "CHECK CONDITION";
    case 0x04:
        return "CONDITION MET";
    case 0x08:
        return "BUSY";
    case 0x18:
        return "RESERVATION CONFLICT";
    case 0x28:
        return "TASK SET FULL";
    case 0x30:
        return "ACA ACTIVE";
    case 0x40:
        return "TASK ABORTED";
    default:
        return "unknown";
    }
}

std::string_view sense_key_name(unsigned key) noexcept {
    constexpr std::string_view names[] = {
        "NO SENSE",       "RECOVERED ERROR", "NOT READY",      "MEDIUM ERROR",
        "HARDWARE ERROR", "ILLEGAL REQUEST", "UNIT ATTENTION", "DATA PROTECT",
        "BLANK CHECK",    "VENDOR SPECIFIC", "COPY ABORTED",   "ABORTED COMMAND",
        "unknown",        "VOLUME OVERFLOW", "MISCOMPARE",     "COMPLETED"};
    return names[std::min<std::size_t>(key, 0xf)];
}

std::string scsi_end_text(const ScsiResult &result) {
    if (result.status == ScsiReply::not_sent)
        return "the path is down";
    if (result.status == ScsiReply::lost)
        return "the path was lost meanwhile";
    if (result.status == ScsiReply::overdue)
        return "no answer";
    if (result.status == 0x02 && result.has_sense)
        return fmt::format("{} ({:x}/{:02x}/{:02x})", sense_key_name(result.key), result.key, result.asc,
                           result.ascq);
    const std::string_view name = scsi_status_name(result.status);
    return name == "unknown" ? fmt::format("status 0x{:02x}", result.status) : std::string(name);
}

std::string hexadecimal(std::span<const std::byte> bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte each : bytes)
        fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(each));
    return text;
}

std::string printable(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte each : bytes) {
        const auto character = std::to_integer<char>(each);
        text += character > ' ' && character <= '~' ? character : ' ';
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text.erase(0, text.find_first_not_of(' '));
    return text;
}

std::vector<std::string> scsi_reply_lines(const ScsiReply &reply) {
    const ScsiResult &result = reply.result;
    std::vector<std::string> lines;
    lines.push_back(fmt::format("status: 0x{:02x} {}", result.status, scsi_status_name(result.status)));
    if (!reply.sense.empty())
        lines.push_back("sense: " + hexadecimal(reply.sense));
    if (result.has_sense) {
        lines.push_back(fmt::format("sense key: 0x{:x} {}", result.key, sense_key_name(result.key)));
        lines.push_back(fmt::format("asc: 0x{:02x}", result.asc));
        lines.push_back(fmt::format("ascq: 0x{:02x}", result.ascq));
        if (result.deferred)
            lines.push_back("deferred: yes");
    }
    lines.push_back(fmt::format("length: {}", reply.data.size()));
    for (std::size_t at = 0; at < reply.data.size(); at += bytes_of_a_line)
        lines.push_back(
            "data: " +
            hexadecimal(
                std::span(reply.data).subspan(at, std::min(bytes_of_a_line, reply.data.size() - at))));
    return lines;
}

} // namespace block
