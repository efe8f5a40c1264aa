// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace multipath {

/// Every difference that a map's user can see between `compat: seed` and `compat: kernel`, and nothing else
/// (design, section 3; R numbers are the semantics reference's). What differs in defaults only stands in
/// daemon/plan.cpp.
struct Compat {
    bool asks_selector_each_time;      ///< R2, R4: no request stays on a path by its repeat count
    bool repeat_counts_are_one;        ///< R3: a count above 1 is taken, and shown, as 1
    bool keeps_rotation_on_reinstate;  ///< R12: but for the first path that comes back
    bool last_error_ends_request;      ///< R16: at once, and the group stays current
    bool refuses_messages_suspended;   ///< R22: EBUSY
    bool info_shows_queue_io;          ///< R26: INFO's second word
    bool numbers_wrap;                 ///< modulo 2^32
    bool shows_retained_handler;       ///< R29: TABLE says retain_attached_hw_handler
    bool device_errors_by_name;        ///< an unknown path: ENODEV, ENXIO for N:N
    bool handler_must_attach;          ///< else ENODEV; seed goes on without the handler (R31)
    bool queue_mode_is_fixed;          ///< R43: a new table cannot change to or from queue_mode bio
    bool swap_checks_length;           ///< of a table beside a live one; seed does when it is loaded
    bool bio_mode_stops_queueing;      ///< R19: a suspend without flush too, as long as it lasts
    bool timeout_ends_queueing;        ///< R33: for good, not until a path is back
    bool only_requests_fail_paths;     ///< a connection lost while idle leaves its path active
    bool failed_requests_wait_suspend; ///< one that fails while a suspend waits is not sent again before
                                       ///< resume
    bool repeats_failed_flushes;   ///< a FLUSH or FUA with an error goes to another path; seed: design D10
    unsigned group_without_groups; ///< INFO's group number of a table without groups
};

inline constexpr Compat seed{
    .asks_selector_each_time = false,
    .repeat_counts_are_one = false,
    .keeps_rotation_on_reinstate = false,
    .last_error_ends_request = false,
    .refuses_messages_suspended = false,
    .info_shows_queue_io = false,
    .numbers_wrap = false,
    .shows_retained_handler = false,
    .device_errors_by_name = false,
    .handler_must_attach = false,
    .queue_mode_is_fixed = false,
    .swap_checks_length = false,
    .bio_mode_stops_queueing = false,
    .timeout_ends_queueing = false,
    .only_requests_fail_paths = false,
    .failed_requests_wait_suspend = false,
    .repeats_failed_flushes = false,
    .group_without_groups = 1,
};

inline constexpr Compat kernel{
    .asks_selector_each_time = true,
    .repeat_counts_are_one = true,
    .keeps_rotation_on_reinstate = true,
    .last_error_ends_request = true,
    .refuses_messages_suspended = true,
    .info_shows_queue_io = true,
    .numbers_wrap = true,
    .shows_retained_handler = true,
    .device_errors_by_name = true,
    .handler_must_attach = true,
    .queue_mode_is_fixed = true,
    .swap_checks_length = true,
    .bio_mode_stops_queueing = true,
    .timeout_ends_queueing = true,
    .only_requests_fail_paths = true,
    .failed_requests_wait_suspend = true,
    .repeats_failed_flushes = true,
    .group_without_groups = 0,
};

} // namespace multipath
