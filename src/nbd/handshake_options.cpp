// SPDX-License-Identifier: BSD-3-Clause
// What each option asks for, once it is here completely.
#include "nbd/handshake.hpp"

#include "nbd/export_name.hpp"
#include "nbd/meta_query.hpp"
#include "nbd/option_replies.hpp"
#include "wire/big_endian.hpp"

#include <algorithm>

namespace nbd {

using wire::Option;
using wire::OptionReply;

namespace {

std::string_view as_text(const std::byte *bytes, std::size_t length) noexcept {
    return {reinterpret_cast<const char *>(bytes), length};
}

} // namespace

/// INFO's and GO's data. Repeated and unknown information types count once, or not at all.
struct Handshake::InfoRequest {
    std::string_view name;
    bool canonical_name = false;
    bool description = false;
    bool block_size = false;
};

Handshake::Verdict Handshake::start_tls(OptionReplies &replies) {
    if (data_length_ != 0)
        replies.error(option_, OptionReply::invalid, "STARTTLS takes no data");
    else if (tls_ == TlsMode::off)
        replies.error(option_, OptionReply::policy, "TLS is not offered here");
    else if (tls_up_)
        replies.error(option_, OptionReply::invalid, "TLS is up already");
    else
        replies.ack(option_);
    return data_length_ == 0 && tls_ != TlsMode::off && !tls_up_ ? Verdict::start_tls : Verdict::more;
}

void Handshake::tls_is_up() noexcept {
    tls_up_ = true;
    agreement_ = {};
    allocation_of_.reset();
    last_info_.reset();
}

// Before TLS nobody learns of an export that needs it, not even whether it exists.
bool Handshake::lacks_tls(const ExportInfo *info) const {
    if (tls_up_)
        return false;
    if (info != nullptr)
        return info->policy.tls_only;
    return tls_ == TlsMode::allow &&
           std::ranges::any_of(exports_.list(), [](const auto &each) { return each->policy.tls_only; });
}

Handshake::Verdict Handshake::export_name(OptionReplies &replies) {
    // This option has no error reply: whatever is wrong ends the connection without a byte.
    const std::string_view name = as_text(stored_.data(), stored_.size());
    const bool lacks_required_tls = tls_ == TlsMode::require && !tls_up_;
    if (shutting_down_ || !is_export_name(name) || lacks_required_tls ||
        agreement_.dialect == wire::Dialect::extended)
        return Verdict::hang_up;
    std::shared_ptr<const ExportInfo> found = exports_.find(name);
    if (found == nullptr || lacks_tls(found.get()) || !found->ready || !visitor_.may_open(*found))
        return Verdict::hang_up;
    bool wait = false;
    if (!visitor_.enter(*found, wait).empty())
        return wait ? Verdict::wait : Verdict::hang_up;
    const Agreement agreement = agreement_for(*found);
    replies.export_name(*found, transmission_flags(found->geometry, agreement), zeroes_);
    result_ = {std::move(found), agreement};
    return Verdict::transmission;
}

// STRUCTURED_REPLY and EXTENDED_HEADERS.
void Handshake::raise_dialect(OptionReplies &replies, wire::Dialect dialect) {
    if (data_length_ != 0) {
        replies.error(option_, OptionReply::invalid, "this option takes no data");
    } else if (agreement_.dialect > dialect) {
        replies.error(option_, OptionReply::extended_header_required,
                      "extended headers are agreed upon already");
    } else {
        agreement_.dialect = dialect;
        replies.ack(option_);
    }
}

void Handshake::meta_context(OptionReplies &replies) {
    const bool selecting = option_ == Option::set_meta_context;
    if (selecting)
        allocation_of_.reset(); // also when this one fails
    if (data_length_ > most_stored) {
        replies.error(option_, OptionReply::too_big, "more than 256 KiB of option data");
        return;
    }
    if (agreement_.dialect == wire::Dialect::simple) {
        replies.error(option_, OptionReply::invalid, "structured replies come first");
        return;
    }
    const std::optional<MetaQuery> query = parse_meta_query(stored_);
    if (!query) {
        replies.error(option_, OptionReply::invalid, "malformed metadata query");
        return;
    }
    const std::shared_ptr<const ExportInfo> found = look_up_ready(query->export_name, replies);
    if (found == nullptr)
        return;
    const bool listed = !selecting && (query->empty || query->wildcard);
    if (query->allocation || listed)
        replies.meta_context(option_, selecting ? allocation_context_id : 0, allocation_context);
    if (query->allocation && selecting)
        allocation_of_ = found->name;
    replies.ack(option_);
}

Agreement Handshake::agreement_for(const ExportInfo &info) const {
    Agreement agreement = agreement_;
    agreement.allocation = allocation_of_ == info.name;
    return agreement;
}

void Handshake::list(OptionReplies &replies) {
    if (data_length_ != 0) {
        replies.error(option_, OptionReply::invalid, "LIST takes no data");
        return;
    }
    const auto all = exports_.list();
    for (const auto &info : all)
        if (info->policy.listed && !lacks_tls(info.get()) && visitor_.may_open(*info))
            replies.server(*info);
    replies.ack(option_);
    listed_ = std::max(listed_, all.size());
}

Handshake::Verdict Handshake::info(OptionReplies &replies) {
    if (data_length_ > most_stored) {
        replies.error(option_, OptionReply::too_big, "more than 256 KiB of option data");
        return Verdict::more;
    }
    InfoRequest request;
    if (!parse_info(request)) {
        replies.error(option_, OptionReply::invalid, "malformed export request");
        return Verdict::more;
    }
    const std::shared_ptr<const ExportInfo> found = look_up_ready(request.name, replies);
    if (found == nullptr)
        return Verdict::more;
    bool wait = false;
    const std::string_view full = option_ == Option::go ? visitor_.enter(*found, wait) : std::string_view();
    if (wait)
        return Verdict::wait;
    if (!full.empty()) {
        replies.error(option_, OptionReply::policy, full);
        return Verdict::more;
    }
    describe(replies, request, *found);
    replies.ack(option_);
    if (option_ != Option::go)
        return Verdict::more;
    agreement_.block_sizes = request.block_size;
    result_ = {found, agreement_for(*found)};
    return Verdict::transmission;
}

void Handshake::describe(OptionReplies &replies, const InfoRequest &request, const ExportInfo &info) const {
    replies.export_size(option_, info, transmission_flags(info.geometry, agreement_for(info)));
    if (request.canonical_name)
        replies.text(option_, wire::Information::name, info.name);
    if (request.description && !info.description.empty())
        replies.text(option_, wire::Information::description, info.description);
    if (request.block_size)
        replies.block_sizes(option_, info);
}

bool Handshake::parse_info(InfoRequest &request) const {
    const std::size_t size = stored_.size();
    if (size < 6)
        return false;
    const std::size_t name_length = wire::load<std::uint32_t>(stored_.data());
    if (name_length > size - 6)
        return false;
    request.name = as_text(stored_.data() + 4, name_length);
    const std::byte *at = stored_.data() + 4 + name_length;
    const std::size_t count = wire::load<std::uint16_t>(at);
    if (size - 6 - name_length != 2 * count || !is_export_name(request.name))
        return false;
    at += 2;
    for (std::size_t i = 0; i < count; ++i, at += 2) {
        const auto type = static_cast<wire::Information>(wire::load<std::uint16_t>(at));
        request.canonical_name |= type == wire::Information::name;
        request.description |= type == wire::Information::description;
        request.block_size |= type == wire::Information::block_size;
    }
    return true;
}

// Null when the client was told why it cannot have it.
std::shared_ptr<const ExportInfo> Handshake::look_up_ready(std::string_view name, OptionReplies &replies) {
    std::shared_ptr<const ExportInfo> found = look_up(name);
    if (lacks_tls(found.get()) && tls_ == TlsMode::allow)
        replies.error(option_, OptionReply::tls_required, "the export requires TLS");
    else if (found == nullptr || lacks_tls(found.get()))
        replies.error(option_, OptionReply::unknown, "no such export");
    else if (!visitor_.may_open(*found))
        replies.error(option_, OptionReply::policy, "the export is not for this client");
    else if (!found->ready)
        // "The requested export is not available" is this error's meaning, and qemu shows the text with it.
        replies.error(option_, OptionReply::unknown, found->why_not);
    else
        return found;
    return nullptr;
}

std::shared_ptr<const ExportInfo> Handshake::look_up(std::string_view name) {
    if (last_info_ == nullptr || last_name_ != name) {
        last_info_ = exports_.find(name);
        last_name_ = name;
    }
    return last_info_;
}

} // namespace nbd
