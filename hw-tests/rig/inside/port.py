"""The guest's end of the control port."""
from __future__ import annotations

import os
import threading
import time

import wire


class Port:
    """The virtio-serial port: whole frames in, whole frames out."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._writing = threading.Lock()

    def receive(self) -> "tuple[wire.Header, bytes]":
        return wire.unpack(self._read_exactly)

    def send(self, header: wire.Header, body: bytes = b"") -> None:
        frame = memoryview(wire.pack(header, body))
        with self._writing:
            while frame:
                # The driver takes at most 32 KiB a call.
                frame = frame[os.write(self._fd, frame):]

    def _read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = os.read(self._fd, count - len(data))
            if not piece:
                # No one has the other end. The driver answers poll() with an
                # instant POLLHUP in this state, so there is nothing to wait on.
                time.sleep(0.05)
            data += piece
        return bytes(data)
