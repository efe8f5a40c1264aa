// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_login.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <sstream>
#include <unistd.h>

namespace backend {

namespace {

constexpr std::size_t longest_name = 223;   // RFC 7143
constexpr std::size_t longest_secret = 255; // libiscsi's limit
constexpr std::string_view blanks = " \t\r\n";

std::optional<std::string> read_file(const std::string &name) {
    std::ifstream file(name);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf()))
        return std::nullopt;
    return text.str();
}

/// The first line of a file.
std::string read_secret(const std::string &name) {
    errno = 0;
    const std::optional<std::string> text = read_file(name);
    if (!text)
        throw base::Error(EACCES, "the secret in {} cannot be read: {}", name,
                          errno == 0 ? std::string("the file is empty") : base::errno_text(errno));
    std::string secret = text->substr(0, text->find_first_of("\r\n"));
    if (secret.empty() || secret.size() > longest_secret)
        throw base::Error(EINVAL, "the first line of {} must be a secret of 1 to {} bytes", name,
                          longest_secret);
    return secret;
}

std::string text_of(const base::KeyValues &values, std::string_view key) {
    return values.has(key) ? values.get<std::string>(key) : std::string();
}

/// 64 bits that are always the same for the same text (FNV-1a).
std::uint64_t digest(std::string_view text) noexcept {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const char c : text)
        sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return sum;
}

} // namespace

IscsiLogin make_iscsi_login(const IscsiUri &uri, const base::KeyValues &values) {
    IscsiLogin login{.initiator = text_of(values, "initiator_name"),
                     .target = uri.target,
                     .lun = uri.lun,
                     .user = uri.user,
                     .secret = uri.secret,
                     .target_user = uri.target_user,
                     .target_secret = uri.target_secret,
                     .header_digest = text_of(values, "header_digest") == "crc32c"};
    if (login.initiator.empty())
        login.initiator = default_initiator_name();
    const std::string secret_file = text_of(values, "secret_file");
    const std::string mutual_file = text_of(values, "mutual_secret_file");
    if (!secret_file.empty() && login.user.empty())
        throw base::Error(EINVAL, "secret_file needs a user in the URI (iscsi://user@host/…)");
    if (!mutual_file.empty() && login.target_user.empty())
        throw base::Error(EINVAL, "mutual_secret_file needs a target_user in the URI (…?target_user=NAME)");
    if (!secret_file.empty())
        login.secret = read_secret(secret_file);
    if (!mutual_file.empty())
        login.target_secret = read_secret(mutual_file);
    if (!login.user.empty() && login.secret.empty())
        throw base::Error(EINVAL, "user '{}' has no secret: say secret_file", login.user);
    if (!login.target_user.empty() && login.target_secret.empty())
        throw base::Error(EINVAL, "target_user '{}' has no secret: say mutual_secret_file",
                          login.target_user);
    return login;
}

std::string initiator_name_of(std::string_view text) {
    constexpr std::string_view key = "InitiatorName=";
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
        if (!line.starts_with(key))
            continue;
        line.remove_prefix(key.size());
        return std::string(line.substr(0, line.find_last_not_of(blanks) + 1));
    }
    return {};
}

std::string default_initiator_name() {
    std::string name = initiator_name_of(read_file("/etc/iscsi/initiatorname.iscsi").value_or(""));
    if (!name.empty())
        return name;
    std::string machine = read_file("/etc/machine-id").value_or("");
    if (machine.find_first_not_of(blanks) == std::string::npos) {
        char host[256] = "localhost";
        ::gethostname(host, sizeof host - 1);
        machine = host;
    }
    return fmt::format("iqn.2026-01.io.nbdmpath:{:016x}", digest(machine));
}

void check_initiator_name(std::string_view name) {
    const bool begins_well = name.starts_with("iqn.") || name.starts_with("eui.") || name.starts_with("naa.");
    const bool is_plain = std::ranges::all_of(name, [](unsigned char c) {
        return std::isdigit(c) != 0 || std::islower(c) != 0 || c == '.' || c == '-' || c == ':' || c >= 0x80;
    });
    if (!begins_well || !is_plain || name.size() > longest_name)
        throw base::Error(
            EINVAL, "initiator_name: '{}' is not an iSCSI name (example: iqn.2026-01.org.example:host1)",
            name);
}

} // namespace backend
