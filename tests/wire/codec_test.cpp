// SPDX-License-Identifier: BSD-3-Clause
#include "wire/codec.hpp"

#include "wire/big_endian.hpp"

#include <doctest/doctest.h>

TEST_CASE("a request survives the way over the wire") {
    const wire::RequestHeader sent{.flags = wire::fua,
                                   .command = wire::Command::write,
                                   .cookie = 0x1122334455667788,
                                   .offset = 0x8000000000000001,
                                   .length = 0xfffffffe};
    const wire::RequestHeader came = wire::decode_request(wire::encode_request(sent).data());
    CHECK(came.magic == wire::request_magic);
    CHECK(came.flags == sent.flags);
    CHECK(came.command == sent.command);
    CHECK(came.cookie == sent.cookie);
    CHECK(came.offset == sent.offset);
    CHECK(came.length == sent.length);
}

TEST_CASE("an extended request carries 64-bit lengths") {
    const wire::RequestHeader sent{
        .magic = wire::extended_request_magic, .flags = wire::payload_length, .length = 0x123456789abcdef0};
    const auto bytes = wire::encode_extended_request(sent);
    const wire::RequestHeader came = wire::decode_request(bytes.data(), wire::Dialect::extended);
    CHECK(came.magic == 0x21e41c71);
    CHECK(came.length == sent.length);
    CHECK(bytes[24] == std::byte{0x12});
}

TEST_CASE("numbers are big endian on the wire") {
    const wire::SimpleReplyBytes bytes = wire::encode_simple_reply(wire::Error::enospc, 1);
    CHECK(bytes[0] == std::byte{0x67});
    CHECK(bytes[7] == std::byte{28});
    CHECK(bytes[15] == std::byte{1});
    const wire::SimpleReply reply = wire::decode_simple_reply(bytes.data());
    CHECK(reply.magic == wire::simple_reply_magic);
    CHECK(reply.error == 28);
    CHECK(reply.cookie == 1);
}

TEST_CASE("only the protocol's error values are told to clients") {
    const auto told = [](int error) { return wire::error_of(block::Status::target_error(error), false); };
    CHECK(wire::error_of(block::Status::success(), false) == wire::Error::none);
    CHECK(told(EROFS) == wire::Error::eperm);
    CHECK(told(EDQUOT) == wire::Error::enospc);
    CHECK(told(EFBIG) == wire::Error::enospc);
    CHECK(told(ETIMEDOUT) == wire::Error::eio);
    CHECK(told(ENOTCONN) == wire::Error::eio);
    CHECK(told(ESHUTDOWN) == wire::Error::eshutdown);
    CHECK(told(EOVERFLOW) == wire::Error::eoverflow);
}

TEST_CASE("not supported is told as such only to a fast zero") {
    CHECK(wire::error_of({block::Outcome::pass, ENOTSUP}, true) == wire::Error::enotsup);
    CHECK(wire::error_of({block::Outcome::pass, ENOTSUP}, false) == wire::Error::einval);
}
