// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace nbdmpathd {

/// What `--demo` serves: a temporary directory with one sparse 1 GiB disk and the sockets. Gone with the
/// object.
class Demo {
public:
    /// Throws base::Error.
    Demo();
    ~Demo();
    Demo(const Demo &) = delete;
    Demo &operator=(const Demo &) = delete;

    /// The configuration, as a user would have written it.
    [[nodiscard]] std::string configuration() const;
    /// What to try, for the terminal.
    [[nodiscard]] std::string welcome() const;

private:
    std::string directory_;
};

} // namespace nbdmpathd
