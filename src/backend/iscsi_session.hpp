// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "backend/scsi_command.hpp"
#include "base/list.hpp"
#include "base/scheduler.hpp"
#include "block/scsi_status.hpp"
#include "io/answer_groups.hpp"
#include "io/fd_watch.hpp"
#include "io/under_way.hpp"

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <string>
#include <string_view>
#include <vector>

namespace backend {

/// With whom and as whom a session is made.
struct IscsiLogin {
    std::string initiator;
    std::string target;
    int lun = 0;
    std::string user; ///< CHAP; empty: none
    std::string secret;
    std::string target_user; ///< mutual CHAP; empty: none
    std::string target_secret;
    bool header_digest = false;
    /// Which of our sessions it is: who logs in again with the same one takes the place of the old session.
    std::uint32_t session_id = 0;
    std::uint16_t session_qualifier = 0;
};

/// One session after another with one target, through libiscsi: login, commands to one unit, answers, the
/// end. Everything odd about libiscsi in an event loop is in here. On the worker only.
class IscsiSession {
public:
    struct Answer {
        block::ScsiResult result;
        std::uint32_t moved = 0; ///< bytes of data that really came or were taken
    };
    /// A command under way. Whoever issues it keeps it until it is answered or the session is stopped.
    class Command : public base::ListHook {
        friend IscsiSession;

    public:
        enum class Kind : std::uint8_t { own, request, order };
        explicit Command(Kind kind) noexcept
            : kind_(kind) {}
        [[nodiscard]] Kind kind() const noexcept { return kind_; }
        /// Of an order only: what the unit said of its refusal.
        std::vector<std::byte> sense;

    private:
        const Kind kind_;
        IscsiSession *session_ = nullptr;
        scsi_task *task_ = nullptr;
        scsi_iovec data_{};
        std::uint32_t answer_bytes_ = 0; ///< expected
        bool urgent_ = false;
        Answer answer_;
    };
    /// Never called from inside start(), issue(), ping() or stop(), nor by libiscsi. May call any of them.
    class Owner {
    public:
        virtual void logged_in() noexcept = 0;
        virtual void answered(Command &command, const Answer &answer) noexcept = 0;
        /// Broken, refused or ended by the target: what is under way will not be answered. The owner stops
        /// it.
        virtual void lost(std::string_view why) noexcept = 0;
        /// The end of reset_unit(). `well`: the target says that nothing is under way any more.
        virtual void unit_was_reset(bool /*well*/) noexcept {}

    protected:
        ~Owner() = default;
    };

    IscsiSession(io::Worker &worker, Owner &owner) noexcept;
    IscsiSession(const IscsiSession &) = delete;
    IscsiSession &operator=(const IscsiSession &) = delete;
    ~IscsiSession();

    /// `portal`: a numeric address and port.
    void start(const std::string &portal, const IscsiLogin &login);
    /// Ends the session, politely when nothing is under way; nothing more is heard of it, and what is under
    /// way is forgotten here. Its data is not touched any more.
    void stop() noexcept { close_connection(stop_keeping_connection()); }
    /// The same, but the connection stays open and is the caller's; -1: there is none.
    [[nodiscard]] int stop_keeping_connection() noexcept;

    /// Queues the command; it is sent at the end of the turn, with all of it.
    void issue(Command &command, const ScsiCommand &what) noexcept;
    /// LOGICAL UNIT RESET: ends what anybody has under way there. Not while commands are.
    void reset_unit() noexcept;
    /// Asks the target for a sign of life: heard() tells.
    void ping() noexcept;
    /// Takes the answers that lie in the socket now and hands them out.
    void take_answers() noexcept;

    /// Whether commands are under way.
    [[nodiscard]] bool busy() const noexcept { return !under_way_.none(); }
    /// Where the target sends us, when that is why the login was lost; empty: it is not. Until stop().
    [[nodiscard]] const std::string &redirect() const noexcept { return redirect_; }
    /// When bytes last came or went, or commands began to be under way.
    [[nodiscard]] base::TimePoint heard() const noexcept { return heard_; }

private:
    static void on_connected(iscsi_context *, int status, void *, void *session) noexcept;
    static void on_logged_in(iscsi_context *, int status, void *, void *session) noexcept;
    static void close_connection(int connection) noexcept;
    static void on_reset(iscsi_context *, int status, void *response, void *session) noexcept;
    static void on_pong(iscsi_context *, int status, void *, void *session) noexcept;
    static void on_answer(iscsi_context *, int status, void *, void *command) noexcept;
    static void on_logged_out(iscsi_context *, int status, void *, void *session) noexcept;
    static Answer read_answer(int status, const scsi_task &task) noexcept;
    static std::vector<std::byte> read_sense(const scsi_task &task);
    void configure(const IscsiLogin &login) noexcept;
    void readable() noexcept;
    void writable() noexcept;
    void flush() noexcept;
    void service(int events) noexcept;
    void send() noexcept;
    void set_cork(int on) noexcept;
    void settle() noexcept;
    void release_early() noexcept;
    void deliver() noexcept;
    void break_off() noexcept;
    [[nodiscard]] bool usable() const noexcept { return context_ != nullptr && !broken_; }

    enum class Reset : std::uint8_t { none, refused, done };
    enum class Stage : std::uint8_t { connecting, connected, logging_in, logged_in, ready };

    io::Worker &worker_;
    Owner &owner_;
    iscsi_context *context_ = nullptr;
    io::FdWatch watch_;
    io::AnswerGroups groups_;
    int fd_ = -1; ///< libiscsi's own
    int lun_ = 0;
    base::Task settle_;
    base::Task flush_;
    base::List<Command> answered_;
    base::List<Command> early_;          ///< refused writes, of whose data something may still be queued
    std::vector<scsi_task *> cancelled_; ///< to be freed after the context only
    Stage stage_ = Stage::connecting;
    Reset reset_ = Reset::none; ///< answered, and not told yet
    bool broken_ = false;
    bool stopping_ = false;
    io::UnderWay under_way_;
    base::TimePoint heard_{};
    std::string error_;
    std::string redirect_;
};

} // namespace backend
