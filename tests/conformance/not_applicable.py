# SPDX-License-Identifier: BSD-3-Clause
"""What a server in userspace cannot have, and why: all of it is in this file."""

# An errno that NBD has no number for, and what the server has to answer instead.
ON_THE_WIRE = {"ENODATA": "EIO", "EREMOTEIO": "EIO", "EILSEQ": "EIO", "ENOLINK": "EIO", "ETIMEDOUT": "EIO", "EBADE": "EIO"}


def tables(scenario):
    """The tables that it loads, as lists of words."""
    for step in scenario.steps:
        words = step.words[2:] if step.verb == "bg" else step.words
        if words[0] in ("create", "reload"):
            yield words[1:]


def handler(table):
    """The hardware handler's name, None without one."""
    if not table or not table[0].isdigit():
        return None
    rest = table[1 + int(table[0]):]
    return rest[1] if len(rest) > 1 and rest[0].isdigit() and rest[0] != "0" else None


def has_bio_based_paths_in_a_request_based_table(scenario):
    return scenario.kind == "linear" and any("bio" not in map(str.lower, table) for table in tables(scenario))


def attaches_a_handler(scenario):
    return scenario.kind == "scsi" and any(handler(table) for table in tables(scenario))


ROWS = (
    (has_bio_based_paths_in_a_request_based_table,
     "the device mapper refuses bio-based devices below a request-based table; paths of ours are neither"),
    (attaches_a_handler, "scsi_dh attaches a handler to a SCSI device of this host; its paths here are files"),
)


def reason(scenario):
    """Why the scenario is not applicable; None when it is."""
    return next((why for applies, why in ROWS if applies(scenario)), None)
