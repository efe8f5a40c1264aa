// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/agreement.hpp"
#include "nbd/exports.hpp"
#include "nbd/tls_mode.hpp"
#include "wire/protocol.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace nbd {

class OptionReplies;

/// The server's side of the fixed newstyle handshake, without I/O: bytes in, bytes out, a verdict. Takes
/// anything a peer may send; stores at most 256 KiB of it, and only what has come, whatever lengths the peer
/// claims. Used by a Negotiation, on the control worker.
class Handshake {
public:
    enum class Verdict {
        more,         ///< send what is in `out`, then give more bytes
        start_tls,    ///< send what is in `out`, do TLS's own handshake, then tls_is_up()
        wait,         ///< call again() in a moment, before any more bytes
        transmission, ///< send what is in `out`, then a session goes on with result()
        hang_up,      ///< send what is in `out`, then close
    };

    /// How transmission begins.
    struct Result {
        std::shared_ptr<const ExportInfo> info; ///< shared: the session on another worker keeps it
        Agreement agreement;
    };

    Handshake(const Exports &exports, Visitor &visitor, TlsMode tls = TlsMode::off) noexcept
        : exports_(exports)
        , visitor_(visitor)
        , tls_(tls) {}

    /// Says hello: to be sent before anything is received.
    void greet(std::vector<std::byte> &out) const;
    /// How many bytes to receive at most: so none of the transmission phase, or of TLS, is swallowed.
    [[nodiscard]] std::size_t wanted() const noexcept;
    /// Takes at most wanted() bytes.
    Verdict receive(std::span<const std::byte> bytes, std::vector<std::byte> &out);
    /// After Verdict::wait.
    Verdict again(std::vector<std::byte> &out) { return answer(out); }
    /// Nothing of what was said in plain text counts any more.
    void tls_is_up() noexcept;
    /// From now on options are answered ERR_SHUTDOWN.
    void shut_down() noexcept { shutting_down_ = true; }

    [[nodiscard]] const Result &result() const noexcept { return result_; }

private:
    enum class State { client_flags, option_header, option_data, skipped_data };
    static constexpr std::size_t most_stored = std::size_t{256} << 10; ///< of an option's data
    struct InfoRequest;

    void expect(State state, std::size_t bytes);
    Verdict take_client_flags();
    Verdict take_option_header(std::vector<std::byte> &out);
    /// The option is complete; stored_ holds its data when it is one whose data is stored.
    Verdict answer(std::vector<std::byte> &out);
    Verdict choose(std::vector<std::byte> &out);
    Verdict start_tls(OptionReplies &replies);
    Verdict export_name(OptionReplies &replies);
    void raise_dialect(OptionReplies &replies, wire::Dialect dialect);
    void meta_context(OptionReplies &replies);
    [[nodiscard]] Agreement agreement_for(const ExportInfo &info) const;
    void list(OptionReplies &replies);
    Verdict info(OptionReplies &replies);
    void describe(OptionReplies &replies, const InfoRequest &request, const ExportInfo &info) const;
    bool parse_info(InfoRequest &request) const;
    std::shared_ptr<const ExportInfo> look_up(std::string_view name);
    std::shared_ptr<const ExportInfo> look_up_ready(std::string_view name, OptionReplies &replies);
    [[nodiscard]] bool lacks_tls(const ExportInfo *info) const;

    const Exports &exports_;
    Visitor &visitor_;
    const TlsMode tls_;
    bool tls_up_ = false;
    State state_ = State::client_flags;
    std::vector<std::byte> stored_;
    std::size_t needed_ = 4; ///< bytes the present state still lacks
    wire::Option option_{};
    std::size_t data_length_ = 0;
    std::size_t options_ = 0;
    std::size_t listed_ = 0;
    bool fixed_ = false;
    bool zeroes_ = true;
    bool shutting_down_ = false;
    // GO right after INFO must answer the same, whatever happened in between.
    std::shared_ptr<const ExportInfo> last_info_;
    std::string last_name_;
    Agreement agreement_;                      ///< so far
    std::optional<std::string> allocation_of_; ///< the export whose base:allocation is selected
    Result result_;
};

} // namespace nbd
