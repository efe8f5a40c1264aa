// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "block/device.hpp"
#include "nbd/agreement.hpp"
#include "nbd/export_policy.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nbd {

class SessionHome;

/// What a client is told about an export: a snapshot, never changed once made. A session keeps the one it was
/// negotiated with for its whole life, whatever becomes of the paths.
struct ExportInfo {
    std::string name; ///< the canonical one, not the alias a client asked for
    std::string description{};
    block::Geometry geometry{};
    ExportPolicy policy{};
    bool ready = true;
    std::string why_not{}; ///< when not ready: told to the client
    /// Where its sessions live; may be null only while not ready. Shared: snapshots outlive a reload.
    std::shared_ptr<SessionHome> home{};
};

/// The exports as the daemon knows them. Called on the control worker only.
class Exports {
public:
    /// What LIST shows, in order.
    [[nodiscard]] virtual std::vector<std::shared_ptr<const ExportInfo>> list() const = 0;
    /// Null when there is none of that name. The empty name is the default export.
    [[nodiscard]] virtual std::shared_ptr<const ExportInfo> find(std::string_view name) const = 0;

protected:
    ~Exports() = default;
};

/// The client of a negotiation, whom an export may be closed to. Called on the control worker only.
class Visitor {
public:
    /// Whether the export is for it at all, full or not.
    [[nodiscard]] virtual bool may_open(const ExportInfo &info) const = 0;
    /// Takes one of the export's places, or says why there is none. A place that is just being left may take
    /// a moment: then `wait` is set, and it is to be asked again.
    [[nodiscard]] virtual std::string_view enter(const ExportInfo &info, bool &wait) = 0;

protected:
    ~Visitor() = default;
};

/// The flags of the transmission phase; equal on all connections of an export that agreed upon the same.
[[nodiscard]] std::uint16_t transmission_flags(const block::Geometry &geometry,
                                               const Agreement &agreement) noexcept;

} // namespace nbd
