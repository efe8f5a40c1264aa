// SPDX-License-Identifier: BSD-3-Clause
#include "backend/iscsi_uri.hpp"

#include "backend/backend.hpp"
#include "backend/iscsi_login.hpp"
#include "base/error.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <unistd.h>

using backend::IscsiUri;
using backend::parse_iscsi_uri;

namespace {

const backend::Type &type() { return *backend::find_type("iscsi://"); }

base::KeyValues defaults() {
    base::KeyValues values;
    for (const base::Key &key : type().keys)
        if (!key.default_text.empty())
            values.set(key.name, base::parse_value(key.kind, key.default_text));
    return values;
}

std::string problem(const std::string &uri) {
    try {
        parse_iscsi_uri(uri);
    } catch (const base::Error &error) {
        return error.what();
    }
    return "";
}

std::string login_problem(const std::string &uri, const base::KeyValues &values) {
    try {
        backend::make_iscsi_login(parse_iscsi_uri(uri), values);
    } catch (const base::Error &error) {
        return error.what();
    }
    return "";
}

/// A file with a secret.
struct SecretFile {
    explicit SecretFile(std::string_view text) {
        const int fd = ::mkstemp(name.data());
        REQUIRE(fd >= 0);
        ::close(fd);
        std::ofstream(name) << text;
    }
    ~SecretFile() { ::unlink(name.c_str()); }
    std::string name = "/tmp/nbdmpath-secret.XXXXXX";
};

} // namespace

TEST_CASE("an iSCSI URI names host, port, target and unit") {
    const IscsiUri uri = parse_iscsi_uri("iscsi://store.example:3261/iqn.2026-01.org.example:disk/12");
    CHECK(uri.host == "store.example");
    CHECK(uri.port == "3261");
    CHECK(uri.target == "iqn.2026-01.org.example:disk");
    CHECK(uri.lun == 12);
    CHECK(uri.user.empty());
    CHECK(uri.portal() == "store.example:3261");
    CHECK(parse_iscsi_uri("iscsi://h/eui.02004567A425678D/0").portal() == "h:3260");
    CHECK(parse_iscsi_uri("iscsi://[::1]/iqn.x/0").portal() == "[::1]:3260");
    CHECK(parse_iscsi_uri("iscsi://[::1]:5/iqn.x/0").host == "::1");
}

TEST_CASE("a portal alone has no target") {
    const IscsiUri uri = backend::parse_iscsi_portal("iscsi://me%a/b@[::1]?target_user=it&target_password=x");
    CHECK(uri.portal() == "[::1]:3260");
    CHECK(uri.target.empty());
    CHECK(uri.secret == "a/b");
    CHECK(uri.target_secret == "x");
    CHECK(backend::parse_iscsi_portal("iscsi://h:5/").portal() == "h:5");
    CHECK_THROWS_WITH(backend::parse_iscsi_portal("iscsi://me%hunter2@h/iqn.x/0"),
                      "this is more than a portal (example: iscsi://192.0.2.3:3260)");
}

TEST_CASE("an iSCSI URI names users and secrets") {
    const IscsiUri uri =
        parse_iscsi_uri("iscsi://me%a/b?c:d@h/iqn.x/0?target_user=it&target_password=other%20one");
    CHECK(uri.user == "me");
    CHECK(uri.secret == "a/b?c:d");
    CHECK(uri.host == "h");
    CHECK(uri.target_user == "it");
    CHECK(uri.target_secret == "other%20one");
    CHECK(parse_iscsi_uri("iscsi://me@h/iqn.x/0").secret.empty());
}

TEST_CASE("a wrong iSCSI URI is refused and its secret not shown") {
    for (const char *uri :
         {"iscsi://me%hunter2@h/iqn.x", "iscsi://me%hunter2@h/iqn.x/", "iscsi://me%hunter2@h/iqn.x/a",
          "iscsi://me%hunter2@h/iqn.x/16384", "iscsi://me%hunter2@h/iqn.x/-1", "iscsi://me%hunter2@/iqn.x/0",
          "iscsi://me%hunter2@h:0/iqn.x/0", "iscsi://me%hunter2@h:65536/iqn.x/0",
          "iscsi://me%hunter2@h/disk/0", "iscsi://me%hunter2@h//0", "iscsi://%hunter2@h/iqn.x/0",
          "iscsi://me%hunter2@[::1/iqn.x/0", "iscsi://me%hunter2@h/iqn.x/0?lun=3",
          "iscsi://me%hunter2@h/iqn.x/0?target_password=hunter2", "iscsi://h/iqn.x/0?target_user=hunter2",
          "iscsi://me%hunter2@h/iqn.x/0?target_user=a&target_user=b", "nbd://h/x"}) {
        INFO(uri);
        CHECK_FALSE(problem(uri).empty());
        CHECK(problem(uri).find("hunter2") == std::string::npos);
    }
}

