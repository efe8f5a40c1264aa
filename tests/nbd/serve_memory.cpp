// SPDX-License-Identifier: BSD-3-Clause
// Serves a disk in memory on a unix socket, to try clients and measure the server without anything behind it:
//   serve_memory SOCKET [MIB] [MINIMUM_BLOCK] [HOST PORT]
#include "base/error.hpp"
#include "fakes/memory_device.hpp"
#include "io/worker.hpp"
#include "nbd/export_sessions.hpp"
#include "nbd/server.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

class OneExport final : public nbd::Exports {
public:
    explicit OneExport(std::shared_ptr<const nbd::ExportInfo> info)
        : info_(std::move(info)) {}
    [[nodiscard]] std::vector<std::shared_ptr<const nbd::ExportInfo>> list() const override {
        return {info_};
    }
    [[nodiscard]] std::shared_ptr<const nbd::ExportInfo> find(std::string_view name) const override {
        return name.empty() || name == info_->name ? info_ : nullptr;
    }

private:
    std::shared_ptr<const nbd::ExportInfo> info_;
};

void serve(int argc, char **argv) {
    block::Geometry geometry;
    geometry.size = std::uint64_t{argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 256} << 20;
    geometry.minimum_block = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 1;
    io::Worker worker;
    base::BufferPool payloads(worker, std::size_t{512} << 20);
    fakes::MemoryDevice device(worker, geometry);
    nbd::ExportSessions sessions(worker, device, payloads);
    const OneExport exports(std::make_shared<nbd::ExportInfo>(nbd::ExportInfo{
        .name = "memory", .description = "a disk in memory", .geometry = geometry, .home = sessions.home()}));
    nbd::Server server(worker, exports);
    server.listen(io::ListeningSocket::open_unix(argv[1], {0666}));
    if (argc > 5)
        for (io::ListeningSocket &socket :
             io::ListeningSocket::open_tcp(argv[4], static_cast<std::uint16_t>(std::atoi(argv[5]))))
            server.listen(std::move(socket));
    worker.run();
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) {
        std::fputs("usage: serve_memory SOCKET [MIB] [MINIMUM_BLOCK] [HOST PORT]\n", stderr);
        return 2;
    }
    try {
        serve(argc, argv);
    } catch (const base::Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
