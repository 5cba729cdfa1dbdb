"""A guest with a running agent: commands, files, its end. `Guest` adds the rest."""
from __future__ import annotations

import os
import queue
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Mapping, Sequence

from .channel import Channel, ChannelClosed, Handler
from .errors import AgentSilent, CommandFailed, GuestDied, GuestError, GuestPanicked
from .inside import wire
from .machine import Machine
from .process import Process, Result, described
from .qemu import Qemu
from .qmp import MonitorError, MonitorGone
from .workdir import Workdir

#: On top of a limit the guest enforces itself: for a loaded host's delays.
GRACE = 20.0
#: A spawned command nobody ended is killed in the guest after this.
SPAWN_LIMIT = 900.0

Replies = queue.Queue[tuple[wire.Header | None, bytes]]


@dataclass(frozen=True)
class End:
    """How a machine ended."""

    #: QEMU's word for it (guest-reset, guest-shutdown, watchdog, ...), or "panic".
    reason: str
    console: str


class Vm:
    """A virtual machine. A context manager: on exit it is ended and its folder removed."""

    def __init__(self, machine: Machine, workdir: Workdir, *, incoming: bool) -> None:
        self._workdir = workdir
        self.qemu = Qemu(machine, workdir.path / "qemu.log", incoming)
        self.channel = Channel(self.qemu.control)
        try:
            self.qemu.monitor.connect(GRACE)
        except (MonitorGone, MonitorError) as error:
            self.qemu.wait(1)
            failure = self.error(GuestError, f"QEMU did not start: {error}")
            self.close()
            raise failure from None

    @property
    def dir(self) -> Path:
        """A folder of this guest alone, short enough for Unix sockets, removed at the end."""
        return self._workdir.path

    def run(
        self, command: str | Sequence[str], timeout: float = 30, *, check: bool = False,
        stdin: bytes | None = None, env: Mapping[str, str] | None = None,
    ) -> Result:
        """Runs a command to its end: a string by bash, a sequence as it is.

        After `timeout` seconds it is killed, with all it started, and
        CommandTimeout is raised. With `check`, a status other than 0 raises too.
        """
        process = Process(
            self, *described(command, timeout, stdin=stdin is not None, env=env)
        )
        if stdin is not None:
            process.write(stdin)
            process.close_stdin()
        result = process.wait(timeout + GRACE, late=AgentSilent)
        return result.check() if check else result

    def spawn(
        self, command: str | Sequence[str], *, limit: float = SPAWN_LIMIT, stdin: bool = False,
        env: Mapping[str, str] | None = None, sink: Callable[[bytes], None] | None = None,
    ) -> Process:
        """Starts a command and returns at once. A simple command given as a
        string has the pid of the program itself: bash replaces itself by it.

        `sink` gets output as it comes, in another thread.
        """
        process = Process(self, *described(command, limit, stdin=stdin, env=env), sink)
        process.wait_started(GRACE)
        return process

    def push(self, source: Path | bytes, target: str, mode: int | None = None) -> None:
        """Writes a file in the guest; it keeps its permission bits unless told."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        if mode is None:
            mode = 0o644 if isinstance(source, bytes) else source.stat().st_mode & 0o777
        number, replies = self._ask()
        starts = range(0, len(data), wire.CHUNK) or range(1)
        for start in starts:
            self.send({"op": "upload", "id": number, "path": target, "mode": mode,
                       "last": start == starts[-1]}, data[start:start + wire.CHUNK])
        self._collect(number, replies, f"push to {target}")

    def pull(self, source: str, target: Path | None = None) -> bytes:
        """Reads a file of the guest; also into `target` if given."""
        number, replies = self._ask()
        self.send({"op": "download", "id": number, "path": source})
        data = self._collect(number, replies, f"pull of {source}")
        if target is not None:
            target.write_bytes(data)
        return data

    def request(self, op: str, body: bytes = b"", **fields: Any) -> None:
        """A request to the agent that is answered by "done"."""
        number, replies = self._ask()
        self.send({"op": op, "id": number, **fields}, body)
        self._collect(number, replies, op)

    def open(self, handler: Handler) -> int:
        """A number for a request whose replies go to the handler."""
        try:
            return self.channel.open(handler)
        except ChannelClosed as closed:
            raise self.death(str(closed)) from None

    def send(self, header: wire.Header, body: bytes = b"") -> None:
        try:
            self.channel.send(header, body)
        except ChannelClosed as closed:
            raise self.death(str(closed)) from None

    def wake(self) -> None:
        """Gives a restored guest the time, fresh randomness and its own disks."""
        self.request("wake", os.urandom(64), time=time.time())

    def console(self) -> str:
        """What the serial console said since this guest came to be."""
        return self.qemu.console()

    def wait_end(self, timeout: float = 30) -> End:
        """Waits for the machine to end by itself: power off, reset, panic, watchdog."""
        if self.qemu.wait(timeout) is None:
            raise self.error(GuestError, f"still running after {timeout:g} s")
        console = self.console()
        if "Kernel panic" in console:
            return End("panic", console)
        return End(self.qemu.monitor.shutdown_reason() or "killed", console)

    def power_cut(self) -> None:
        """Ends the machine at once, without any flush. `dir` stays until `close`."""
        self.qemu.kill()

    def close(self) -> None:
        """Ends the machine and removes its folder. May be called twice."""
        self.qemu.close()
        self.channel.close()
        self._workdir.close()

    def __enter__(self) -> "Vm":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def error(self, kind: type[GuestError], text: str) -> GuestError:
        """An exception with everything a reader of a CI log will ask for."""
        return kind(f"{text}\n{self.qemu.report()}")

    def death(self, text: str) -> GuestError:
        """The error for a closed control port: says what the machine died of."""
        if self.qemu.wait(GRACE) is None:
            return self.error(AgentSilent, text)
        panicked = "Kernel panic" in self.console()
        return self.error(GuestPanicked if panicked else GuestDied, text)

    def _ask(self) -> tuple[int, Replies]:
        replies: Replies = queue.Queue()
        return self.open(lambda header, body: replies.put((header, body))), replies

    def _collect(self, number: int, replies: Replies, what: str) -> bytes:
        """Joins the data of a reply. The bound is on silence, not on the whole."""
        data = bytearray()
        try:
            while True:
                header, body = replies.get(timeout=GRACE)
                if header is None:
                    raise self.death(f"the guest ended during {what}")
                if header["event"] == "failed":
                    raise CommandFailed(f"{what}: {header['error']}")
                if header["event"] == "done":
                    return bytes(data)
                data += body
        except queue.Empty:
            raise self.error(AgentSilent, f"no answer to {what}") from None
        finally:
            self.channel.forget(number)