TEST_CASE("a portal may be asked to be numeric") {
    CHECK(backend::parse_numeric_portal("192.0.2.3") == "192.0.2.3:3260");
    CHECK(backend::parse_numeric_portal("192.0.2.3:5") == "192.0.2.3:5");
    CHECK(backend::parse_numeric_portal("[2001:db8::1]:5") == "[2001:db8::1]:5");
    for (const char *wrong :
         {"", "host", "host:5", "192.0.2", "192.0.2.3:0", "192.0.2.3:x", "[::1", "2001:db8::1"})
        CHECK_THROWS_AS(backend::parse_numeric_portal(wrong), base::Error);
}

TEST_CASE("paths to one unit see one cache, whatever the portal") {
    const auto identity = [](std::string_view uri) { return type().cache_identity(uri, {}); };
    CHECK(identity("iscsi://a/iqn.x/1") == identity("iscsi://me%s@b:99/iqn.x/1"));
    CHECK(identity("iscsi://a/iqn.x/1") != identity("iscsi://a/iqn.x/2"));
    CHECK(identity("iscsi://a/iqn.x/1") != identity("iscsi://a/iqn.y/1"));
    CHECK(identity("iscsi://me%hunter2@a/iqn.x/1").find("hunter2") == std::string::npos);
}

TEST_CASE("values of iSCSI paths are checked") {
    CHECK_NOTHROW(type().check_values(defaults()));
    base::KeyValues values = defaults();
    values.set("header_digest", std::string("md5"));
    CHECK_THROWS_AS(type().check_values(values), base::Error);
    values = defaults();
    values.set("max_requests", std::uint64_t{0});
    CHECK_THROWS_AS(type().check_values(values), base::Error);
    values = defaults();
    values.set("initiator_name", std::string("Host 1"));
    CHECK_THROWS_AS(type().check_values(values), base::Error);
    CHECK_NOTHROW(backend::check_initiator_name(backend::default_initiator_name()));
}

TEST_CASE("secrets come from files") {
    const SecretFile mine("hunter2hunter2\nmore\n");
    const SecretFile theirs("hunter3hunter3");
    base::KeyValues values = defaults();
    values.set("secret_file", mine.name);
    values.set("mutual_secret_file", theirs.name);
    const auto login =
        backend::make_iscsi_login(parse_iscsi_uri("iscsi://me@h/iqn.x/0?target_user=it"), values);
    CHECK(login.user == "me");
    CHECK(login.secret == "hunter2hunter2");
    CHECK(login.target_user == "it");
    CHECK(login.target_secret == "hunter3hunter3");
    CHECK(login_problem("iscsi://h/iqn.x/0", values).find("needs a user") != std::string::npos);
    CHECK(login_problem("iscsi://me@h/iqn.x/0", values).find("needs a target_user") != std::string::npos);
}

TEST_CASE("a missing secret is a clear error") {
    base::KeyValues values = defaults();
    CHECK(login_problem("iscsi://me@h/iqn.x/0", values) == "user 'me' has no secret: say secret_file");
    const SecretFile empty("");
    values.set("secret_file", empty.name);
    CHECK_FALSE(login_problem("iscsi://me@h/iqn.x/0", values).empty());
    values.set("secret_file", std::string("/nonexistent/secret"));
    CHECK(login_problem("iscsi://me@h/iqn.x/0", values).find("/nonexistent/secret") != std::string::npos);
}

TEST_CASE("the initiator's name is read as open-iscsi writes it") {
    CHECK(backend::initiator_name_of("# comment\n InitiatorName=iqn.1993-08.org.debian:01:abc \n") ==
          "iqn.1993-08.org.debian:01:abc");
    CHECK(backend::initiator_name_of("GenerateName=yes\n").empty());
    CHECK(backend::initiator_name_of("").empty());
}
