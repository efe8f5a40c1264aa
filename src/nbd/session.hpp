// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/scheduler.hpp"
#include "nbd/channel.hpp"
#include "nbd/reply_writer.hpp"
#include "nbd/request_stream.hpp"
#include "nbd/session_home.hpp"
#include "nbd/traffic.hpp"
#include "nbd/validation.hpp"

namespace nbd {

/// One client in the transmission phase: requests in, to the device, replies out. Lives on the export's home
/// worker, owned by ExportSessions, which is told by ended() when the last request is back and the socket
/// closed. Reads at most a few blocks a turn and stops reading at its limits; it never answers an error for
/// want of room. Hot path.
class Session final : public base::ListHook, public block::Layer {
public:
    /// `loss_epoch`: the device's generation as the client connects.
    Session(ExportSessions &owner, Connection connection, std::uint64_t loss_epoch);
    ~Session();

    void start();
    /// Answers ESHUTDOWN to what is new, lets finish what is in flight, then ends: not before it had nothing
    /// to do for SessionLimits::farewell, so that a client which was sending hears why.
    void shut_down() noexcept;
    /// Ends now: the socket is closed, only what a device still holds is waited for.
    void hang_up(std::string_view why) noexcept;

    /// Another client is about to come in. If this one is not there any more it ends now, as if its last
    /// event had come already; one that only closed its sending side is answered no request that was not
    /// begun.
    void give_way() noexcept;

    void completed(block::Request &request, block::Status status) noexcept override;
    [[nodiscard]] bool abandoned() const noexcept override { return gone_; }

    [[nodiscard]] const Client &client() const noexcept { return connection_.client; }
    [[nodiscard]] const Traffic &traffic() const noexcept { return traffic_; }
    /// Requests whose reply has not left completely.
    [[nodiscard]] std::size_t in_flight() const noexcept { return requests_; }
    [[nodiscard]] base::TimePoint begin() const noexcept { return begin_; }

private:
    enum class State {
        serving,
        finishing, ///< takes no request any more; answers what it has
        lingering, ///< all is answered and our side shut; waits for the peer's end, shortly
        closed,    ///< only what is in flight keeps the object alive
    };

    // Reading.
    void read() noexcept;
    void readable() noexcept;
    void go_on() noexcept;
    void take_requests(std::size_t bytes_to_leave) noexcept;
    void take_rest() noexcept;
    void wait_for_more() noexcept;
    void read_on() noexcept;
    void finish_payload() noexcept;
    bool take(const wire::RequestHeader &header) noexcept;
    bool admit(const wire::RequestHeader &header) noexcept;
    [[nodiscard]] std::byte *take_buffer(std::size_t size) noexcept;
    [[nodiscard]] static std::size_t buffer_size(const wire::RequestHeader &header) noexcept;
    void refuse(const wire::RequestHeader &header, Refusal refusal) noexcept;
    void end_of_stream() noexcept;
    void discard_input() noexcept;
    [[nodiscard]] bool has_room() const noexcept;
    void memory_is_back() noexcept;

    // Answering.
    void begin(SessionRequest &request) noexcept;
    Refusal read_context_list(SessionRequest &request) const noexcept;
    void submit(SessionRequest &request) noexcept;
    void reply(SessionRequest &request, Refusal refusal = {}) noexcept;
    void flush() noexcept;
    void release(base::List<SessionRequest> &requests) noexcept;
    void release(SessionRequest &request) noexcept;

    // Ending.
    void finish() noexcept;
    void leave_if_idle() noexcept;
    void farewell_is_over() noexcept;
    void drop_held() noexcept;
    void linger() noexcept;
    void close() noexcept;
    void watch_dog() noexcept;
    void expect_progress() noexcept;
    void look_for_the_peer() noexcept;

    ExportSessions &owner_;
    Connection connection_;
    const block::Geometry geometry_;
    const Agreement agreement_;
    const std::uint64_t loss_epoch_;
    const base::TimePoint begin_;
    Channel channel_;
    RequestStream input_;
    ReplyWriter output_;
    State state_ = State::serving;
    bool shutting_down_ = false;
    bool farewell_over_ = false;  ///< while shutting down: ends as soon as it is idle
    bool gone_ = false;           ///< nobody reads the answers: nothing is to wait or to be sent again
    bool paused_ = false;         ///< a complete request waits in input_ for room
    bool offers_pipes_ = true;    ///< until the device does not take one
    bool output_blocked_ = false; ///< until the socket takes more
    unsigned receives_in_a_row_ = 0;
    std::size_t requests_ = 0; ///< from header to the last byte of the reply
    std::size_t in_device_ = 0;
    Traffic traffic_;
    std::size_t held_bytes_ = 0;          ///< of all its requests' buffers
    std::size_t owed_bytes_ = 0;          ///< of reads and extents, from header to the last byte of the reply
    SessionRequest *receiving_ = nullptr; ///< its payload is coming in
    SessionRequest *refused_ = nullptr;   ///< its payload is being dropped
    Refusal refusal_;
    base::TimePoint last_input_{};
    base::TimePoint last_output_{};
    base::Task read_task_;
    base::Task rest_task_;
    base::Task flush_task_;
    base::Task memory_task_;
    base::Timer timer_;    ///< stalls, a peer lost while paused, lingering
    base::Timer farewell_; ///< during our shutdown
};

} // namespace nbd
