"""One QEMU process: started so that it cannot outlive us, ended by its pid."""
from __future__ import annotations

import shlex
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import host
from .machine import Machine
from .qmp import Monitor

CONSOLE_LINES = 60

#: All QEMUs are started by this one thread. "Die with your parent" means the
#: *thread* that forked: a guest restored in a worker thread would be killed
#: when that worker ends.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rig-starter")


class Qemu:
    """A running QEMU with its monitor and the host's end of the control port."""

    def __init__(self, machine: Machine, log: Path, incoming: bool) -> None:
        self._console, self._log = machine.console, log
        ours, theirs = socket.socketpair()
        monitor_ours, monitor_theirs = socket.socketpair()
        with theirs, monitor_theirs:
            fds = (theirs.fileno(), monitor_theirs.fileno())
            self._command = machine.command(*fds, incoming=incoming)
            self._process = _starter.submit(self._spawn, fds).result()
        self.control = ours
        self.monitor = Monitor(monitor_ours)

    def _spawn(self, fds: tuple[int, int]) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [host.find("setpriv"), "--pdeathsig", "KILL", *self._command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds,
                # Ctrl-C in a terminal is for us; the guest is ended in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, timeout: float) -> int | None:
        """QEMU's exit status, or None if it still runs. 0 means nothing: a
        panic and a watchdog reset exit with 0 too."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Ends it at once; for the guest this is a power cut."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def close(self) -> None:
        self.kill()
        self.monitor.close()

    def console(self) -> str:
        """Everything the guest's serial console has said since the start or restore."""
        try:
            return self._console.read_text(errors="replace").replace("\r\n", "\n")
        except FileNotFoundError:
            return ""

    def report(self) -> str:
        """What a failure message must carry: console, QEMU's own words, command line."""
        tail = self.console().splitlines()[-CONSOLE_LINES:]
        said = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        status = self._process.poll()
        state = "running" if status is None else f"ended with status {status}"
        return "\n".join([
            f"--- guest console, last {len(tail)} lines:", *tail,
            f"--- QEMU (pid {self.pid}, {state}) said: {said or 'nothing'}",
            f"--- command line: {shlex.join(self._command)}",
        ])
