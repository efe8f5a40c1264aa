# SPDX-License-Identifier: BSD-3-Clause
"""Plays a scenario through a real nbdmpathd and sees what the recording saw.

A recording gave the kernel fixed times: 0.7 s for a background step to be "pending", 3 s for what is awaited, 80 ms
after each step. With a recording at hand this waits for what it says: long for what is to happen, so that a loaded
machine does no harm, and shortly for what is not to happen.
"""
import os
import pathlib
import subprocess
import tempfile
import time

import paths as devices
import traces
from jobs import Admin, Client, Command, Commands, Io, WaitEvent

NBDMPATHD = os.environ.get("NBDMPATHD", "build/src/nbdmpathd")
PATIENCE = 60 if os.environ.get("NBDMPATH_SANITIZED") else 20  # seconds for what a recording says will happen
STILL = 0.25  # seconds in which nothing happens that is not to happen
SETTLE = 0.08
TIMEOUT_PARAMETER = "queue_if_no_path_timeout_secs"


class MapSeen:
    """The map as an operator sees it."""

    def __init__(self, admin, scenario):
        self.admin, self.paths = admin, scenario.paths
        # The recordings count with the block layer's statistics, where what dm-linear's error target ends does not stand.
        self.counts_failed = scenario.kind != "linear"

    def begun(self):
        """Requests that begun on each path so far."""
        counts = dict.fromkeys(self.paths, 0)
        for line in self.admin.ask("show", "stats", "mp")[0]:
            words = dict(word.partition("=")[::2] for word in line.split())
            if "path" in words:
                counts[words["path"]] += int(words["requests"]) - (0 if self.counts_failed else int(words["errors"]))
        return counts

    def grown(self, before):
        """Paths that got requests since, "p1" or "p1*2". A new table counts from zero."""
        now = self.begun()
        growth = {path: now[path] - before[path] if now[path] >= before[path] else now[path] for path in self.paths}
        return [path if count == 1 else f"{path}*{count}" for path, count in growth.items() if count]

    def failed_paths(self):
        words = " ".join(self.admin.ask("status", "mp")[0]).split()
        return {path for path, state in zip(words, words[1:]) if path in self.paths and state == "F"}

    def look(self):
        """The lines of a trace; None when there is no such map."""
        lines, result = self.admin.ask("info", "mp")
        if result != "ok":
            return None
        info = dict(line.split(": ", 1) for line in lines)
        return {"event": info["event number"], "open count": int(info["open count"]),
                "state": f"{info['state']} {'&'.join(info['tables'].split())}".lower(),
                "status": "".join(self.admin.ask("status", "mp")[0]).strip(),
                "table": "".join(self.admin.ask("table", "mp")[0]).strip()}


