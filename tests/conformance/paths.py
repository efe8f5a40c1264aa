# SPDX-License-Identifier: BSD-3-Clause
"""The paths of a scenario: what stands for a kind of device, and how it fails.

`nbd` paths are real servers, one process a path, and what happens to them happens to the process. The other kinds are
files with faults injected by the daemon.
"""
import os
import pathlib
import signal
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "system"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

SECTOR = 512
# scsi_debug: reads of these sectors are a medium error.
BAD_SECTORS = (4660, 10)


class Kind:
    """What the block layer of the recordings' kernel knew of a kind of device, and so of a multipath device on top."""

    def __init__(self, scenario):
        self.has_cache = scenario.kind in ("nbd", "scsi")  # else a flush ends there
        self.discards = scenario.kind == "nbd" or scenario.options.get("discard") == "1"
        self.longest = SECTOR * (255 if scenario.kind in ("null", "linear") else 2560)


def make_disk(scenario, directory):
    with open(directory / "disk", "wb") as file:
        file.truncate(scenario.size * SECTOR)
    return directory / "disk"


class Files:
    """null, linear, scsi. The daemon keeps faults for a path that a map has: what is broken before is told it when a
    map gets it, by again()."""

    def __init__(self, scenario, directory):
        self.disk = make_disk(scenario, directory)
        self.scenario = scenario
        self.broken = set()
        self.admin = None

    @staticmethod
    def ready():
        return True

    def uri(self, _path):
        return f"file://{self.disk}"

    def fail(self, path):
        self.broken.add(path)
        self._inject(path)

    def heal(self, path):
        self.broken.discard(path)
        self._inject(path)

    def again(self, admin):
        self.admin = admin
        for path in self.scenario.paths:
            self._inject(path)

    def _inject(self, path):
        rules = []
        if path in self.broken:
            rules.append(["error=EIO"])
        elif self.scenario.kind == "scsi":
            first, count = BAD_SECTORS
            rules.append(["error=target:EIO", "op=read", f"range={first * SECTOR}+{count * SECTOR}"])
        if self.admin is not None and self.admin.ask("inject", "mp", path, "off")[1] == "ok":
            for rule in rules:
                result = self.admin.ask("inject", "mp", path, *rule)[1]
                assert result == "ok", f"inject {rule}: {result}"

    def kill(self):
        pass


class Servers:
    """nbd: an nbdkit for each path, all on one file. Which error it answers is not what the scenario says: the kernel's
    nbd driver makes EIO of each."""

    def __init__(self, scenario, directory):
        self.directory = directory
        disk = make_disk(scenario, directory)
        self.children = {}
        for path in scenario.paths:
            with open(directory / f"{path}.log", "wb") as log:
                self.children[path] = subprocess.Popen(
                    ["nbdkit", "--foreground", "--exit-with-parent", "--unix", self._socket(path), "--filter=error",
                     "file", disk, "error=EIO", "error-rate=100%", f"error-file={self._switch(path)}"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _socket(self, path):
        return self.directory / f"{path}.sock"

    def _switch(self, path):
        return self.directory / f"{path}.fails"

    def ready(self):
        return all(self._socket(path).exists() for path in self.children)

    def uri(self, path):
        return f"nbd+unix:///?socket={self._socket(path)}"

    def fail(self, path):
        self._switch(path).touch()

    def heal(self, path):
        self._switch(path).unlink(missing_ok=True)

    def hold(self, path):
        harness.stop(self.children[path].pid)

    def release(self, path):
        os.kill(self.children[path].pid, signal.SIGCONT)

    def drop(self, path):
        self.children[path].kill()
        self.children[path].wait()

    def again(self, admin):
        pass

    def kill(self):
        for child in self.children.values():
            child.kill()
            child.wait()
