"""Carries UDP between a browser and a guest whose port has another number on this machine.

A WebRTC candidate names the port that the guest listens on; QEMU forwards it from a port of the
kernel's choice. So the candidate's port is opened here as well, and led there.
"""
from __future__ import annotations

import select
import socket
import threading


def free_port() -> int:
    """A UDP port that is free on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """127.0.0.1:outer to 127.0.0.1:inner and back. A context manager."""

    def __init__(self, outer: int, inner: int) -> None:
        self._inner = ("127.0.0.1", inner)
        self._door = self._socket()
        self._door.bind(("127.0.0.1", outer))
        self._ways: dict[tuple[str, int], socket.socket] = {}
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

    @staticmethod
    def _socket() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # A raw key frame is half a megabyte in one burst.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return made

    def _run(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._door, *self._ways.values()], [], [], 0.2)
            for each in ready:
                try:
                    data, sender = each.recvfrom(65536)
                except OSError:
                    continue
                if each is self._door:
                    if sender not in self._ways:
                        self._ways[sender] = self._socket()
                    self._ways[sender].sendto(data, self._inner)
                else:
                    client = next(c for c, way in self._ways.items() if way is each)
                    self._door.sendto(data, client)
