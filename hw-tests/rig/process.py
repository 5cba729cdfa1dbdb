"""A command in the guest, as a test sees it."""
from __future__ import annotations

import shlex
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from .errors import CommandFailed, CommandTimeout, GuestError
from .inside import wire

if TYPE_CHECKING:
    from .vm import Vm

#: Output kept per command; older output is dropped first.
OUTPUT_LIMIT = 64 << 20


@dataclass(frozen=True)
class Result:
    """How a command ended. A negative rc is the signal that ended it."""

    command: str
    rc: int
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode(errors="replace")

    def check(self) -> "Result":
        """Itself, or CommandFailed if the status is not 0."""
        if self.rc != 0:
            text = f"{self.command}\nexit status {self.rc}\n{self.stdout}{self.stderr}"
            raise CommandFailed(text.rstrip())
        return self


def described(
    command: str | Sequence[str], timeout: float, *, stdin: bool,
    env: Mapping[str, str] | None,
) -> tuple[str, wire.Header]:
    """A command as text for messages, and as the agent's request."""
    if isinstance(command, str):
        text, argv = command, ["/bin/bash", "-c", command]
    else:
        argv = [str(word) for word in command]
        text = shlex.join(argv)
    return text, {"argv": argv, "timeout": timeout, "stdin": stdin, "env": dict(env or {})}


class Process:
    """A command that runs while the test goes on. Made by `Guest.spawn`."""

    def __init__(
        self, vm: "Vm", command: str, request: wire.Header,
        sink: Callable[[bytes], None] | None = None,
    ) -> None:
        self._vm, self.command, self._sink = vm, command, sink
        # Reentrant: conditions are checked with it held, and read the output.
        self._changed = threading.Condition(threading.RLock())
        self._chunks: list[tuple[int, bytes]] = []
        self._kept = 0
        self._end: wire.Header | None = None
        self._failure: str | None = None
        self._gone = False
        #: In the guest; 0 until it is known to have started.
        self.pid = 0
        self._id = vm.open(self._on_reply)
        vm.send({**request, "op": "start", "id": self._id})

    def wait_started(self, timeout: float) -> None:
        """Waits until it has a pid."""
        self._await(lambda: self.pid > 0 or self._end is not None, timeout, "start")

    def wait(
        self, timeout: float = 30, *, late: type[GuestError] = CommandTimeout
    ) -> Result:
        """Waits for the end. Raises `late` if it does not come in time."""
        self._await(lambda: self._end is not None, timeout, "end", late)
        assert self._end is not None
        if self._end["timed_out"]:
            raise self._vm.error(CommandTimeout, f"killed at its time limit: {self._described()}")
        with self._changed:
            chunks = list(self._chunks)
        streams = [b"".join(data for kind, data in chunks if kind == stream) for stream in (1, 2)]
        return Result(self.command, self._end["rc"], *streams)

    def wait_for(self, text: str, timeout: float = 30) -> str:
        """Waits until the output contains `text`; returns the output so far."""
        self._await(lambda: text in self.output() or self._end is not None, timeout, repr(text))
        if text not in self.output():
            raise CommandFailed(f"ended without saying {text!r}: {self._described()}")
        return self.output()

    def output(self) -> str:
        """stdout and stderr so far, in the order they came."""
        with self._changed:
            return b"".join(data for _, data in self._chunks).decode(errors="replace")

    @property
    def running(self) -> bool:
        return self._end is None and not self._gone

    def kill(self, number: int = signal.SIGTERM, *, group: bool = False) -> None:
        """Sends a signal to the process, or to it and its children (`group`)."""
        self._vm.request("signal", target=self._id, number=int(number), group=group)

    def write(self, data: bytes) -> None:
        """Feeds stdin (spawned with stdin=True)."""
        for start in range(0, len(data), wire.CHUNK):
            self._vm.send({"op": "feed", "id": 0, "target": self._id},
                          data[start:start + wire.CHUNK])

    def close_stdin(self) -> None:
        self._vm.send({"op": "feed", "id": 0, "target": self._id, "close": True})

    def _await(
        self, condition: Callable[[], Any], timeout: float, what: str,
        late: type[GuestError] = CommandTimeout,
    ) -> None:
        until = time.monotonic() + timeout
        with self._changed:
            while not condition():
                if self._failure is not None:
                    raise CommandFailed(f"{self.command}: {self._failure}")
                if self._gone:
                    raise self._vm.death(f"the guest ended during: {self._described()}")
                if not self._changed.wait(until - time.monotonic()):
                    text = f"no {what} within {timeout:g} s: {self._described()}"
                    raise self._vm.error(late, text)

    def _described(self) -> str:
        tail = "\n".join(self.output().splitlines()[-20:])
        return f"{self.command}\n--- its output so far:\n{tail or '(none)'}"

    def _on_reply(self, header: wire.Header | None, body: bytes) -> None:
        if self._sink is not None and body:
            self._sink(body)
        with self._changed:
            if header is None:
                self._gone = True
            elif header["event"] == "started":
                self.pid = header["pid"]
            elif header["event"] == "output":
                self._chunks.append((header["stream"], body))
                self._kept += len(body)
                while self._kept > OUTPUT_LIMIT:
                    self._kept -= len(self._chunks.pop(0)[1])
            elif header["event"] == "exit":
                self._end = header
            elif header["event"] == "failed":
                self._failure = header["error"]
            self._changed.notify_all()
