# SPDX-License-Identifier: BSD-3-Clause
"""What the system tests share: a directory of their own, real servers and clients in it, nbdmpathd, its admin socket.

A test is a program: functions named `test_…` taking a Rig, run by main(). It prints `ok NAME` or `not ok NAME: why`
for each and ends with 0 or 1, or with 77 when a tool is missing. Nothing here sleeps and hopes: wait_for() polls a
condition with a deadline. Every process ends with the Rig, by pid.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

NBDMPATHD = os.environ.get("NBDMPATHD", "build/src/nbdmpathd")
NBDMPATHCTL = os.environ.get("NBDMPATHCTL", "build/src/nbdmpathctl")
SANITIZED = os.environ.get("NBDMPATH_SANITIZED", "")  # bars on time are then not for judging


def in_time(seconds, bar):
    """Whether something took less than `bar` seconds, as far as that can be judged: on a machine that has more to do than
    its processors can, everything takes longer."""
    return SANITIZED or seconds < bar * max(1, os.getloadavg()[0] / os.cpu_count())


def wait_for(condition, seconds=10, what="condition"):
    """Polls until condition() is true and returns its value; an AssertionError after the deadline."""
    end = time.monotonic() + seconds * (5 if SANITIZED else 1)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)


def stop(pid):
    """SIGSTOP, and returns when every thread of the process stands still: that takes its time, in which it answers."""
    def stands_still():
        try:
            threads = [task / "stat" for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
            return all(stat.read_text().rsplit(") ", 1)[1].startswith("T") for stat in threads)
        except FileNotFoundError:  # one has just ended
            return False

    os.kill(pid, signal.SIGSTOP)
    wait_for(stands_still, what="a process that stands still")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def require(*tools):
    """Ends the program as skipped (a failure in CI) when a tool is not installed."""
    for tool in tools:
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            print(f"skip: {tool} is not installed")
            sys.exit(77)


class Process:
    """A child process that is ended with its Rig."""

    def __init__(self, words, log, **options):
        self.words = [str(word) for word in words]
        self.log = log
        with open(log, "ab") as output:
            self.child = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self):
        stop(self.pid)

    def kill(self):
        """kill -9, and gone when this returns."""
        with contextlib.suppress(ProcessLookupError):
            self.child.kill()
        self.child.wait()

    def end(self, seconds=15):
        """SIGTERM; returns the exit status."""
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self.child.wait(seconds * (5 if SANITIZED else 1))


class Daemonized:
    """A server that went into the background and left its pid in a file."""

    def __init__(self, pid_file):
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), what=str(pid_file))
        self.pid = int(pid_file.read_text())

    def alive(self):
        return os.path.exists(f"/proc/{self.pid}")

    def kill(self):
        """kill -9, with the children that serve its clients."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            family = [self.pid, *map(int, file.read().split())]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Rig:
    """A temporary directory and what runs in it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="nbdmpath-test."))
        self.processes = []
        self.daemon = None

    def close(self):
        for process in reversed(self.processes):
            if process.alive():
                process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return self.directory / name

    def run(self, *words, check=True, timeout=120, **options):
        """Runs a program to its end and returns it with its output as text."""
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace",
                              timeout=timeout, stdin=options.pop("stdin", subprocess.DEVNULL), **options)
        if check:
            assert done.returncode == 0, f"{words[0]} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return done

    def start(self, name, *words, **options):
        process = Process(words, self.path(name + ".log"), **options)
        self.processes.append(process)
        return process

    def disk(self, name="disk", size=64 << 20):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
        return self.path(name)

    def nbdkit(self, name, *plugin, filters=()):
        """An nbdkit on the unix socket NAME.sock, accepting when this returns. `plugin` e.g. "file", path."""
        unix = self.path(name + ".sock")
        unix.unlink(missing_ok=True)
        # Not in the foreground option -f alone: nbdkit then dies with its parent thread, which is fine here.
        server = self.start(name, "nbdkit", "-f", "-U", unix, *[f"--filter={f}" for f in filters], *plugin)
        wait_for(lambda: self.accepts(unix) or not server.alive(), what=f"nbdkit {name}")
        assert server.alive(), server.output()
        return server

    def uri(self, name):
        """The path URI of a server started here on NAME.sock."""
        return f"nbd+unix:///?socket={self.path(name + '.sock')}"

    @staticmethod
    def accepts(unix):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(unix))
                return True
            except OSError:
                return False

    def nbdmpathd(self, text, *arguments, wait=True):
        """Starts the daemon with this configuration; `listen` and `admin` on unix sockets are added unless given."""
        if "listen:" not in text:
            text = f"listen: [{{unix: {self.path('nbd.sock')}}}]\n" + text
        if "admin:" not in text:
            text = f"admin: [{{unix: {self.path('admin.sock')}}}]\n" + text
        self.path("nbdmpathd.yaml").write_text(text)
        self.daemon = self.start("nbdmpathd", NBDMPATHD, "-c", self.path("nbdmpathd.yaml"), *arguments)
        if wait:
            wait_for(lambda: "serving" in self.daemon.output() or not self.daemon.alive(), what="nbdmpathd")
            assert self.daemon.alive(), self.daemon.output()
        return self.daemon

    def export(self, name=""):
        return f"nbd+unix:///{name}?socket={self.path('nbd.sock')}"

    def ctl(self, *words, check=True):
        """The data lines of an admin command; with check=False the finished nbdmpathctl itself."""
        done = self.run(NBDMPATHCTL, "-s", self.path("admin.sock"), *words, check=False)
        if not check:
            return done
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.splitlines()

    def status(self, name):
        return self.ctl("status", name)[0].strip()

    def held(self, name):
        return int(self.status(name).split()[4])

    def info(self, name):
        """What `info` says, as a dictionary."""
        return dict(line.split(": ", 1) for line in self.ctl("info", name))

    def message(self, name, *words):
        self.ctl("message", name, "0", *words)

    def path_state(self, name, path):
        """'A' or 'F' of a path's first entry in the status line."""
        words = self.status(name).split()
        return words[words.index(path) + 1]

    def wait_for_path(self, name, path, state, seconds=10):
        """Until a path is 'A' or 'F'."""
        wait_for(lambda: self.path_state(name, path) == state, seconds, f"path {path} {state}")

    def wait_for_held(self, name, count, seconds=10):
        """Until so many requests are held."""
        wait_for(lambda: self.held(name) == count, seconds, f"{count} held requests")


def main(namespace):
    """Runs every test_… function, or those named on the command line."""
    tests = {name: test for name, test in namespace.items() if name.startswith("test_")}
    chosen = sys.argv[1:] or list(tests)
    failed = 0
    for name in chosen:
        rig = Rig()
        title = name.removeprefix("test_").replace("_", " ")
        try:
            tests[name](rig)
            if rig.daemon is not None and rig.daemon.alive():
                status = rig.daemon.end()
                assert status == 0, f"nbdmpathd ended with {status}: {rig.daemon.output()[-3000:]}"
            print(f"ok {title}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {title}: {error}", flush=True)
            traceback.print_exc()
            if rig.daemon is not None:
                print(rig.daemon.output()[-4000:], flush=True)
        finally:
            rig.close()
    sys.exit(1 if failed else 0)
