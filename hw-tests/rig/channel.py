"""The host's end of the control port: requests out, replies to whoever asked."""
from __future__ import annotations

import itertools
import socket
import struct
import threading
from typing import Callable

from .errors import RigError
from .inside import wire

#: A guest that does not take a frame for this long is not coming back.
SEND_LIMIT_S = 30

#: Called by the reading thread with each reply, and with None when the guest is gone.
Handler = Callable[[wire.Header | None, bytes], None]


class ChannelClosed(RigError):
    """The guest's end is gone, or does not take any more."""


class Channel:
    """Multiplexes requests. Safe for several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        # By socket option and not settimeout(): that would bound reading too.
        limit = struct.pack("ll", SEND_LIMIT_S, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._ids = itertools.count(1)
        self._handlers: dict[int, Handler] = {}
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._closed = False
        #: Set when the agent has announced itself; only a booted guest does.
        self.ready = threading.Event()
        threading.Thread(target=self._read, name="rig-channel", daemon=True).start()

    def open(self, handler: Handler) -> int:
        """A new request number; replies to it go to the handler."""
        with self._lock:
            if self._closed:
                raise ChannelClosed("the guest is gone")
            number = next(self._ids)
            self._handlers[number] = handler
            return number

    def forget(self, number: int) -> None:
        """No more replies for this number."""
        with self._lock:
            self._handlers.pop(number, None)

    def send(self, header: wire.Header, body: bytes = b"") -> None:
        frame = wire.pack(header, body)
        with self._sending:
            try:
                self._socket.sendall(frame)
            except OSError as error:
                raise ChannelClosed(f"control port: {error}") from None

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was first

    def _read(self) -> None:
        try:
            while True:
                header, body = wire.unpack(self._read_exactly)
                if header["event"] == "ready":
                    self.ready.set()
                    continue
                with self._lock:
                    handler = self._handlers.get(header["id"])
                if handler is not None:
                    handler(header, body)
        except (EOFError, OSError, wire.BrokenFrame):
            pass
        finally:
            with self._lock:
                self._closed = True
                orphans = list(self._handlers.values())
                self._handlers.clear()
            self.ready.set()  # wakes who waits for a boot that will not happen
            for handler in orphans:
                handler(None, b"")
            self._socket.close()

    @property
    def closed(self) -> bool:
        return self._closed

    def _read_exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)
