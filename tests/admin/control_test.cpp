// SPDX-License-Identifier: BSD-3-Clause
// The program nbdmpathctl against a real server.
#include "console.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <sys/wait.h>

using admin_test::Console;

namespace {

struct Output {
    std::string text;
    int status;
};

/// Runs nbdmpathctl, built beside the tests, through the shell.
Output control(const std::string &arguments) {
    const auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
    const std::string command = (build / "src" / "nbdmpathctl").string() + " " + arguments;
    FILE *pipe = ::popen(command.c_str(), "re");
    Output output{};
    std::array<char, 4096> block;
    while (const std::size_t got = ::fread(block.data(), 1, block.size(), pipe))
        output.text.append(block.data(), got);
    output.status = WEXITSTATUS(::pclose(pipe));
    return output;
}

} // namespace

TEST_CASE("nbdmpathctl sends one command and tells its end by the exit status") {
    Console console;
    const std::string socket = "-s " + console.path() + " ";
    CHECK(control(socket + "ls").text == "mpatha\nmpathb\n");
    CHECK(control(socket + "ls").status == 0);
    CHECK(control("-s 127.0.0.1:" + std::to_string(console.port) + " deps mpatha").text == "a1\n");
    const Output failed = control(socket + "info nowhere 2>&1");
    CHECK(failed.text == "nbdmpathctl: ENXIO: there is no map 'nowhere'; 'ls' lists them\n");
    CHECK(failed.status == 1);
    CHECK(control(socket + "message mpatha 0 'fail_path a1'").status == 0);
    CHECK(control("-s /nonexistent/socket ls 2>&1").status == 1);
    CHECK(control("--nonsense 2>&1").status == 1);
    CHECK(control("--help").status == 0);
    CHECK(control("--version").text == "nbdmpathctl 0.2.0\n");
}

TEST_CASE("nbdmpathctl runs the commands of its standard input, all of them") {
    Console console;
    const std::string socket = "-s " + console.path() + " ";
    const Output output = control(socket + "2>&1 <<'E'\nls\n\nnonsens\nversion\nE\n");
    CHECK(output.text == "mpatha\nmpathb\nnbdmpathctl: EINVAL: unknown command 'nonsens'; 'help' lists them\n"
                         "nbdmpath 0.2.0\n");
    CHECK(output.status == 1);
    CHECK(control(socket + "2>&1 <<'E'\nquit\nls\nE\n").status == 0);
}

TEST_CASE("nbdmpathctl prints events as they come and ends with its reader") {
    Console console;
    std::thread daemon([&] {
        CHECK(console.sessions_become(1));
        while (console.sessions() != 0)
            console.happen("mpatha");
    });
    CHECK(control("-s " + console.path() + " events 2>&1 | head -n 3 | wc -l").text == "3\n");
    daemon.join();
}
