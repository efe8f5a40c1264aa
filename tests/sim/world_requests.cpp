// SPDX-License-Identifier: BSD-3-Clause
// Clients, and the devices behind the paths.
#include "world_parts.hpp"

#include <algorithm>

namespace sim {

using namespace std::chrono_literals;

namespace {

using block::Operation;
constexpr std::array<Operation, 10> operations{
    Operation::read,  Operation::read,  Operation::read, Operation::write,        Operation::write,
    Operation::write, Operation::flush, Operation::trim, Operation::write_zeroes, Operation::cache};
constexpr std::array<block::Status, 13> statuses{{{},
                                                  {},
                                                  {block::Outcome::path, EIO},
                                                  {block::Outcome::path, EIO},
                                                  {block::Outcome::path, ETIMEDOUT},
                                                  {block::Outcome::path_delayed, ENOMEM},
                                                  {block::Outcome::path_delayed, EAGAIN},
                                                  {block::Outcome::retry, EINTR},
                                                  {block::Outcome::retry, EINTR},
                                                  {block::Outcome::path_in_doubt, ETIMEDOUT},
                                                  {block::Outcome::target, ENOSPC},
                                                  {block::Outcome::target, EIO},
                                                  {block::Outcome::pass, ENOTSUP}}};
constexpr std::array<base::Duration, 6> delays{0ms, 0ms, 1ms, 20ms, 100ms, 700ms};

} // namespace

void World::send(const Action &action) {
    const auto &n = action.numbers;
    send(*clients_[n[0]], operations[n[1]], n[2], std::min(n[3] + 1, blocks - n[2]), n[4] == 0);
}

void World::send(Client &client, Operation operation, unsigned first, unsigned count, bool fua) {
    Io &io = checker_.make_io(client);
    const bool has_range = operation != Operation::flush;
    io.operation = io.asked = operation;
    io.first_block = has_range ? first : 0;
    io.block_count = has_range ? count : 0;
    io.offset = std::uint64_t{io.first_block} * block_size;
    io.length = std::uint64_t{io.block_count} * block_size;
    io.fua = io.asked_fua = fua && io.changes_data();
    io.data = reinterpret_cast<std::byte *>(io.words.data());
    if (operation == Operation::write)
        io.words.fill(io.id);
    io.loss_epoch = client.epoch;
    io.prepare();
    checker_.submitting(io);
    map_->submit(io);
    checker_.submitted(io);
}

void World::leave(unsigned client) {
    checker_.begin();
    checker_.leaves(*clients_[client]);
    map_->drop_held(*clients_[client]);
    clients_[client] = &checker_.connect();
    checker_.end();
}

void World::script_answers(const Action &action) {
    const auto &n = action.numbers;
    for (unsigned i = 0; i <= n[3]; ++i)
        devices_[n[0]]->will_answer({statuses[n[1]], delays[n[2]], n[4] != 0});
}

void World::die(unsigned device, bool told, PathDevice::End end) {
    checker_.dies(device, end != PathDevice::End::in_doubt);
    devices_[device]->die(end);
    if (!told)
        return;
    checker_.begin();
    if (!checker_.paths.kernel() || checker_.barred[device])
        checker_.paths.for_each_entry(device, [this](auto &entry) { checker_.paths.fail(entry); });
    map_->path_lost(*devices_[device]);
    checker_.end();
}

void World::revive(unsigned device, bool told) {
    devices_[device]->revive();
    if (!told)
        return;
    checker_.begin();
    checker_.paths.for_each_entry(device, [this, device](auto &entry) {
        if (!entry.held_down && !checker_.barred[device] && !map_->in_quarantine(*devices_[device])) {
            checker_.paths.reinstate(entry);
            checker_.released(device);
        }
    });
    map_->path_answers(*devices_[device]);
    checker_.end();
}

void World::bar(unsigned device, bool barred) {
    checker_.begin();
    checker_.barred[device] = barred;
    if (barred)
        checker_.paths.for_each_entry(device, [this](auto &entry) { checker_.paths.fail(entry); });
    map_->bar(*devices_[device], barred);
    checker_.end();
}

} // namespace sim
