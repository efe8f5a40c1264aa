// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace base {
class Error;
}

namespace command {

/// Where the lines of a reply go: the admin session. None of these calls back into the command.
class Reply {
public:
    /// One line, without its end.
    virtual void line(std::string_view text) = 0;
    /// The end line was given: the next command may start. The caller is still on the stack.
    virtual void finished() = 0;
    /// Closes the session once this command's reply is sent.
    virtual void hang_up() = 0;

protected:
    ~Reply() = default;
};

/// One command that is being answered: its words and where the reply goes. Made by the session; control loop
/// only. Data lines, then exactly one ok() or fail(), at once or later; a call that has ended or was
/// cancelled swallows everything, so whoever answers late need not ask.
class Call {
public:
    /// What a command that waits for something keeps until its call ends: a subscription, a step of its own.
    /// Its destructor withdraws whatever would call it back.
    class Waiting {
    public:
        virtual ~Waiting() = default;
    };

    /// `words` has at least one, the command's name. `reply` outlives the call or cancels it first.
    Call(std::vector<std::string> words, std::string peer, Reply &reply);

    [[nodiscard]] const std::string &name() const noexcept { return words_.front(); }
    /// The words after the name.
    [[nodiscard]] std::span<const std::string> arguments() const noexcept {
        return std::span(words_).subspan(1);
    }
    /// Who asks, for the log.
    [[nodiscard]] const std::string &peer() const noexcept { return peer_; }

    /// A data line. Control characters become blanks, and what would look like an end line is moved by one
    /// blank.
    void line(std::string_view text);
    void ok();
    void fail(int code, std::string_view text);
    void fail(const base::Error &error);
    void hang_up();

    /// False once it has ended or was cancelled.
    [[nodiscard]] bool open() const noexcept { return reply_ != nullptr; }
    /// Whether it waits for something that may never happen.
    [[nodiscard]] bool waiting() const noexcept { return waiting_ != nullptr && open(); }
    /// Makes the call a waiting one. `waiting` may refer to the call and lives until the call is cancelled or
    /// destroyed, thus longer than the end of the reply.
    void keep(std::unique_ptr<Waiting> waiting) { waiting_ = std::move(waiting); }
    /// The session is closed: nobody hears the reply. Not from inside the call's own handler.
    void cancel() noexcept;

    /// Has the command and its end written to the log, for commands that change something.
    void log_end() noexcept { logged_ = true; }

private:
    void end(const std::string &text);
    void write_log(std::string_view result) const;

    std::vector<std::string> words_;
    std::string peer_;
    Reply *reply_;
    std::unique_ptr<Waiting> waiting_;
    bool logged_ = false;
};

/// Shared: the session has it, and so has a step that is away on a map's worker while the session closes.
/// The last one lets go on the control loop.
using CallPointer = std::shared_ptr<Call>;

} // namespace command
