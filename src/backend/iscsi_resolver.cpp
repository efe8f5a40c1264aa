// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_resolver.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <utility>

namespace backend {

IscsiResolver::IscsiResolver(io::Worker &worker, std::string host, std::string port, base::Delegate<> done)
    : host_(std::move(host))
    , port_(std::move(port))
    , done_(done)
    , lookup_(worker) {}

IscsiResolver::Found IscsiResolver::find(const std::string &host, const std::string &port, int flags) {
    Found found;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo *list = nullptr;
    const int result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    if (result != 0) {
        found.error = result == EAI_SYSTEM ? base::errno_text(errno) : ::gai_strerror(result);
        return found;
    }
    for (const addrinfo *at = list; at != nullptr; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            found.portals.push_back(at->ai_family == AF_INET6 ? fmt::format("[{}]:{}", text, port)
                                                              : fmt::format("{}:{}", text, port));
    }
    ::freeaddrinfo(list);
    return found;
}

void IscsiResolver::resolve() {
    wanted_ = true;
    found_ = {};
    if (lookup_.running())
        return; // still at it since an earlier try: its answer serves this one
    Found numeric = find(host_, port_, AI_NUMERICHOST);
    if (!numeric.portals.empty()) {
        resolved(std::move(numeric));
        return;
    }
    const auto found = std::make_shared<Found>();
    try {
        lookup_.start([found, host = host_, port = port_](const auto &) { *found = find(host, port, 0); },
                      [this, found] { resolved(std::move(*found)); });
    } catch (const base::Error &error) {
        resolved({{}, error.what()});
    }
}

void IscsiResolver::resolved(Found found) {
    found_ = std::move(found);
    if (std::exchange(wanted_, false))
        done_();
}

} // namespace backend
