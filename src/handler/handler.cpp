// SPDX-License-Identifier: BSD-3-Clause
#include "handler/handler.hpp"

#include "handler/handler_list.hpp"

namespace handler {

std::span<const Type *const> all_types() noexcept { return registered; }

const Type *find_type(std::string_view name) noexcept {
    for (const Type *type : registered)
        if (type->name == name)
            return type;
    return nullptr;
}

std::string_view name_of(Result result) noexcept {
    switch (result) {
    case Result::ok:
        return "OK";
    case Result::device_failed:
        return "DEV_FAILED";
    case Result::temporarily_busy:
        return "DEV_TEMP_BUSY";
    case Result::unsupported:
        return "DEV_UNSUPP";
    case Result::not_connected:
        return "NOTCONN";
    case Result::connection_failure:
        return "CONN_FAILURE";
    case Result::io_error:
        return "IO";
    case Result::invalid_io:
        return "INVALID_IO";
    case Result::retry:
        return "RETRY";
    case Result::immediate_retry:
        return "IMM_RETRY";
    case Result::timed_out:
        return "TIMED_OUT";
    case Result::resource_unavailable:
        return "RES_TEMP_UNAVAIL";
    case Result::offlined:
        return "DEV_OFFLINED";
    case Result::no_system:
        return "NOSYS";
    }
    return "?";
}

} // namespace handler
