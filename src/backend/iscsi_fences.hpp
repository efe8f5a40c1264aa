// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "block/request.hpp"
#include "io/fd_watch.hpp"

#include <list>
#include <span>
#include <string>

namespace backend {

/// What becomes of changes that were sent in a session that was lost, and not answered (design D3): they wait
/// until the target can surely not carry them out any more. That is so when
/// - the target was seen to end the former session when its initiator logs in again (RFC 7143, 6.3.5), and
///   has taken such a login at the same portal, or at one for which the same was seen (any other may be of
///   another portal group); or
/// - it has ended the old connection, so that nothing more of it is read, and either the same server has
///   reset the unit afterwards, so that nothing is under way, or nobody listens at the portal any more; or
/// - somebody who can tell says so.
/// Without that they are given back after a time as not fenced; the fence goes on, and tells when it is there
/// after all. The old connection is kept for that, closed in our direction: a target that stood still reads
/// what it was sent, comes to the end, and closes. On the worker only.
class IscsiFences {
public:
    struct Rules {
        base::Duration timeout; ///< from the loss until requests are given back
        bool trust_peer_close;  ///< the second way is open
    };
    /// Not called from inside begin().
    class Owner {
    public:
        /// Waits here no longer.
        virtual void fence_ended(block::Request &request, bool fenced) noexcept = 0;
        /// A login would help now.
        virtual void fence_wants_login() noexcept = 0;
        /// Nothing that was given back as not fenced can be carried out any more.
        virtual void all_fenced() noexcept = 0;

    protected:
        ~Owner() = default;
    };

    IscsiFences(io::Worker &worker, std::string path, Rules rules, Owner &owner) noexcept;
    ~IscsiFences();

    /// Where a session is.
    struct Place {
        std::string portal;
        /// The same text means the same machine: what was configured, or where the target has sent us.
        std::string server;
    };
    /// A session at this place is lost, whose target may have `sent`, which is emptied. `socket` is its
    /// connection, still open and this object's from now on; -1: there is none.
    void begin(int socket, Place place, base::List<block::Request> &sent);
    /// Nobody listens at any of the portals of the target, which these are.
    void nobody_listens(std::span<const std::string> portals) noexcept;
    /// The former sessions with this portal are gone.
    void reinstated(const std::string &portal) noexcept;
    [[nodiscard]] bool any_at(const std::string &portal) const noexcept;
    /// A unit reset by this server would help; it counts for what it was begun for.
    [[nodiscard]] bool wants_reset(const std::string &server) const noexcept;
    void reset_begun(const std::string &server) noexcept;
    void reset_ended(bool well) noexcept;
    /// The same of the command by which a user cuts a server off. Which one; empty: none.
    [[nodiscard]] std::string wants_command() const;
    void command_begun(const std::string &server);
    void command_ended(bool well) noexcept;
    /// Nobody will log in any more: the end of the old connections must do, and that soon.
    void say_farewell() noexcept;

    /// Old sessions that may still do something.
    [[nodiscard]] std::size_t count() const noexcept { return fences_.size(); }
    /// Requests that wait.
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

private:
    struct Fence {
        explicit Fence(IscsiFences &fences) noexcept
            : owner(fences) {}

        IscsiFences &owner;
        io::FdWatch connection;
        Place place;
        base::List<block::Request> waiting;
        base::TimePoint until{};
        bool closed = false;    ///< by the target
        bool resets = false;    ///< the reset that runs is for it, too
        bool had_reset = false; ///< one was tried for it
        bool had_command = false;
        bool given_back = false; ///< its requests were, not fenced

        void readable() noexcept { owner.drain(*this); }
    };
    using Fences = std::list<Fence>;

    void drain(Fence &fence) noexcept;
    void connection_closed(Fence &fence) noexcept;
    void end_closed() noexcept;
    template <typename Over>
    void end_if(Over over) noexcept;
    void give_back(Fence &fence, bool fenced) noexcept;
    void expire() noexcept;
    void tell() noexcept;

    io::Worker &worker_;
    const std::string path_;
    const Rules rules_;
    Owner &owner_;
    Fences fences_; ///< oldest first
    std::size_t waiting_ = 0;
    bool farewell_ = false;
    std::string command_for_; ///< the server that the last command is about
    base::Timer limit_;
    base::Task tell_; ///< after what was given back has been heard of
};

} // namespace backend
