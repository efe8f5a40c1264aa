// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "io/listening_socket.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using io::ListeningSocket;

namespace {

struct Directory {
    std::string path = std::filesystem::temp_directory_path() / "nbdmpath-sockets-XXXXXX";
    Directory() { ::mkdtemp(path.data()); }
    ~Directory() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::string file(const char *name) const { return path + "/" + name; }
};

template <typename Step>
int error_of(Step step) {
    try {
        step();
    } catch (const base::Error &error) {
        return error.code();
    }
    return 0;
}

/// `name` as the kernel wants it: "\0x" for an abstract socket.
bool connects(const std::string &name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const io::Socket client(::socket(AF_UNIX, SOCK_STREAM, 0));
    const void *generic = &address;
    return ::connect(client.fd(), static_cast<const sockaddr *>(generic),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0;
}

struct stat state_of(const std::string &path) {
    struct stat found {};
    CHECK(::stat(path.c_str(), &found) == 0);
    return found;
}

} // namespace

TEST_CASE("a unix socket has exactly its mode, and its file goes away") {
    const Directory directory;
    const std::string path = directory.file("a");
    ListeningSocket socket = ListeningSocket::open_unix(path, {0626});
    CHECK((state_of(path).st_mode & 07777u) == 0626);
    CHECK(socket.name == path);
    CHECK(connects(path));
    socket.unlink_if_ours();
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a unix socket's file gets its owner and group, or none is left") {
    const Directory directory;
    const std::string path = directory.file("a");
    const ListeningSocket ours = ListeningSocket::open_unix(path, {0600, ::getuid(), ::getgid()});
    CHECK(state_of(path).st_gid == ::getgid());
    if (::getuid() == 0) {
        const ListeningSocket given = ListeningSocket::open_unix(directory.file("b"), {0600, 12345, 23456});
        CHECK(state_of(directory.file("b")).st_uid == 12345);
        CHECK(state_of(directory.file("b")).st_gid == 23456);
    } else {
        CHECK(error_of([&] { ListeningSocket::open_unix(directory.file("b"), {0600, 0, {}}); }) == EPERM);
        CHECK_FALSE(std::filesystem::exists(directory.file("b")));
    }
}

TEST_CASE("a file that took our name's place is not removed") {
    const Directory directory;
    const std::string path = directory.file("a");
    ListeningSocket socket = ListeningSocket::open_unix(path);
    std::filesystem::remove(path);
    const ListeningSocket other = ListeningSocket::open_unix(path);
    socket.unlink_if_ours();
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("a socket in use is EADDRINUSE, a stale one is taken over, another file is left alone") {
    const Directory directory;
    const std::string path = directory.file("a");
    const ListeningSocket used = ListeningSocket::open_unix(path);
    CHECK(error_of([&] { ListeningSocket::open_unix(path); }) == EADDRINUSE);
    std::ofstream(directory.file("precious")) << "precious";
    CHECK(error_of([&] { ListeningSocket::open_unix(directory.file("precious")); }) == EEXIST);
    { const ListeningSocket gone = ListeningSocket::open_unix(directory.file("stale")); }
    CHECK_FALSE(connects(directory.file("stale")));
    const ListeningSocket again = ListeningSocket::open_unix(directory.file("stale"));
    CHECK(connects(directory.file("stale")));
}

TEST_CASE("what cannot be a unix socket's path is refused") {
    CHECK(error_of([] { ListeningSocket::open_unix(std::string(200, 'x')); }) == ENAMETOOLONG);
    CHECK(error_of([] { ListeningSocket::open_unix(""); }) == ENAMETOOLONG);
    CHECK(error_of([] { ListeningSocket::open_unix("/nonexistent/socket"); }) == ENOENT);
}

TEST_CASE("an abstract socket has a name and no file") {
    const std::string name = "@nbdmpath-test-" + std::to_string(::getpid());
    const std::string raw = std::string(1, '\0') + name.substr(1);
    {
        const ListeningSocket socket = ListeningSocket::open_unix(name);
        CHECK(socket.name == name);
        CHECK(socket.path.empty());
        CHECK(connects(raw));
        CHECK(error_of([&] { ListeningSocket::open_unix(name); }) == EADDRINUSE);
    }
    CHECK_FALSE(connects(raw));
}

TEST_CASE("a TCP socket tells the port that was taken, which then is in use") {
    for (const auto &[host, front] : {std::pair{"127.0.0.1", "127.0.0.1:"}, std::pair{"::1", "[::1]:"}}) {
        const auto sockets = ListeningSocket::open_tcp(host, 0);
        REQUIRE(sockets.size() == 1);
        const std::string &name = sockets[0].name;
        CHECK(name.starts_with(front));
        const auto port = static_cast<std::uint16_t>(std::stoi(name.substr(name.rfind(':') + 1)));
        CHECK(port != 0);
        const std::string address = host;
        CHECK(error_of([&] { ListeningSocket::open_tcp(address, port); }) == EADDRINUSE);
    }
}

TEST_CASE("vsock is listened on, or the system says what it lacks") {
    int error = 0;
    try {
        const ListeningSocket socket = ListeningSocket::open_vsock({}, 20809);
        CHECK(socket.name == "vsock:20809");
    } catch (const base::Error &caught) {
        error = caught.code();
        CHECK(std::string(caught.what()).find("vsock:20809") != std::string::npos);
    }
    CHECK((error == 0 || error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPERM));
}

TEST_CASE("a socket of somebody else's is taken over with its name, and its file stays") {
    const Directory directory;
    const std::string path = directory.file("a");
    {
        ListeningSocket made = ListeningSocket::open_unix(path);
        ListeningSocket taken = ListeningSocket::adopt(std::move(made.socket));
        CHECK(taken.name == path);
        taken.unlink_if_ours();
        CHECK(connects(path));
    }
    CHECK(std::filesystem::exists(path));
    ListeningSocket tcp = std::move(ListeningSocket::open_tcp("127.0.0.1", 0).front());
    const std::string name = tcp.name;
    CHECK(ListeningSocket::adopt(std::move(tcp.socket)).name == name);
    const std::string abstract = "@nbdmpath-adopted-" + std::to_string(::getpid());
    CHECK(ListeningSocket::adopt(std::move(ListeningSocket::open_unix(abstract).socket)).name == abstract);
}

TEST_CASE("what does not listen cannot be taken over") {
    io::Socket quiet(::socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK(error_of([&] { ListeningSocket::adopt(std::move(quiet)); }) == EINVAL);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const io::Socket other(ends[1]);
    io::Socket pipe(ends[0]);
    CHECK(error_of([&] { ListeningSocket::adopt(std::move(pipe)); }) == ENOTSOCK);
}
