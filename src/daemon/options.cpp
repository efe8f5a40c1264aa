// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/options.hpp"

#include "base/error.hpp"

#include <getopt.h>

namespace nbdmpathd {

Options parse_options(int count, char **words) {
    enum Long { check = 256, demo, log_level, version };
    static const option long_options[] = {{"config", required_argument, nullptr, 'c'},
                                          {"check", no_argument, nullptr, check},
                                          {"demo", no_argument, nullptr, demo},
                                          {"log-level", required_argument, nullptr, log_level},
                                          {"version", no_argument, nullptr, version},
                                          {"help", no_argument, nullptr, 'h'},
                                          {nullptr, 0, nullptr, 0}};
    Options options;
    opterr = 0;
    for (int choice = 0; (choice = ::getopt_long(count, words, ":c:h", long_options, nullptr)) != -1;) {
        switch (choice) {
        case 'c':
            options.config = optarg;
            break;
        case check:
            options.action = Options::Action::check;
            break;
        case demo:
            options.demo = true;
            break;
        case log_level: {
            base::log::Level level{};
            if (!base::log::parse_level(optarg, level))
                throw base::Error(EINVAL, "'{}' is no log level (trace, debug, info, warning, error)",
                                  optarg);
            options.log_level = level;
            break;
        }
        case version:
            options.action = Options::Action::print_version;
            return options;
        case 'h':
            options.action = Options::Action::print_help;
            return options;
        case ':':
            throw base::Error(EINVAL, "option '{}' needs a value", words[optind - 1]);
        default:
            throw base::Error(EINVAL, "there is no option '{}'", words[optind - 1]);
        }
    }
    if (optind < count)
        throw base::Error(EINVAL, "unexpected word '{}'", words[optind]);
    return options;
}

std::string usage() {
    return "Usage: nbdmpathd [OPTION]…\n"
           "An NBD server that makes one disk of several paths, as dm-multipath does.\n"
           "\n"
           "  -c, --config FILE    configuration (default /etc/nbdmpath/nbdmpathd.yaml)\n"
           "      --check          check the configuration, print every problem, and exit\n"
           "      --demo           serve a disk of its own in a temporary directory\n"
           "      --log-level L    trace, debug, info, warning or error\n"
           "      --version        print the version and exit\n"
           "  -h, --help           print this and exit\n"
           "\n"
           "Exit status: 0 after SIGTERM or SIGINT, 1 start-up error, 2 wrong usage, 78 bad configuration.\n"
           "See nbdmpathd(8), nbdmpathd.yaml(5) and nbdmpathctl(8).\n";
}

} // namespace nbdmpathd
