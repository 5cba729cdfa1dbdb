"""Carries a browser's UDP into a guest, where WebRTC's media port listens.

A WebRTC candidate names the port that the guest listens on, and QEMU's restricted network drops
what a guest answers over UDP. So the candidate's port is opened on this machine's loopback as
well, and what comes there goes over a forwarded TCP port to `inside/datagrams.py`.
"""
from __future__ import annotations

import select
import socket
import struct
import threading
from pathlib import Path

from rig import Guest

#: TCP port of the guest's end.
INSIDE_PORT = 8190
SCRIPT = Path(__file__).parent / "inside/datagrams.py"


def free_port() -> int:
    """A UDP port that is free on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """127.0.0.1:port here to 127.0.0.1:port in the guest, and back. A context manager."""

    def __init__(self, guest: Guest, port: int) -> None:
        guest.push(SCRIPT.read_bytes(), "/tmp/datagrams.py")
        self._end = guest.spawn(f"exec python3 /tmp/datagrams.py {INSIDE_PORT} {port}")
        self._end.wait_for("ready", 20)
        self._inner = guest.port(INSIDE_PORT)
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.bind(("127.0.0.1", port))
        self._ways: dict[tuple[str, int], socket.socket] = {}
        self._rest: dict[socket.socket, bytes] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for each in (self._door, *self._ways.values()):
            each.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for each in select.select([self._door, *self._ways.values()], [], [], 0.2)[0]:
                try:
                    if each is self._door:
                        self._out()
                    else:
                        self._back(each)
                except OSError:
                    continue

    def _out(self) -> None:
        data, client = self._door.recvfrom(65535)
        if client not in self._ways:
            way = socket.create_connection(("127.0.0.1", self._inner), 5)
            way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ways[client] = way
            self._rest[way] = b""
        self._ways[client].sendall(struct.pack(">H", len(data)) + data)

    def _back(self, way: socket.socket) -> None:
        client = next(c for c, w in self._ways.items() if w is way)
        data = way.recv(1 << 18)
        if not data:
            del self._ways[client], self._rest[way]
            way.close()
            return
        data = self._rest[way] + data
        while len(data) >= 2 and len(data) >= 2 + (size := int.from_bytes(data[:2], "big")):
            self._door.sendto(data[2:2 + size], client)
            data = data[2 + size:]
        self._rest[way] = data
