# SPDX-License-Identifier: BSD-3-Clause
"""Two servers of one disk, a slow network before each, what happens to them, and the command that cuts one off."""
import contextlib
import fcntl
import os
import pathlib
import random
import signal
import sys
import time

from harness import SANITIZED, wait_for
from proxy import Proxy

LONGEST_PAUSE = 1.2  # of a server or a network; ambiguous_hold is longer
HOLD = 20 if SANITIZED else 5
NAMES = "ab"

# Takes the lock, so that it finds the server's own pid; ends when nothing of the process runs any more.
FENCE = """
exec 9>{directory}/$NBDMPATH_PATH.lock; flock 9
pid=$(cat {directory}/$NBDMPATH_PATH.pid) || exit 0
echo $NBDMPATH_PATH >>{directory}/fenced
kill -9 $pid
while [ -e /proc/$pid ]; do
    [ "$(ls /proc/$pid/task 2>/dev/null)" != $pid ] || ! grep -q '^State:.Z' /proc/$pid/status 2>/dev/null || exit 0
    sleep 0.01
done
"""


class Servers:
    """Started by start_one(name), which returns its Process."""

    def __init__(self, rig, start_one):
        self.rig, self.start_one = rig, start_one
        self.killed = 0
        self.running = {}
        rig.path("fence").write_text(FENCE.format(directory=rig.directory))
        rig.path("fenced").touch()
        for name in NAMES:
            self.start(name)
        self.proxies = {name: Proxy(rig.path(f"proxy-{name}.sock"), rig.path(f"{name}.sock")) for name in NAMES}

    def paths(self, keys=""):
        """The section `paths` of a configuration."""
        return "paths:\n" + "".join(
            f'  {name}: {{uri: "{self.rig.uri("proxy-" + name)}", stall_timeout: 300ms, reconnect_delay: 100ms {keys}}}\n'
            for name in NAMES)

    def fence_key(self):
        return f', fence_command: "sh {self.rig.path("fence")}"'

    def deaths(self):
        """How many have died, by us and by the fence; one that dies now is counted already."""
        return self.killed + self.rig.path("fenced").stat().st_size // len("a\n")

    @contextlib.contextmanager
    def locked(self, name):
        with open(self.rig.path(f"{name}.lock"), "w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def start(self, name):
        with self.locked(name):
            if name not in self.running or not self.running[name].alive():
                self.running[name] = self.start_one(name)
                self.rig.path(f"{name}.pid").write_text(f"{self.running[name].pid}\n")

    def kill(self, name):
        self.killed += 1
        with self.locked(name):
            self.rig.path(f"{name}.pid").unlink(missing_ok=True)
            self.running[name].kill()

    def signal(self, name, number):
        with self.locked(name):
            if self.running[name].alive():
                self.running[name].signal(number)

    def drained(self, name):
        """Nobody's requests are under way: what a client sent that is dead now has been carried out."""
        if not self.running[name].alive():
            return True
        descriptors = pathlib.Path(f"/proc/{self.running[name].pid}/fd")
        try:
            return sum(os.readlink(each).startswith("socket:") for each in descriptors.iterdir()) == 1
        except FileNotFoundError:
            return False  # one was closed meanwhile

    def close(self):
        with contextlib.suppress(OSError):
            for proxy in self.proxies.values():
                proxy.close()


def caching_server(rig, name, *arguments):
    """Starts caching_server.py on NAME.sock."""
    unix = rig.path(f"{name}.sock")
    unix.unlink(missing_ok=True)
    program = pathlib.Path(__file__).parent / "caching_server.py"
    server = rig.start(name, sys.executable, program, unix, rig.path("disk"), *arguments)
    wait_for(lambda: rig.accepts(unix) or not server.alive(), what=f"server {name}")
    assert server.alive(), server.output()
    return server


class Trouble:
    """What happens to them, from the seed. `chosen`: names of the methods below, as often as they are to happen."""

    def __init__(self, rig, servers, seed, chosen, restart_daemon=None):
        self.rig, self.servers, self.restart_daemon = rig, servers, restart_daemon
        self.random = random.Random(seed)
        self.chosen = chosen.split()
        self.done = []

    def pause(self, most):
        time.sleep(self.random.uniform(0.05, most))

    def step(self):
        """One of them, and then every server runs again."""
        name = self.random.choice(NAMES)
        what = self.random.choice(self.chosen)
        self.done.append(f"{what} {name}")
        getattr(self, what)(name)
        for each in NAMES:
            self.servers.start(each)
        self.pause(0.5)

    def kill(self, name):
        self.servers.kill(name)
        self.pause(0.5)

    def kill_both(self, name):
        self.servers.kill(name)
        self.pause(0.2)
        self.servers.kill("b" if name == "a" else "a")
        self.pause(0.3)

    def restart(self, name):
        """At once."""
        self.servers.kill(name)

    def stop(self, name):
        self.servers.signal(name, signal.SIGSTOP)
        self.pause(LONGEST_PAUSE)
        self.servers.signal(name, signal.SIGCONT)

    def cut(self, name):
        self.servers.proxies[name].hold()
        self.pause(LONGEST_PAUSE)
        self.servers.proxies[name].release()

    def cut_and_kill(self, name):
        self.servers.proxies[name].hold()
        self.pause(0.6)
        self.kill(name)
        self.servers.start(name)
        self.servers.proxies[name].release()

    def stop_and_kill(self, name):
        self.servers.signal(name, signal.SIGSTOP)
        self.pause(0.6)
        self.kill(name)
        self.servers.start(name)

    def by_hand(self, name):
        """No proof that it is dead, but for who killed it: that one reinstates the path."""
        self.random.choice((self.cut_and_kill, self.stop_and_kill))(name)
        self.rig.message("m", "reinstate_path", name)

    def switch(self, name):
        self.rig.message("m", "switch_group", str(NAMES.index(name) + 1))

    def fail_path(self, name):
        self.rig.message("m", "fail_path", name)
        self.pause(0.5)
        self.rig.message("m", "reinstate_path", name)

    def daemon(self, _):
        self.restart_daemon(lambda: None)

    def daemon_then_server(self, name):
        self.restart_daemon(lambda: self.servers.kill(name))

    def server_then_daemon(self, name):
        self.servers.kill(name)
        self.pause(0.1)
        self.restart_daemon(lambda: None)

    def stopped_server_and_daemon(self, name):
        """What it has not done yet would come after its client's death and the next client's requests."""
        self.servers.signal(name, signal.SIGSTOP)
        self.pause(0.5)
        self.restart_daemon(lambda: self.servers.kill(name))

    def everything(self, name):
        self.servers.kill(name)
        self.restart_daemon(lambda: self.servers.kill("b" if name == "a" else "a"))
