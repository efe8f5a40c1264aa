// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_resolver.hpp"

#include "base/error.hpp"
#include "io/worker.hpp"

#include <fmt/format.h>
#include <mutex>
#include <netdb.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>

namespace backend {

struct IscsiResolver::Lookup {
    std::string host;
    std::string port;
    std::mutex lock;
    io::Worker *worker;      ///< nullptr when nobody waits any more: the worker may be gone then
    IscsiResolver *resolver; ///< read and written on the worker only
    std::vector<std::string> portals;
    std::string error;
};

namespace {

void find_portals(const std::string &host, const std::string &port, int flags,
                  std::vector<std::string> &found, std::string &error) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo *list = nullptr;
    const int result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    if (result != 0) {
        error = result == EAI_SYSTEM ? base::errno_text(errno) : ::gai_strerror(result);
        return;
    }
    for (const addrinfo *at = list; at != nullptr; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            found.push_back(at->ai_family == AF_INET6 ? fmt::format("[{}]:{}", text, port)
                                                      : fmt::format("{}:{}", text, port));
    }
    ::freeaddrinfo(list);
}

} // namespace

IscsiResolver::IscsiResolver(io::Worker &worker, std::string host, std::string port, base::Delegate<> done)
    : worker_(worker)
    , host_(std::move(host))
    , port_(std::move(port))
    , done_(done) {}

IscsiResolver::~IscsiResolver() {
    if (lookup_ == nullptr)
        return;
    lookup_->resolver = nullptr;
    const std::lock_guard hold(lookup_->lock);
    lookup_->worker = nullptr;
}

void IscsiResolver::resolve() {
    wanted_ = true;
    portals_.clear();
    error_.clear();
    if (lookup_ != nullptr)
        return; // still at it since an earlier try: its answer serves this one
    find_portals(host_, port_, AI_NUMERICHOST, portals_, error_);
    if (!portals_.empty()) {
        wanted_ = false;
        done_();
        return;
    }
    lookup_ = std::make_shared<Lookup>();
    lookup_->host = host_;
    lookup_->port = port_;
    lookup_->worker = &worker_;
    lookup_->resolver = this;
    try {
        std::thread([lookup = lookup_] { look_up(lookup); }).detach();
    } catch (const std::system_error &error) {
        lookup_->error = error.what();
        resolved();
    }
}

void IscsiResolver::look_up(const std::shared_ptr<Lookup> &lookup) {
    find_portals(lookup->host, lookup->port, 0, lookup->portals, lookup->error);
    // Held while posting: the worker lives as long as the resolver has not taken it out.
    const std::lock_guard hold(lookup->lock);
    if (lookup->worker == nullptr)
        return;
    lookup->worker->post_from_anywhere([lookup] {
        if (lookup->resolver != nullptr)
            lookup->resolver->resolved();
    });
}

void IscsiResolver::resolved() {
    const std::shared_ptr<Lookup> lookup = std::exchange(lookup_, nullptr);
    portals_ = std::move(lookup->portals);
    error_ = std::move(lookup->error);
    if (std::exchange(wanted_, false))
        done_();
}

} // namespace backend
