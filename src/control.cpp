// SPDX-License-Identifier: BSD-3-Clause
// nbdmpathctl: sends commands to the admin socket and prints the replies.
#include "base/error.hpp"
#include "base/text.hpp"
#include "build_config.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <iostream>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

constexpr const char *default_socket = "/run/nbdmpath/admin.sock";
constexpr std::string_view usage_text = R"(Usage: nbdmpathctl [-s SOCKET] [COMMAND ARG...]
Sends one command to nbdmpathd and prints its reply; without a command, reads commands from standard input.

  -s, --socket SOCKET  path of the unix socket, or HOST:PORT
                       (default: $NBDMPATH_ADMIN, or /run/nbdmpath/admin.sock)
  -h, --help           print this text
  -V, --version        print the version

'nbdmpathctl help' lists the commands. Exit status: 0 after OK, else 1.
)";

void complain(std::string_view text) {
    std::cout.flush();
    std::cerr << "nbdmpathctl: " << text << '\n';
}

/// The reader of standard output is gone: end as everything in a pipeline does, without a word.
[[noreturn]] void end_quietly() {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
    std::_Exit(1);
}

void print(std::string_view text) {
    if (!std::cout.write(text.data(), static_cast<std::streamsize>(text.size())))
        end_quietly();
}

int connect_unix(const std::string &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw base::Error(ENAMETOOLONG, "{}: too long for a socket path", path);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const void *generic = &address;
    if (fd < 0 || ::connect(fd, static_cast<const sockaddr *>(generic), sizeof address) != 0)
        throw base::Error(errno, "cannot connect to {}: {}", path, base::errno_text(errno));
    return fd;
}

int connect_tcp(const std::string &socket, std::size_t colon) {
    std::string host = socket.substr(0, colon);
    if (host.size() > 1 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    const char *node = host.empty() ? nullptr : host.c_str();
    if (const int error = ::getaddrinfo(node, socket.c_str() + colon + 1, &hints, &found); error != 0)
        throw base::Error(EINVAL, "cannot connect to {}: {}", socket, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo *)> list(found, ::freeaddrinfo);
    int reason = 0;
    for (const addrinfo *at = found; at != nullptr; at = at->ai_next) {
        const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && ::connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            return fd;
        reason = errno;
        if (fd >= 0)
            ::close(fd);
    }
    throw base::Error(reason, "cannot connect to {}: {}", socket, base::errno_text(reason));
}

/// A connection to the admin socket, for the life of the program.
class Console {
public:
    explicit Console(const std::string &socket) {
        const std::size_t colon = socket.rfind(':');
        const bool is_path = socket.find('/') != std::string::npos || colon == std::string::npos;
        fd_ = is_path ? connect_unix(socket) : connect_tcp(socket, colon);
    }

    /// Prints the data lines as they come. Returns whether the end was OK; throws when there was no end.
    bool run(std::string_view command) {
        send_line(command);
        std::string line;
        while (read_line(line)) {
            if (line == "OK")
                return true;
            if (line.starts_with("ERR ")) {
                const std::size_t blank = line.find(' ', 4);
                const std::string text = blank == std::string::npos ? "" : line.substr(blank + 1);
                complain(fmt::format("{}: {}", line.substr(4, blank - 4), text));
                return false;
            }
            print(line += '\n');
        }
        throw base::Error(ECONNRESET, "the server closed the connection");
    }

private:
    void send_line(std::string_view command) {
        const std::string text = std::string(command) + '\n';
        for (std::size_t sent = 0; sent < text.size();) {
            const ssize_t done = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
            if (done > 0)
                sent += static_cast<std::size_t>(done);
            else if (errno != EINTR)
                return; // it may have said why before it closed
        }
    }

    bool read_line(std::string &line) {
        std::size_t end;
        while ((end = input_.find('\n', begin_)) == std::string::npos) {
            if (!receive())
                return false;
        }
        line.assign(input_, begin_, end - begin_);
        begin_ = end + 1;
        return true;
    }

    bool receive() {
        input_.erase(0, begin_);
        begin_ = 0;
        if (!std::cout.flush())
            end_quietly();
        wait_for_input();
        std::array<char, 16 << 10> block;
        const ssize_t got = ::recv(fd_, block.data(), block.size(), 0);
        if (got > 0)
            input_.append(block.data(), static_cast<std::size_t>(got));
        return got > 0 || (got < 0 && errno == EINTR);
    }

    /// `events | head -1` ends with head, not with the next event after it.
    void wait_for_input() const {
        std::array<pollfd, 2> descriptors{{{fd_, POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
        while (::poll(descriptors.data(), descriptors.size(), -1) < 0 && errno == EINTR) {
        }
        if ((descriptors[1].revents & POLLERR) != 0 && descriptors[0].revents == 0)
            end_quietly();
    }

    int fd_ = -1;
    std::string input_;
    std::size_t begin_ = 0;
};

/// Commands from standard input, one a line, all of them; false when any failed.
bool run_all(Console &console) {
    const bool prompting = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
    bool all_well = true;
    std::string line;
    for (;;) {
        if (prompting)
            std::cout << "nbdmpath> " << std::flush;
        if (!std::getline(std::cin, line))
            break;
        const std::vector<std::string> words = base::split_words(line);
        if (words.empty())
            continue; // the server does not answer it either
        all_well = console.run(line) && all_well;
        if (words.front() == "quit")
            return all_well;
    }
    if (prompting)
        std::cout << '\n';
    return all_well;
}

std::string joined(char **first, char **last) {
    std::string command;
    for (char **at = first; at != last; ++at) {
        if (at != first)
            command += ' ';
        command += *at;
    }
    return command;
}

int run(const std::string &socket, char **first, char **last) {
    const std::string command = joined(first, last);
    if (first != last && base::split_words(command).empty())
        throw base::Error(EINVAL, "the command is empty");
    if (command.find('\n') != std::string::npos)
        throw base::Error(EINVAL, "a line end inside a command");
    Console console(socket);
    const bool well = first == last ? run_all(console) : console.run(command);
    if (!std::cout.flush())
        end_quietly();
    return well ? 0 : 1;
}

} // namespace

int main(int count, char **arguments) {
    const char *from_environment = std::getenv("NBDMPATH_ADMIN");
    std::string socket =
        from_environment != nullptr && *from_environment != '\0' ? from_environment : default_socket;
    const option options[] = {{"socket", required_argument, nullptr, 's'},
                              {"help", no_argument, nullptr, 'h'},
                              {"version", no_argument, nullptr, 'V'},
                              {nullptr, 0, nullptr, 0}};
    // "+": what follows the command is the command's, also when it begins with a dash.
    for (int chosen; (chosen = ::getopt_long(count, arguments, "+s:hV", options, nullptr)) != -1;) {
        switch (chosen) {
        case 's':
            socket = optarg;
            break;
        case 'h':
            std::cout << usage_text << std::flush;
            return 0;
        case 'V':
            std::cout << "nbdmpathctl " NBDMPATH_VERSION "\n" << std::flush;
            return 0;
        default:
            std::cerr << "Try 'nbdmpathctl --help'.\n";
            return 1;
        }
    }
    try {
        return run(socket, arguments + optind, arguments + count);
    } catch (const base::Error &error) {
        complain(error.what());
        return 1;
    }
}
