#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""count.py BUILD-DIRECTORY...

Counts the test cases, not the test programs, of the last `meson test` in each
directory and ends with the line "N passed, N failed, N skipped". The exit status
is 0 if none failed and some ran.

doctest's summary is believed; a script says `ok NAME`, `not ok NAME` or
`skip NAME`, one line a case; any other program is one case. A program which failed
without a failed case to show for it is one more. Exit status 77, a missing tool,
is a skip, and a failure where CI is set.
"""

import json
import os
import re
import sys

DOCTEST = re.compile(r"^\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped",
                     re.MULTILINE)
SCRIPT = re.compile(r"^(ok|not ok|skip) (\S.*)$", re.MULTILINE)
TAP_SKIP = re.compile(r"# skip\b", re.IGNORECASE)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add_cases(self, output):
        """Adds the cases which the output of a test program names."""
        for passed, failed, skipped in DOCTEST.findall(output):
            self.passed += int(passed)
            self.failed += int(failed)
            self.skipped += int(skipped)
        for word, name in SCRIPT.findall(output):
            if word == "not ok":
                self.failed += 1
            elif word == "skip" or TAP_SKIP.search(name):
                self.skipped += 1
            else:
                self.passed += 1

    def cases(self):
        return self.passed + self.failed + self.skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def count_program(entry):
    count = Count()
    count.add_cases(entry.get("stdout") or "")
    result = entry["result"]
    if result == "SKIP":
        if os.environ.get("CI"):
            count.failed += 1
        else:
            count.skipped += 1
    elif result in ("OK", "EXPECTEDFAIL"):
        if not count.cases():
            count.passed += 1
    elif not count.failed:
        count.failed += 1
    return count


def count_directory(directory):
    total = Count()
    try:
        with open(os.path.join(directory, "meson-logs", "testlog.json"), encoding="utf-8") as log:
            entries = [json.loads(line) for line in log]
    except FileNotFoundError:
        entries = []
    if not entries:
        print(f"{directory}: no test ran")
        total.failed += 1
    for entry in entries:
        count = count_program(entry)
        if count.failed:
            why = "a tool is missing" if entry["result"] == "SKIP" else entry["result"].lower()
            print(f"{os.path.basename(directory)}: {entry['name']}: {count.failed} failed ({why})")
        total.add(count)
    return total


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    total = Count()
    for directory in sys.argv[1:]:
        total.add(count_directory(directory))
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
