# SPDX-License-Identifier: BSD-3-Clause
"""A scenario (NAME.scn): its headers and its steps."""
import dataclasses
import pathlib

HEADERS = ("title:", "paths:", "size:", "length:")


@dataclasses.dataclass
class Step:
    number: int
    text: str  # without the expectation

    @property
    def words(self):
        return self.text.split()

    @property
    def verb(self):
        return self.words[0]


class Scenario:
    def __init__(self, file):
        self.file = pathlib.Path(file)
        self.name = self.file.stem
        self.title = ""
        self.path_count, self.kind, self.options = 2, "null", {}
        self.size = 2048  # sectors of each path
        self.length = None  # of the map; None: as the paths
        self.steps = []
        for line in self.file.read_text().splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                self._read(line)

    def _read(self, line):
        header, _, rest = line.partition(" ")
        if header == "title:":
            self.title = rest
        elif header == "paths:":
            count, *words = rest.split()
            self.path_count = int(count)
            self.kind = words[0] if words else "null"
            self.options = dict(word.partition("=")[::2] for word in words[1:])
        elif header == "size:":
            self.size = int(rest)
        elif header == "length:":
            self.length = int(rest)
        else:
            # What it expects only marks a recording as unexpected: the recording itself says what happened.
            self.steps.append(Step(len(self.steps) + 1, line.split(" expect ")[0].rstrip()))

    @property
    def map_sectors(self):
        return self.length or self.size

    @property
    def paths(self):
        return [f"p{number + 1}" for number in range(self.path_count)]
