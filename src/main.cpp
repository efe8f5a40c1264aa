// SPDX-License-Identifier: BSD-3-Clause
#include "base/error.hpp"
#include "base/log.hpp"
#include "build_config.h"
#include "config/parse.hpp"
#include "daemon/daemon.hpp"
#include "daemon/demo.hpp"
#include "daemon/memory_pressure.hpp"
#include "daemon/options.hpp"
#include "daemon/plan.hpp"
#include "io/side_thread.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sysexits.h>

namespace {

using nbdmpathd::Options;

// For threads that nobody waits for any more: they look ten times a second whether anybody does.
constexpr std::chrono::seconds time_to_end{2};

config::Config read_configuration(const Options &options, const std::optional<nbdmpathd::Demo> &demo,
                                  const nbdmpathd::ActivatedSockets &sockets) {
    config::Environment environment = nbdmpathd::environment();
    environment.has_sockets = !sockets.nbd.empty();
    if (demo)
        return config::parse(demo->configuration(), "demo", environment);
    return config::load(options.config, environment);
}

int check(const config::Config &configuration) {
    for (const std::string &warning : configuration.warnings)
        fmt::print("{}\n", warning);
    (void)nbdmpathd::plan_maps(configuration);
    (void)nbdmpathd::load_credentials(configuration.tls);
    return 0;
}

int serve(const Options &options, const config::Config &configuration, std::optional<nbdmpathd::Demo> &demo,
          nbdmpathd::ActivatedSockets sockets) {
    base::log::set_level(options.log_level.value_or(configuration.log_level));
    for (const std::string &warning : configuration.warnings)
        base::log::warning("{}", warning);
    nbdmpathd::Daemon daemon(configuration, std::move(sockets));
    nbdmpathd::resist_memory_pressure(); // before there are other threads
    if (demo) {
        fmt::print("{}", demo->welcome());
        std::fflush(stdout);
    }
    if (!daemon.run()) {
        // The daemon cannot be destroyed; what would outlive the process goes.
        demo.reset();
        std::_Exit(0);
    }
    return 0;
}

int run(const Options &options) {
    auto sockets = nbdmpathd::ActivatedSockets::from_environment();
    std::optional<nbdmpathd::Demo> demo;
    if (options.demo)
        demo.emplace();
    try {
        const config::Config configuration = read_configuration(options, demo, sockets);
        return options.action == Options::Action::check
                   ? check(configuration)
                   : serve(options, configuration, demo, std::move(sockets));
    } catch (const config::Errors &errors) {
        // --check prints its findings as its result; a start that fails complains.
        fmt::print(options.action == Options::Action::check ? stdout : stderr, "{}\n", errors.what());
        return EX_CONFIG;
    }
}

int run(int count, char **words) {
    try {
        const Options options = nbdmpathd::parse_options(count, words);
        switch (options.action) {
        case Options::Action::print_help:
            fmt::print("{}", nbdmpathd::usage());
            return 0;
        case Options::Action::print_version:
            fmt::print("nbdmpathd {}\n", NBDMPATH_VERSION);
            return 0;
        default:
            break;
        }
        try {
            return run(options);
        } catch (const base::Error &error) {
            fmt::print(stderr, "nbdmpathd: {}\n", error.what());
            return 1;
        }
    } catch (const base::Error &error) {
        fmt::print(stderr, "nbdmpathd: {}\nTry 'nbdmpathd --help'.\n", error.what());
        return 2;
    } catch (const std::exception &error) {
        fmt::print(stderr, "nbdmpathd: {}\n", error.what());
        return 1;
    }
}

} // namespace

int main(int count, char **words) {
    const int status = run(count, words);
    if (!io::SideThread::wait_for_all(time_to_end)) {
        // exit() would take the libraries away that they use.
        base::log::warning("ending with a thread that hangs in a lookup or a handshake");
        std::fflush(stdout);
        std::_Exit(status);
    }
    return status;
}
