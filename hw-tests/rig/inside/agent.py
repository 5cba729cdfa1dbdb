"""Runs in the guest: does what frames on the control port ask for.

The host saves the guest's state while this program waits in `read()`; every
restored guest goes on from there. So everything slow (starting Python,
importing) has happened before the save.

One law: the thread that reads frames never blocks on a child or on a pipe.
"""
from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import time
from typing import IO, Callable, Dict

import wire
from child import Child, in_background
from port import Port

PORT = "/dev/virtio-ports/rig.control"
INPUT_DISK, DATA_DISK, INPUT_DIR = "/dev/vdb", "/dev/vdc", "/in"

BLKFLSBUF = 0x1261
RNDADDENTROPY = 0x40085203
RNDRESEEDCRNG = 0x5207
MS_RDONLY = 1

libc = ctypes.CDLL(None, use_errno=True)


class Agent:
    """Dispatches frames. An operation that fails is answered, never fatal."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._children: Dict[int, Child] = {}
        self._uploads: Dict[int, IO[bytes]] = {}

    def serve(self) -> None:
        self._port.send({"event": "ready"})
        while True:
            request, body = self._port.receive()
            operation = getattr(self, "do_" + request["op"])
            self._guarded(operation, request, body)

    def do_start(self, request: wire.Header, _body: bytes) -> None:
        child = Child(self._port, request)
        self._children[request["id"]] = child

        def reap() -> None:
            child.reap()
            del self._children[request["id"]]

        in_background(reap)

    def do_feed(self, request: wire.Header, body: bytes) -> None:
        if child := self._children.get(request["target"]):
            child.feed(None if request.get("close") else body)

    def do_signal(self, request: wire.Header, _body: bytes) -> None:
        if child := self._children.get(request["target"]):
            child.signal(request["number"], request["group"])
        self._done(request)

    def do_upload(self, request: wire.Header, body: bytes) -> None:
        """One piece of a file; it appears under its name when complete."""
        path, key = request["path"], request["id"]
        if key not in self._uploads:
            os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
            self._uploads[key] = open(f"{path}.part", "wb")
        self._uploads[key].write(body)
        if request["last"]:
            self._uploads.pop(key).close()
            os.chmod(f"{path}.part", request["mode"])
            os.rename(f"{path}.part", path)
            self._done(request)

    def do_download(self, request: wire.Header, _body: bytes) -> None:
        in_background(self._guarded, self._send_file, request, b"")

    def do_wake(self, request: wire.Header, body: bytes) -> None:
        """Makes a restored guest its own: time, randomness, disks.

        The saved kernel may hold blocks of the disks it was saved with; the
        flush drops them before anyone mounts the new ones.
        """
        time.clock_settime(time.CLOCK_REALTIME, request["time"])
        with open("/dev/urandom", "wb") as random:
            credit = struct.pack("ii", len(body) * 8, len(body))
            fcntl.ioctl(random, RNDADDENTROPY, credit + body)
            fcntl.ioctl(random, RNDRESEEDCRNG)
        for disk in (INPUT_DISK, DATA_DISK):
            with open(disk, "rb", buffering=0) as device:
                fcntl.ioctl(device, BLKFLSBUF)
        source, target = INPUT_DISK.encode(), INPUT_DIR.encode()
        if libc.mount(source, target, b"ext4", MS_RDONLY, None) != 0:
            raise OSError(ctypes.get_errno(), f"mount {INPUT_DISK} on {INPUT_DIR}")
        self._done(request)

    def _send_file(self, request: wire.Header, _body: bytes) -> None:
        with open(request["path"], "rb") as file:
            while data := file.read(wire.CHUNK):
                self._port.send({"id": request["id"], "event": "data"}, data)
        self._done(request)

    def _done(self, request: wire.Header) -> None:
        self._port.send({"id": request["id"], "event": "done"})

    def _guarded(self, operation: Callable[..., None], request: wire.Header, body: bytes) -> None:
        try:
            operation(request, body)
        except Exception as error:  # whatever it was, the host must hear of it
            text = f"{type(error).__name__}: {error}"
            self._port.send({"id": request["id"], "event": "failed", "error": text})


if __name__ == "__main__":
    Agent(Port(PORT)).serve()
