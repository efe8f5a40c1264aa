// SPDX-License-Identifier: BSD-3-Clause
#include "nbd/connection_limit.hpp"

#include "io/worker.hpp"
#include "nbd/exports.hpp"

#include <algorithm>

namespace nbd {

ConnectionLimit::Slot::~Slot() {
    if (limit_ == nullptr)
        return;
    ConnectionLimit &limit = *limit_;
    limit.control_.post_from_anywhere(
        [freed = std::move(limit_), name = std::move(export_name_), client = client_, entered = entered_] {
            if (entered)
                freed->leave(name, client);
            freed->release();
        });
}

ConnectionLimit::Slot ConnectionLimit::take() {
    ++used_;
    return Slot(shared_from_this());
}

std::string_view ConnectionLimit::enter(Slot &slot, const ExportInfo &info, const Client &client) {
    std::vector<Client> &inside = inside_[info.name];
    if (info.policy.max_clients != 0 && inside.size() >= info.policy.max_clients)
        return "the export has as many clients as it may have";
    const auto is_other = [&client](const Client &other) { return !client.is_same(other); };
    if (info.policy.access == ExportPolicy::Access::exclusive && std::ranges::any_of(inside, is_other))
        return "another client has the export for itself";
    inside.push_back(client);
    slot.export_name_ = info.name;
    slot.client_ = client;
    slot.entered_ = true;
    return {};
}

void ConnectionLimit::leave(const std::string &export_name, const Client &client) noexcept {
    const auto found = inside_.find(export_name);
    std::vector<Client> &inside = found->second;
    inside.erase(std::ranges::find(inside, client.number, &Client::number));
    if (inside.empty())
        inside_.erase(found);
}

void ConnectionLimit::release() noexcept {
    --used_;
    if (freed_)
        freed_();
}

} // namespace nbd
