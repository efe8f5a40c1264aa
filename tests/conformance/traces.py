# SPDX-License-Identifier: BSD-3-Clause
"""A trace: what was seen after each step, as text in the recordings' format, and the comparison of two."""
import dataclasses
import itertools
import pathlib
import re

import not_applicable

# What another implementation is compared on; the rest of a recording is for its reader.
COMPARED = ("result", "order", "event", "state", "status", "table")
GROWTH = re.compile(r"\(\+(\d+)(?:\.\.(\d+))?\)")


@dataclasses.dataclass
class Seen:
    """One step: the lines that it has, by name, in the order they are written."""
    text: str
    fields: dict = dataclasses.field(default_factory=dict)

    @property
    def event_number(self):
        """None: there is no device."""
        number = self.fields["event"].split()[0]
        return None if number == "-" else int(number)


def read(file):
    """The steps of a trace file."""
    steps = []
    for line in pathlib.Path(file).read_text().splitlines():
        if match := re.match(r"step \d+: ?(.*)", line):
            steps.append(Seen(match[1]))
        elif steps and line and not line.startswith("#"):
            name, _, value = line.partition(":")
            steps[-1].fields[name] = value.strip()
    return steps


def write(file, scenario, steps):
    lines = [f"# scenario {scenario.name}", "# nbdmpathd", f"title: {scenario.title}",
             f"paths: {scenario.path_count} {scenario.kind}, {scenario.size} sectors"]
    for number, step in enumerate(steps, 1):
        lines += ["", f"step {number}: {step.text}"]
        lines += [f"{name}: {value}".rstrip() for name, value in step.fields.items()]
    pathlib.Path(file).write_text("\n".join(lines) + "\n")


def event_text(number, before):
    """An event line: the number and how much it has grown."""
    return str(number) if number == before else f"{number} (+{number - before})"


def event_fits(expected, got, before):
    """Path changes that come together are one event or several, as the kernel's worker finds time: a recording then has
    a range for the growth, and "?" for the number from there on."""
    if "-" in (expected, got):
        return expected == got
    number = got.split()[0]
    if expected.split()[0] not in ("?", number):
        return False
    match = GROWTH.search(expected)
    least = int(match[1]) if match else 0
    most = int(match[2] or match[1]) if match else 0
    return least <= int(number) - before <= most


def run_lengths(words):
    """ok | ok*3 EIO*1"""
    runs = [(word, len(list(group))) for word, group in itertools.groupby(words)]
    return runs[0][0] if len(runs) == 1 else " ".join(f"{word}*{count}" for word, count in runs)


def on_the_wire(result):
    """A result as an NBD client can be told it."""
    words = []
    for run in result.split():
        word, _, count = run.partition("*")
        words += [not_applicable.ON_THE_WIRE.get(word, word)] * int(count or 1)
    return run_lengths(words) if words else result


def difference(expected, got, events_before):
    """The first line that differs, as text; None when none does. `events_before`: our event number before the step."""
    for name in COMPARED:
        want, have = expected.fields.get(name, ""), got.fields.get(name, "")
        if name == "event":
            fits = event_fits(want, have, events_before)
        else:
            fits = have.split() in (want.split(), on_the_wire(want).split() if name == "result" else None)
        if not fits:
            return f"{name}: expected '{want}', got '{have}'"
    return None
