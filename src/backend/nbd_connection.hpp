// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "block/device.hpp"
#include "block/extents.hpp"
#include "io/fd_watch.hpp"
#include "io/under_way.hpp"

#include <string>
#include <string_view>

struct nbd_handle;

namespace backend {

/// What a server offered when it was negotiated with.
struct NbdAbilities {
    bool flush = false;
    bool fua = false;
    bool trim = false;
    bool zero = false;
    bool fast_zero = false;
    bool cache = false;
    bool block_status = false;
};

/// One connection after another to one server, through libnbd: negotiation, commands, answers, the end.
/// Everything odd about libnbd in an event loop is in here. On the worker only.
class NbdConnection {
public:
    /// A command under way. Whoever issues it keeps it until it is answered or the connection is stopped.
    class Command : public base::ListHook {
        friend NbdConnection;
        NbdConnection *connection_ = nullptr;
        int error_ = 0;
        block::Extents *extents_ = nullptr;
        std::uint64_t extents_left_ = 0;
    };
    /// What is to be sent. `data` for reads and writes, `extents` for block status; `flags` are
    /// LIBNBD_CMD_FLAG_*.
    struct Order {
        block::Operation operation;
        std::byte *data;
        std::uint64_t length;
        std::uint64_t offset;
        std::uint32_t flags;
        block::Extents *extents;
    };
    /// Never called from inside start(), issue() or stop(). May call any of them.
    class Owner {
    public:
        virtual void negotiated() noexcept = 0;
        /// `error` is 0 or what the server answered, as errno value.
        virtual void answered(Command &command, int error) noexcept = 0;
        /// Broken, refused or ended by the server: what is under way will not be answered. The owner stops
        /// it.
        virtual void lost(std::string_view why) noexcept = 0;

    protected:
        ~Owner() = default;
    };

    /// `block_status`: to be asked for; it makes reads a little more expensive.
    NbdConnection(io::Worker &worker, Owner &owner, bool block_status) noexcept
        : worker_(worker)
        , owner_(owner)
        , block_status_(block_status)
        , settle_(base::Delegate<>::to<&NbdConnection::settle>(*this))
        , under_way_(worker) {}
    ~NbdConnection();

    /// Takes a connected socket over and negotiates. Failure is told by lost().
    void start(int fd, const std::string &export_name);
    /// The same with a handle that has negotiated already, in another thread. Takes it over.
    void start(nbd_handle *negotiated);
    /// How a handle is made ready for either.
    static void configure(nbd_handle *handle, const std::string &export_name, bool block_status);
    /// libnbd's last error on this thread, without the name of its function, on one line: a server writes
    /// part of it.
    static std::string readable_error();
    /// Closes. Afterwards nothing is libnbd's any more: buffers and commands belong to their owners again.
    void stop() noexcept;

    /// Sends a command, or queues it behind what is being sent. Returns 0, or the errno value with which
    /// libnbd itself refused it: then it is not under way. On a broken connection 0 is returned and lost()
    /// follows.
    int issue(Command &command, const Order &order) noexcept;
    /// Takes the answers that lie in the socket now, at most `limit`, and hands them out at once.
    void take_answers(int limit) noexcept;

    /// Whether anything is under way.
    [[nodiscard]] bool busy() const noexcept { return !under_way_.none(); }
    /// When the last bytes came or went while something was under way, or when that began.
    [[nodiscard]] base::TimePoint heard() const noexcept { return heard_; }
    /// After lost(): it was the server's side that closed the socket, as far as that can be known.
    [[nodiscard]] bool ended_by_peer() const noexcept;

    [[nodiscard]] const NbdAbilities &abilities() const noexcept { return abilities_; }
    [[nodiscard]] const block::Geometry &geometry() const noexcept { return geometry_; }
    /// The export's name and description, as the server tells them; empty when it tells neither.
    [[nodiscard]] const std::string &identity() const noexcept { return identity_; }

private:
    static int on_completion(void *command, int *error) noexcept;
    static int on_extents(void *command, const char *context, std::uint64_t offset, std::uint32_t *entries,
                          std::size_t count, int *error) noexcept;
    void reset();
    bool read_properties();
    void read_identity();
    void settle() noexcept;
    void deliver() noexcept;
    void readable() noexcept;
    void writable() noexcept;
    [[nodiscard]] bool wants(unsigned direction) const noexcept;
    [[nodiscard]] bool has_input() const noexcept;
    [[nodiscard]] bool dead() const noexcept;
    void note_error();

    io::Worker &worker_;
    Owner &owner_;
    const bool block_status_;
    nbd_handle *handle_ = nullptr;
    io::FdWatch watch_;
    base::Task settle_;
    base::List<Command> answered_;
    bool negotiated_ = false;
    bool broken_ = false;
    io::UnderWay under_way_;
    base::TimePoint heard_{};
    std::string error_;
    int error_number_ = 0; ///< of error_, as libnbd knew it
    NbdAbilities abilities_;
    block::Geometry geometry_;
    std::string identity_;
};

} // namespace backend
