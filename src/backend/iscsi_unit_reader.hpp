// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/iscsi_session.hpp"
#include "backend/scsi_unit.hpp"

#include <array>
#include <string>

namespace backend {

/// Asks a unit, after login, what it is: one command after another, always the same Command.
class IscsiUnitReader : public IscsiSession::Command {
public:
    enum class Progress : std::uint8_t { asking, done, failed };

    IscsiUnitReader() noexcept
        : Command(Kind::own) {}

    void begin(IscsiSession &session) noexcept;
    Progress answered(IscsiSession &session, const IscsiSession::Answer &answer) noexcept;

    /// After `done`.
    [[nodiscard]] const ScsiUnit &unit() const noexcept { return unit_; }
    /// After `failed`.
    [[nodiscard]] const std::string &why() const noexcept { return why_; }

private:
    enum class Step : std::uint8_t {
        inquiry,
        capacity,
        short_capacity, ///< where the unit does not know the other
        pages,
        identification,
        serial,
        limits,
        characteristics,
        provisioning,
        caching,
        end
    };

    void ask(IscsiSession &session) noexcept;
    void take(ScsiUnit::Bytes data) noexcept;
    void next() noexcept;
    [[nodiscard]] static unsigned page_of(Step step) noexcept;
    [[nodiscard]] bool has_page(unsigned page) const noexcept;

    Step step_ = Step::inquiry;
    unsigned attempts_ = 0;
    ScsiUnit unit_;
    std::string why_;
    std::string pages_; ///< the vital pages there are, a byte each
    std::array<std::byte, 512> buffer_{};
};

} // namespace backend
