// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/error.hpp"
#include "handler/handler.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace fakes {

/// What the scripted handlers of a test do. A handler type is found by a plain function, so the script that
/// is in force is the one made last, and there is one at a time.
class HandlerScript {
public:
    struct Waiting {
        block::Device *device;
        handler::ActivationObserver *observer;
    };

    HandlerScript() { current_ = this; }
    ~HandlerScript() { current_ = nullptr; }

    /// The name "scripted" finds the handler, everything else what is registered.
    static const handler::Type *find(std::string_view name) noexcept {
        static const handler::Type type{"scripted", "does what a test says", &make};
        return name == type.name ? &type : handler::find_type(name);
    }

    /// Ends the oldest activation that waits.
    void answer(handler::Result result) {
        const Waiting first = waiting.front();
        waiting.pop_front();
        first.observer->activated(result);
    }
    void answer_all(handler::Result result) {
        for (std::size_t left = waiting.size(); left > 0; --left)
            answer(result);
    }

    std::deque<Waiting> waiting;
    std::vector<std::string> parameters;
    std::vector<const block::Device *> activated; ///< in order, from the beginning
    /// What the handler says of a device; empty: yes.
    std::function<bool(const block::Device &)> attaches;
    std::function<bool(const block::Device &)> lets_send;
    std::function<std::string(const block::Device &)> objects;
    std::vector<const block::Device *> reached;
    bool stopped = false;
    /// Gets activations instead of `waiting`, to end them later.
    std::function<void(const Waiting &)> asked;

private:
    class Handler final : public handler::Handler {
    public:
        explicit Handler(HandlerScript &script)
            : script_(script) {}
        void set_parameters(std::span<const std::string> words) override {
            script_.parameters.assign(words.begin(), words.end());
            if (!words.empty() && words.front() == "bad")
                throw base::Error(EINVAL, "bad parameter");
        }
        bool attach(block::Device &device) override { return !script_.attaches || script_.attaches(device); }
        void activate(block::Device &device, handler::ActivationObserver &observer) noexcept override {
            script_.activated.push_back(&device);
            if (script_.asked)
                script_.asked({&device, &observer});
            else
                script_.waiting.push_back({&device, &observer});
        }
        [[nodiscard]] bool may_send(block::Device &device) noexcept override {
            return !script_.lets_send || script_.lets_send(device);
        }
        void reached(block::Device &device) override { script_.reached.push_back(&device); }
        [[nodiscard]] std::string objection(block::Device &device) const override {
            return script_.objects ? script_.objects(device) : "";
        }
        void stop() noexcept override { script_.stopped = true; }

    private:
        HandlerScript &script_;
    };

    static std::unique_ptr<handler::Handler> make(base::Scheduler &, handler::Listener &) {
        return std::make_unique<Handler>(*current_);
    }
    static inline HandlerScript *current_ = nullptr;
};

} // namespace fakes