class Player:
    def __init__(self, scenario, recording=None):
        self.scenario = scenario
        self.recording = recording
        self.seen = []  # a traces.Seen for each step so far, the present one last
        self.difference = None
        self.jobs = {}  # under way, by tag
        self.timeout_seconds = 0
        self.events = 0

    def play(self):
        """The steps as seen; then `difference` says where they are not the recording's."""
        self.daemon = self.paths = None
        with tempfile.TemporaryDirectory(prefix="nbdmpath-scn.") as directory:
            self.directory = pathlib.Path(directory)
            try:
                self._start()
                for step in self.scenario.steps:
                    self._play_step(step)
                self._end()
            finally:
                for process in (self.paths, self.daemon):
                    if process is not None:
                        process.kill()
        return self.seen

    # The daemon and its paths

    def _start(self):
        kind = devices.Servers if self.scenario.kind == "nbd" else devices.Files
        self.paths = kind(self.scenario, self.directory)
        self._until(self.paths.ready, PATIENCE)
        unix = self.directory / "admin.sock"
        text = f"listen: [{{unix: {self.directory}/nbd.sock}}]\nadmin: [{{unix: {unix}}}]\n"
        text += "threads: 1\nshutdown_timeout: 2s\npaths:\n"
        text += "".join(f"  {path}: {self.paths.uri(path)}\n" for path in self.scenario.paths)
        (self.directory / "conf.yaml").write_text(text)
        with open(self.directory / "log", "wb") as log:
            self.daemon = subprocess.Popen([NBDMPATHD, "-c", self.directory / "conf.yaml"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log)
        self._until(lambda: "serving" in self._log() or self.daemon.poll() is not None, PATIENCE)
        assert self.daemon.poll() is None, self._log()
        self.unix = unix
        self.admin = Admin(unix)
        self.map = MapSeen(self.admin, self.scenario)
        self.begun = self.map.begun()
        self.client = self._new_client()

    def _log(self):
        return (self.directory / "log").read_text(errors="replace")

    def _end(self):
        for job in self.jobs.values():
            job.close()
        self.client.close()
        self.daemon.terminate()
        status = self.daemon.wait(PATIENCE)
        assert status == 0, f"nbdmpathd ended with {status}: {self._log()[-2000:]}"

    def _new_client(self):
        return Client(f"nbd+unix:///mp?socket={self.directory}/nbd.sock", devices.Kind(self.scenario))

    # Time

    def _until(self, condition, seconds):
        """Lets everything under way go on until the condition is true, and says whether it became so."""
        end = time.monotonic() + seconds
        while True:
            for job in self.jobs.values():
                job.pump()
            if condition():
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.002)

    @property
    def _expected(self):
        """The recording's lines of the present step; None without a recording, or when it was left before."""
        if self.recording is None or self.difference is not None:
            return None
        return self.recording[len(self.seen) - 1].fields

    def _wait_for(self, job, seconds):
        """Until the job has ended, or has shown that it does not. `seconds`: what the recordings gave it."""
        if self._expected is not None:
            seconds = STILL if self._expected.get("result") == "pending" else PATIENCE
        return self._until(lambda: job.result is not None, seconds)

    # Steps

    def _play_step(self, step):
        self.seen.append(traces.Seen(step.text))
        verb, *words = step.words
        if verb == "bg":
            self._in_background(words[0], words[1:])
        elif verb == "await":
            self._await(words[0])
        elif verb.endswith("-device"):
            self._act_on_devices(verb.removesuffix("-device"), words)
        elif verb == "param":
            self._set_parameter(*words)
        elif verb == "sleep":
            self._until(lambda: False, int(words[0]) / 1000)
        elif verb not in ("status", "table"):
            self._in_foreground(step.words)
        self._observe(step.number == len(self.scenario.steps))

    def _show(self, **lines):
        self.seen[-1].fields.update(lines)

    def _in_foreground(self, words):
        job = self._job(words, self.client)
        self.jobs["(foreground)"] = job
        self._wait_for(job, 8)
        self._show(result=job.result or "pending")
        if job.order is not None:
            self._show(order=job.order)
        if job.result is not None:
            del self.jobs["(foreground)"]

    def _in_background(self, tag, words):
        client = self._new_client()
        self.jobs[tag] = job = self._job(words, client)
        job.client = client
        if self._wait_for(job, 0.7):
            self._ended(tag)
            if job.order is not None:
                self._show(order=job.order)
        else:
            self._show(result="pending")

    def _await(self, tag):
        if tag not in self.jobs:
            self._show(result="(shown at its bg)")
        elif self._wait_for(self.jobs[tag], 3):
            self._ended(tag)
        else:
            self._show(result="pending")

    def _ended(self, tag):
        job = self.jobs.pop(tag)
        job.client.close()
        self._show(result=job.result)

    def _act_on_devices(self, action, names):
        act = getattr(self.paths, action, None)  # None: devices of this kind cannot
        for name in names:
            if act is not None and name in self.scenario.paths:
                act(name)

    def _set_parameter(self, name, value):
        if name != TIMEOUT_PARAMETER or not value.isdigit():
            self._show(result="EINVAL")
            return
        self.timeout_seconds = int(value)
        self._show(result="ok")

    def _job(self, words, client):
        verb, *words = words
        if verb == "io":
            return Io(client, words, self.map)
        if verb == "wait-event":
            return WaitEvent(self.unix, words[0], float(words[1]) if len(words) > 1 else 2)
        if verb == "create":
            return Commands(self.unix, lambda: self._create(words), self._resume)
        if verb == "reload":
            return Commands(self.unix, lambda: ["load", "mp", *self._words(words)])
        if verb == "resume":
            return Commands(self.unix, self._resume)
        if verb == "suspend":
            return Command(self.unix, "suspend", *(f"--{word}" for word in words), "mp")
        if verb == "message":
            return Command(self.unix, "message", "mp", 0, *self._words(words))
        if verb == "remove":
            self._let_go()
        return Command(self.unix, verb, "mp")

    @staticmethod
    def _words(words):
        """/dev/pK is another name of path pK."""
        return [word.removeprefix("/dev/") if word.startswith("/dev/p") and word[6:].isdigit() else word for word in words]

    def _create(self, words):
        return ["create", "mp", "--size", self.scenario.map_sectors * 512, "--compat", "kernel",
                "--no-path-timeout", f"{self._timeout_of_new_map()}s", *self._words(words)]

    def _timeout_of_new_map(self):
        """The kernel's is a parameter of the module, which a scenario may set at any time; ours is an option of the map from
        its beginning: the first that is set while it lives."""
        if self.timeout_seconds == 0:
            for step in self.scenario.steps[len(self.seen):]:
                if step.verb == "remove":
                    break
                if step.text.startswith(f"param {TIMEOUT_PARAMETER} "):
                    return step.words[2]
        return self.timeout_seconds

    def _resume(self):
        # Here the map knows the paths of its new table, and nothing has gone there yet.
        self.paths.again(self.admin)
        return ["resume", "mp"]

    def _let_go(self):
        """A device can be removed that nobody has open: only I/O under way does."""
        self.client.close()
        using = [job for job in self.jobs.values() if isinstance(job, Io)]
        self._until(lambda: (self.map.look() or {}).get("open count", 0) <= len(using), PATIENCE)

    # What is seen after a step

    def _observe(self, last):
        patience = SETTLE
        if self._expected is not None:
            patience = PATIENCE
            if last:
                self._until(lambda: False, STILL)
            self._look()
            if (self._difference() or "").partition(": ")[2].startswith(("result", "order")):
                patience = 0  # these do not change any more
        self._until(self._look, patience)
        step = self.seen[-1]
        if self._expected is not None:
            self.difference = self._difference()
        self.events = step.event_number or 0
        self.begun = self.map.begun()

    def _look(self):
        """Fills in the step's lines; true when they are as recorded."""
        step = self.seen[-1]
        grown = self.map.grown(self.begun)
        seen = self.map.look()
        step.fields = {name: step.fields[name] for name in ("result", "order") if name in step.fields}
        if grown:
            step.fields["begun"] = "+".join(grown)
        if seen is None:
            step.fields["event"] = "-"
        else:
            step.fields["event"] = traces.event_text(int(seen["event"]), self.events)
            step.fields.update({name: seen[name] for name in ("state", "status", "table")})
        return self._expected is not None and self._difference() is None

    def _difference(self):
        expected = self.recording[len(self.seen) - 1]
        found = traces.difference(expected, self.seen[-1], self.events)
        return found and f"step {len(self.seen)} ({self.seen[-1].text}): {found}"
