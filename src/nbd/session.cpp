// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/session.hpp"

#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"
#include "nbd/meta_query.hpp"
#include "wire/big_endian.hpp"

#include <cassert>
#include <utility>

namespace nbd {

namespace {
// Eight requests without a payload. Splitting fewer costs more system calls than it gains.
constexpr std::size_t smallest_half = 8 * wire::request_size;
// Of a read's data: small enough for other replies to pass in between.
constexpr std::size_t largest_chunk = std::size_t{256} << 10;
constexpr std::size_t most_extents = 4096;
constexpr std::size_t modest_size = std::size_t{64} << 10;
// As much as the processor's nearer caches hold.
constexpr std::size_t most_read_at_once = std::size_t{256} << 10;
// So that the replies to several large writes leave together, and wake the client once.
constexpr unsigned receives_per_turn = 4;
} // namespace

Session::Session(ExportSessions &owner, Connection connection, std::uint64_t loss_epoch)
    : owner_(owner)
    , connection_(std::move(connection))
    , geometry_(connection_.negotiated.info->geometry)
    , agreement_(connection_.negotiated.agreement)
    , loss_epoch_(loss_epoch)
    , begin_(owner.worker().now())
    , channel_(owner.worker(), std::move(connection_.link))
    , input_(owner.blocks(), wire::request_size_of(agreement_.dialect))
    , output_({agreement_.dialect, std::min(largest_chunk, std::size_t{geometry_.maximum_payload})})
    , read_task_(base::Delegate<>::to<&Session::readable>(*this))
    , rest_task_(base::Delegate<>::to<&Session::take_rest>(*this))
    , flush_task_(base::Delegate<>::to<&Session::flush>(*this))
    , memory_task_(base::Delegate<>::to<&Session::memory_is_back>(*this))
    , timer_(owner.worker(), base::Delegate<>::to<&Session::watch_dog>(*this))
    , farewell_(owner.worker(), base::Delegate<>::to<&Session::farewell_is_over>(*this)) {}

Session::~Session() { assert(requests_ == 0 && in_device_ == 0); }

void Session::start() {
    if (channel_.has_buffered_input())
        owner_.worker().at_end_of_turn(read_task_);
    else
        read();
}

void Session::read() noexcept { channel_.wait_read(base::Delegate<>::to<&Session::readable>(*this)); }

void Session::readable() noexcept {
    if (state_ != State::serving) {
        discard_input();
        return;
    }
    switch (input_.receive(channel_)) {
    case RequestStream::Received::nothing:
        input_.settle();
        read();
        return;
    case RequestStream::Received::end:
        end_of_stream();
        return;
    case RequestStream::Received::failed:
        hang_up("connection lost");
        return;
    case RequestStream::Received::bytes:
        break;
    }
    finish_payload();
    go_on();
}

void Session::finish_payload() noexcept {
    if (receiving_ != nullptr && input_.payload_complete())
        begin(*std::exchange(receiving_, nullptr));
    if (refused_ != nullptr && input_.skipped())
        reply(*std::exchange(refused_, nullptr), refusal_);
}

// Takes what is there, half of it first when it is much, then waits for more, unless there is no room.
void Session::go_on() noexcept {
    paused_ = false;
    last_input_ = owner_.worker().now(); // also after a pause, which is not the peer's fault
    const std::size_t half = input_.buffered() / 2;
    take_requests(half >= smallest_half ? half : 0);
}

// What the device answered at once is sent before we turn to the rest: client and server work at the same
// time, where they would wait for each other, and data are sent while the processor still has them at hand.
void Session::take_rest() noexcept {
    if (!output_.empty() && !output_blocked_)
        flush();
    if (state_ == State::serving && !paused_)
        take_requests(0);
}

void Session::take_requests(std::size_t bytes_to_leave) noexcept {
    const std::size_t most_owed = owed_bytes_ + most_read_at_once;
    const std::byte *bytes = input_.header();
    while (bytes != nullptr && input_.buffered() > bytes_to_leave && owed_bytes_ < most_owed) {
        paused_ = !take(wire::decode_request(bytes, agreement_.dialect));
        if (paused_ || state_ != State::serving)
            break;
        bytes = input_.header();
    }
    if (state_ != State::serving)
        return;
    if (!paused_ && bytes != nullptr)
        owner_.worker().post(rest_task_);
    else
        wait_for_more();
}

void Session::wait_for_more() noexcept {
    input_.settle();
    if (!paused_) {
        if (input_.filled())
            read_on();
        else
            read();
    }
    expect_progress();
}

// More is there. After this turn's share it waits for the next one: others want to be served, too.
void Session::read_on() noexcept {
    ++receives_in_a_row_;
    if (receives_in_a_row_ % receives_per_turn == 0)
        owner_.worker().at_end_of_turn(read_task_);
    else
        owner_.worker().post(read_task_);
}

bool Session::has_room() const noexcept {
    return requests_ < owner_.limits().requests_per_connection &&
           held_bytes_ < owner_.limits().bytes_per_connection;
}

// False when it must wait for room; then the header stays where it is.
bool Session::take(const wire::RequestHeader &header) noexcept {
    if (header.magic != wire::request_magic_of(agreement_.dialect)) {
        hang_up("not an NBD request");
        return true;
    }
    if (header.command == wire::Command::disconnect) {
        finish();
        return true;
    }
    if (payload_size(header, agreement_.dialect) > longest_drained) {
        hang_up("a payload of more than 64 MiB");
        return true;
    }
    if (!has_room())
        return false;
    const Refusal refusal = shutting_down_ ? Refusal{wire::Error::eshutdown, "the server is shutting down"}
                                           : validate(header, geometry_, agreement_);
    if (!refusal)
        return admit(header);
    refuse(header, refusal);
    return true;
}

std::size_t Session::buffer_size(const wire::RequestHeader &header) noexcept {
    switch (header.command) {
    case wire::Command::read:
    case wire::Command::write:
        return header.length;
    case wire::Command::block_status:
        return std::max(context_list_size,
                        ((header.flags & wire::req_one) != 0 ? 1 : most_extents) * sizeof(block::Extent));
    default:
        return 0;
    }
}

// The last of the memory is for small requests of clients that have nothing in flight: those who hoard, or
// do not read their replies, cannot shut them out.
std::byte *Session::take_buffer(std::size_t size) noexcept {
    base::BufferPool &pool = owner_.payloads();
    const bool modest = held_bytes_ == 0 && size <= modest_size;
    return pool.take(size, modest ? 0 : pool.limit() / 8);
}

bool Session::admit(const wire::RequestHeader &header) noexcept {
    const std::size_t size = buffer_size(header);
    std::byte *buffer = nullptr;
    if (size > 0) {
        buffer = take_buffer(size);
        if (buffer == nullptr) {
            owner_.payloads().wait(memory_task_);
            return false;
        }
    }
    SessionRequest &request = owner_.requests().make(header, loss_epoch_);
    describe(header, request);
    request.buffer = buffer;
    request.buffer_size = size;
    request.data = buffer;
    request.pooled = request.operation == block::Operation::write ? size : 0;
    if (offers_pipes_ && request.operation == block::Operation::read && size >= PipePool::smallest_read &&
        size <= std::min(PipePool::largest_read, output_.largest_chunk()) && channel_.forwards())
        request.pipe = owner_.pipes().take();
    if (request.operation == block::Operation::block_status) {
        request.status =
            block::Extents({reinterpret_cast<block::Extent *>(buffer), size / sizeof(block::Extent)});
        request.extents = &request.status;
    }
    request.whole = (header.flags & wire::df) != 0;
    ++requests_;
    // Now, not when it is read: a whole turn of reads is with the device before the first of them is
    // answered.
    owed_bytes_ += request.owed_bytes();
    held_bytes_ += size;
    input_.drop_header();
    request.lists_contexts = is_context_list(header);
    const std::uint64_t payload = payload_size(header, agreement_.dialect);
    if (payload > 0)
        input_.take_payload(buffer, payload);
    if (!input_.payload_complete()) {
        receiving_ = &request;
        return true;
    }
    begin(request);
    return true;
}

// Its payload, if any, goes first: so that the peer is not blocked in sending while we are in answering.
void Session::refuse(const wire::RequestHeader &header, Refusal refusal) noexcept {
    SessionRequest &request = owner_.requests().make(header, loss_epoch_);
    ++requests_;
    ++owner_.counters().refused;
    input_.drop_header();
    input_.skip(payload_size(header, agreement_.dialect));
    if (input_.skipped()) {
        reply(request, refusal);
        return;
    }
    refused_ = &request;
    refusal_ = refusal;
}

void Session::memory_is_back() noexcept {
    if (paused_ && state_ == State::serving)
        go_on();
}

// All of it is here.
void Session::begin(SessionRequest &request) noexcept {
    if (request.lists_contexts) {
        if (const Refusal refusal = read_context_list(request)) {
            ++owner_.counters().refused;
            reply(request, refusal);
            return;
        }
    }
    submit(request);
}

Refusal Session::read_context_list(SessionRequest &request) const noexcept {
    request.length = wire::load<std::uint64_t>(request.buffer);
    if (wire::load<std::uint32_t>(request.buffer + 8) != allocation_context_id)
        return {wire::Error::einval, "a metadata context that was not selected"};
    const wire::RequestHeader asked{
        .command = wire::Command::block_status, .offset = request.offset, .length = request.length};
    return validate(asked, geometry_, agreement_);
}

} // namespace nbd
