// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/delegate.hpp"
#include "nbd/client.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace io {
class Worker;
}

namespace nbd {

struct ExportInfo;

/// Counts the connections of a server, in all and of each export, whichever worker they are on. Everything
/// but the end of a slot happens on the control worker. Shared: slots may outlive the server; the control
/// worker outlives them all.
class ConnectionLimit : public std::enable_shared_from_this<ConnectionLimit> {
public:
    /// The place of one connection, freed where it ends. Any worker.
    class Slot {
    public:
        Slot() = default;
        Slot(Slot &&) = default;
        Slot &operator=(Slot &&) = delete;
        ~Slot();

    private:
        friend class ConnectionLimit;
        explicit Slot(std::shared_ptr<ConnectionLimit> limit) noexcept
            : limit_(std::move(limit)) {}
        std::shared_ptr<ConnectionLimit> limit_;
        std::string export_name_;
        Client client_; ///< as which it is counted in that export
        bool entered_ = false;
    };

    /// `freed` is called whenever a slot has become free.
    ConnectionLimit(io::Worker &control, std::size_t most, base::Delegate<> freed) noexcept
        : control_(control)
        , most_(most)
        , freed_(freed) {}

    [[nodiscard]] bool full() const noexcept { return used_ >= most_; }
    [[nodiscard]] std::size_t used() const noexcept { return used_; }
    /// Not when full().
    [[nodiscard]] Slot take();
    /// Counts the connection in an export too, once. Why it cannot be; empty: it is.
    [[nodiscard]] std::string_view enter(Slot &slot, const ExportInfo &info, const Client &client);
    /// The server ends: nobody is told of slots any more.
    void forget_server() noexcept { freed_ = {}; }

private:
    void leave(const std::string &export_name, const Client &client) noexcept;
    void release() noexcept;

    io::Worker &control_;
    std::size_t most_;
    std::size_t used_ = 0;
    std::map<std::string, std::vector<Client>, std::less<>> inside_; ///< by export
    base::Delegate<> freed_;
};

} // namespace nbd
