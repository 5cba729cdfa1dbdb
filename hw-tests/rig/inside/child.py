"""One command of a test: its pipes, its time limit, the report of its end."""
from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from typing import IO, Callable, Optional

import wire
from port import Port

#: A daemon left behind may hold the pipes of its dead parent open for ever;
#: after this many seconds the parent's end is reported regardless.
PIPE_GRACE = 1.0


class Child:
    """Started on construction; `reap()` must be called, once."""

    def __init__(self, port: Port, request: wire.Header) -> None:
        self._port, self._id = port, request["id"]
        self._limit: Optional[float] = request.get("timeout")
        wants_input = request.get("stdin", False)
        self._process = subprocess.Popen(
            request["argv"],
            stdin=subprocess.PIPE if wants_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=request.get("cwd") or "/root",
            env={**os.environ, **request.get("env", {})},
            start_new_session=True,
        )
        port.send({"id": self._id, "event": "started", "pid": self._process.pid})
        self._input: "queue.Queue[Optional[bytes]]" = queue.Queue()
        self._pumps = [
            in_background(self._pump_output, self._process.stdout, 1),
            in_background(self._pump_output, self._process.stderr, 2),
        ]
        if wants_input:
            in_background(self._pump_input)

    def feed(self, data: Optional[bytes]) -> None:
        """Bytes for stdin; None closes it."""
        self._input.put(data)

    def signal(self, number: int, group: bool) -> None:
        try:
            if group:
                os.killpg(self._process.pid, number)
            elif self._process.poll() is None:
                os.kill(self._process.pid, number)
        except ProcessLookupError:
            pass  # it was faster; its exit report is on the way

    def reap(self) -> None:
        """Waits for the end, enforces the limit, reports."""
        timed_out = False
        try:
            self._process.wait(self._limit)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.signal(signal.SIGKILL, group=True)
            self._process.wait()
        until = time.monotonic() + PIPE_GRACE
        for pump in self._pumps:
            pump.join(max(0.0, until - time.monotonic()))
        rc = self._process.returncode
        self._port.send({"id": self._id, "event": "exit", "rc": rc, "timed_out": timed_out})

    def _pump_output(self, pipe: IO[bytes], stream: int) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), wire.CHUNK):
                self._port.send({"id": self._id, "event": "output", "stream": stream}, data)

    def _pump_input(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                while (data := self._input.get()) is not None:
                    pipe.write(data)
                    pipe.flush()
        except BrokenPipeError:
            pass  # the command does not want the rest


def in_background(function: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
