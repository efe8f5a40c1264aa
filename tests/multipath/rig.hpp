// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "base/text.hpp"
#include "fakes/fake_device.hpp"
#include "fakes/manual_scheduler.hpp"
#include "multipath/map.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <sstream>

/// A map over fake devices P1, P2, … (made when a table names them), a client, and short words for what the
/// scenarios of the semantics reference (section 6.2) do: `io(3)`, `message("fail_path P1")`, `status()`.
class Rig : public multipath::DeviceSet, public multipath::Observer, private block::Layer {
public:
    /// `unreachable`: the paths that are loaded failed.
    explicit Rig(const std::string &table, multipath::MapOptions options = {},
                 std::vector<std::string> unreachable_paths = {})
        : unreachable(std::move(unreachable_paths))
        , map(scheduler, "m", with_buffers(options), *this, *this) {
        map.load(table);
        map.start();
        if (options.independent_caches) {
            scheduler.run(); // the flushes of the start
            journal.clear();
        }
    }
    ~Rig() {
        for (auto &[name, device] : devices_)
            device->release();
        map.shut_down();
        scheduler.run();
    }

    multipath::PathDevice find(std::string_view name) override {
        if (name.substr(0, 1) != "P")
            return {};
        return {&device(std::string(name)), std::ranges::find(unreachable, name) == unreachable.end()};
    }
    fakes::FakeDevice &device(const std::string &name) {
        auto &slot = devices_[name];
        if (!slot)
            slot = std::make_unique<fakes::FakeDevice>(scheduler, name, journal);
        return *slot;
    }
    void event(const multipath::Event &event) noexcept override {
        events.push_back(event.details.empty() ? std::string(event.action)
                                               : fmt::format("{} {}", event.action, event.details));
    }
    void warning(std::string_view text) noexcept override { warnings.emplace_back(text); }

    /// `count` requests, and no task runs yet.
    void submit(int count, block::Operation operation = block::Operation::read, bool fua = false) {
        for (int i = 0; i < count; ++i) {
            auto &request = *requests.emplace_back(std::make_unique<block::Request>());
            request.operation = operation;
            request.fua = fua;
            request.offset = offset;
            request.length = operation == block::Operation::flush ? 0 : length;
            contents.push_back(std::make_unique<std::vector<std::byte>>(length, std::byte(fill)));
            request.data = contents.back()->data();
            request.loss_epoch = client_epoch;
            request.push(*this, reinterpret_cast<void *>(results.size()));
            results.emplace_back("pending");
            map.submit(request);
        }
    }
    /// One write of a buffer that was taken from `buffers`, of 4096 bytes; it must be kept.
    void submit_pooled(std::byte *buffer) {
        auto &request = *requests.emplace_back(std::make_unique<block::Request>());
        request.operation = block::Operation::write;
        request.offset = offset;
        request.length = request.pooled = 4096;
        request.data = buffer;
        request.push(*this, reinterpret_cast<void *>(results.size()));
        results.emplace_back("pending");
        map.submit(request);
    }
    /// `count` requests started and left alone.
    void io_and(int count, block::Operation operation = block::Operation::read, bool fua = false) {
        submit(count, operation, fua);
        scheduler.run();
    }
    /// `count` requests one after the other; their results in a row.
    std::string io(int count, block::Operation operation = block::Operation::read, bool fua = false) {
        const std::size_t first = results.size();
        for (int i = 0; i < count; ++i)
            io_and(1, operation, fua);
        return results_since(first);
    }
    std::string results_since(std::size_t first) const {
        std::string text;
        for (std::size_t i = first; i < results.size(); ++i)
            text += (text.empty() ? "" : " ") + results[i];
        return text;
    }
    /// Where requests went since the last call: "1 2 1".
    std::string order() {
        std::string text;
        for (const std::string &entry : journal)
            text += (text.empty() ? "" : " ") + entry.substr(1);
        journal.clear();
        return text;
    }
    /// "ok" or the errno name of a refused message.
    std::string message(const std::string &text) {
        const auto words = base::split_words(text);
        std::string result = "ok";
        try {
            map.message(words);
        } catch (const base::Error &error) {
            result = base::errno_name(error.code());
            last_error = error.what();
        }
        scheduler.run();
        return result;
    }
    std::string status() const { return without_last_blank(map.info_text()); }
    std::string table() const { return without_last_blank(map.table_text()); }
    /// How much the event number grew since the last call.
    std::uint64_t new_events() {
        const std::uint64_t grown = map.event_number() - seen_events_;
        seen_events_ = map.event_number();
        return grown;
    }
    void break_path(const std::string &name) { device(name).answer = block::Status::path_error(EIO); }
    /// How often a line stands in the event stream.
    [[nodiscard]] long told(std::string_view line) const { return std::ranges::count(events, line); }
    void drop_client() {
        client_gone = true;
        map.drop_held(*this);
        scheduler.run();
    }
    void repair_path(const std::string &name) { device(name).answer = block::Status::success(); }

    fakes::ManualScheduler scheduler;
    std::vector<std::string> journal;
    std::vector<std::string> events;
    std::vector<std::string> warnings;
    std::vector<std::string> results;
    std::vector<std::string> log; ///< results in the order of their coming, with the request's number
    std::string last_error;
    std::vector<std::string> unreachable; ///< paths that find() reports as not usable
    std::uint64_t client_epoch = 0;
    std::uint64_t offset = 0;    ///< of the requests to come
    std::uint64_t length = 4096; ///< of them
    char fill = 'x';             ///< what they write
    bool client_gone = false;

    base::BufferPool buffers{scheduler, 1 << 20};

private:
    [[nodiscard]] multipath::MapOptions with_buffers(multipath::MapOptions options) {
        options.buffers = &buffers;
        return options;
    }
    [[nodiscard]] bool abandoned() const noexcept override { return client_gone; }
    void completed(block::Request &request, block::Status status) noexcept override {
        const auto index = reinterpret_cast<std::size_t>(request.popped());
        const std::string result = status.ok() ? "ok" : base::errno_name(status.error);
        results[index] = results[index] == "pending" ? result : "twice";
        log.push_back(result + " " + std::to_string(index));
    }
    static std::string without_last_blank(const std::string &text) {
        return text.empty() || text.back() != ' ' ? text + "?" : text.substr(0, text.size() - 1);
    }

    std::map<std::string, std::unique_ptr<fakes::FakeDevice>> devices_;
    std::vector<std::unique_ptr<block::Request>> requests;
    std::vector<std::unique_ptr<std::vector<std::byte>>> contents;
    std::uint64_t seen_events_ = 0;

public:
    multipath::Map map;
};

inline const std::string T4 = "0 0 2 1 round-robin 0 2 1 P1 1 P2 1 round-robin 0 2 1 P3 1 P4 1";
inline const std::string T3 = "0 0 3 1 round-robin 0 1 1 P1 1 round-robin 0 1 1 P2 1 round-robin 0 1 1 P3 1";
inline const std::string T2 = "0 0 2 1 round-robin 0 1 1 P1 1 round-robin 0 1 1 P2 1";
inline const std::string T1 = "0 0 1 1 round-robin 0 1 1 P1 1";
inline std::string queueing(const std::string &table) {
    return fmt::format("1 queue_if_no_path{}", table.substr(1));
}
