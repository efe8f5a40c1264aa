# SPDX-License-Identifier: BSD-3-Clause
"""The Linux kernel's iSCSI target (LIO) in a VM: unit 0 behind two portals on loopback, each of which is a target port
group of its own, numbered 1 and 2. Unlike tgt it has ALUA, fencing and held commands.
"""
import contextlib
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "system"))
# pylint: disable=wrong-import-position
from harness import free_port, stop, wait_for  # noqa: E402

TARGET = "iqn.2026-01.org.example:lio"
STATES = {"optimized": 0, "non-optimized": 1, "standby": 2, "unavailable": 3, "offline": 14, "transitioning": 15}
MODES = {"none": 0, "implicit": 1, "explicit": 2, "both": 3}
GROUPS = (1, 2)
PATIENCE = 20  # seconds for an answer


class Target:
    """Runs from the constructor on, a few seconds later, and until the Rig ends. Without a kernel or qemu the program
    ends as skipped. Both groups are optimized and may change in `both` ways; there is no write cache.
    """

    def __init__(self, rig, size=64 << 20, serial="5e41a1", name="lio", lifetime=600):
        self.serial = serial
        self.lifetime = lifetime
        self.disk = rig.disk(name + ".disk", size)
        self.pid_file = rig.path(name + ".pid")
        self.log = rig.path(name + ".log")
        self.ports = {group: free_port() for group in GROUPS}
        self.other_port = free_port()
        self.vm = None
        rig.processes.append(self)
        self.start()

    def start(self):
        """At first, and again after kill(): the data and the ports are those of before."""
        self.pid_file.unlink(missing_ok=True)
        words = ["setpriv", "--pdeathsig", "TERM", HERE / "vm.sh", "--timeout", self.lifetime, "--disk", self.disk,
                 "--pid-file", self.pid_file]
        for group, port in [*self.ports.items(), (3, self.other_port)]:
            words += ["--forward", f"{port}-10.0.2.2{group}:3260"]
        words += [HERE / "lio_guest.sh", TARGET, self.serial]
        with open(self.log, "ab") as log:
            # pylint: disable=consider-using-with
            self.vm = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=log, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.vm.stdout, self.lines), daemon=True).start()
        self._answer("start")

    @staticmethod
    def _read(output, lines):
        for line in output:
            lines.put(line)
        lines.put(None)

    def command(self, *words):
        """What the guest says to a command (lio_guest.sh has the list)."""
        text = " ".join(map(str, words))
        self.vm.stdin.write(text + "\n")
        self.vm.stdin.flush()
        return self._answer(text)

    def _line(self):
        """The next one, None at the end."""
        while True:
            try:
                return self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                # An emulated serial port now and then loses the interrupt that tells of a line.
                self.vm.stdin.write("\n")
                self.vm.stdin.flush()

    def _answer(self, command):
        lines = []
        while (line := self._line()) is not None:
            if line.startswith("done "):
                assert line == "done 0\n", f"the target's {command}: {lines}"
                return lines
            lines.append(line.rstrip("\n"))
        if self.vm.wait() == 77:
            print(f"skip: {self.log.read_text()}", end="")
            sys.exit(77)
        raise AssertionError(f"the target ended at {command}: {lines} {self.log.read_text()}")

    def state(self, group, state):
        """As an array changes its states by itself; complete when it returns."""
        self.command("state", group, STATES[state])

    def mode(self, mode):
        self.command("type", MODES[mode])

    def group(self, group):
        """What the kernel says of a group: its `state`, its `status` (who changed it last), `preferred`."""
        found = dict(line.split(" ", 1) for line in self.command("group", group))
        names = {str(number): name for name, number in STATES.items()}
        return dict(found, state=names[found["state"]])

    def commands(self, group):
        """How many commands came to the group."""
        return int(self.command("commands", group)[0])

    def link(self, group, up):
        """Without its link a portal is silent, and nothing is closed."""
        self.command("link", group, "up" if up else "down")

    def add_portal(self, group):
        """One more portal of the group. Returns its address."""
        self.command("portal", group, "also")
        return f"127.0.0.1:{self.other_port}"

    def reset(self):
        """As after the start, for the next test."""
        self.mode("both")
        for group in GROUPS:
            self.command("delay", group, 0)
            self.command("implicit-delay", group, 0)
            self.command("preferred", group, 0)
            self.state(group, "optimized")

    def uri(self, group=1, user="", target=TARGET, lun=0):
        return f"iscsi://{user}127.0.0.1:{self.ports[group]}/{target}/{lun}"

    def qemu(self):
        return int(self.pid_file.read_text())

    def stop(self):
        """It stands still, and so its portals are silent."""
        stop(self.qemu())

    def go_on(self):
        os.kill(self.qemu(), signal.SIGCONT)

    def alive(self):
        return self.vm is not None and self.vm.poll() is None

    def kill(self):
        """As if the power failed; vm.sh then clears up."""
        os.kill(self.qemu(), signal.SIGKILL) if self.pid_file.exists() else self.vm.terminate()
        with contextlib.suppress(BrokenPipeError):
            self.vm.stdin.close()
        self.vm.wait()
