"""QEMU's control protocol: JSON lines over an inherited socket."""
from __future__ import annotations

import json
import socket
import time
from typing import Any

from .errors import RigError

Message = dict[str, Any]


class MonitorGone(RigError):
    """QEMU closed the monitor: it has ended."""


class MonitorError(RigError):
    """QEMU refused a command, or did not answer in time."""


class Monitor:
    """One monitor connection. Not for use by several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket, self._buffer = sock, b""
        self.events: list[Message] = []

    def connect(self, timeout: float) -> None:
        """Waits for QEMU's greeting and leaves negotiation mode."""
        until = time.monotonic() + timeout
        while "QMP" not in self._receive(until):
            pass
        self.execute("qmp_capabilities", timeout=timeout)

    def execute(self, command: str, *, timeout: float = 20, fd: int | None = None,
                **arguments: Any) -> Any:
        """Runs a command and returns what it returns. `fd` travels along (for `getfd`)."""
        until = time.monotonic() + timeout
        keys = {key.replace("_", "-"): value for key, value in arguments.items()}
        line = json.dumps({"execute": command, "arguments": keys}).encode() + b"\n"
        try:
            socket.send_fds(self._socket, [line], [fd] if fd is not None else [])
        except OSError:
            raise MonitorGone(f"monitor closed before {command}") from None
        while True:
            message = self._receive(until)
            if "error" in message:
                raise MonitorError(f"{command}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def wait_migrated(self, timeout: float) -> None:
        """Waits for the end of a migration, in or out (capability `events` is on)."""
        until = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event.get("event") == "MIGRATION":
                    if event["data"]["status"] == "failed":
                        raise MonitorError("migration failed")
                    if event["data"]["status"] == "completed":
                        return
            self.events.append(self._receive(until))

    def drain(self) -> None:
        """Collects the events that are already here."""
        try:
            while True:
                self.events.append(self._receive(time.monotonic()))
        except RigError:
            pass

    def shutdown_reason(self) -> str | None:
        """Why the machine stopped, in QEMU's words: guest-reset, guest-shutdown, ..."""
        self.drain()
        watchdog = any(event.get("event") == "WATCHDOG" for event in self.events)
        for event in self.events:
            if event.get("event") == "SHUTDOWN":
                return "watchdog" if watchdog else event["data"]["reason"]
        return None

    def close(self) -> None:
        self._socket.close()

    def _receive(self, until: float) -> Message:
        while b"\n" not in self._buffer:
            # 0 would mean non-blocking, which reports "nothing yet" differently.
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                raise MonitorError("no answer from QEMU's monitor in time") from None
            except OSError:
                piece = b""
            if not piece:
                raise MonitorGone("QEMU closed its monitor")
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: Message = json.loads(line)
        return message
