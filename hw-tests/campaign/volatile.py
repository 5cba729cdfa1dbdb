"""A disk whose write cache is really volatile: what was not flushed is gone when the power is.

QEMU speaks NBD to it (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md). Writes stay in this
process until the guest sends a flush; only then they reach the image. `cut` drops the rest, or lets some of it
through, block by block: a real cache writes back in an order of its own.
"""
from __future__ import annotations

import os
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 4096
MAGIC, OPTION_MAGIC, REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
ACK, EXPORT_INFO, UNSUPPORTED = 1, 3, (1 << 31) + 1
#: It takes flags, flush and FUA.
ABILITIES = 1 | 4 | 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1
EIO, EINVAL = 5, 22


@dataclass
class Log:
    """All that was written, in order, and when which of it was flushed: `None` in place of bytes is a flush of everything."""

    entries: list[tuple[float, int, bytes | None]] = field(default_factory=list)

    def flushes(self) -> list[float]:
        """When the disk was told to keep what it has: the moments between which a power cut makes no difference to it."""
        return [when for when, _, data in self.entries if data is None]

    def replay(self, image: Path, flushes: int, keep: float = 0.0, seed: int = 0) -> None:
        """Brings an image from before the first entry to where it was after so many flushes.

        Of what came until the next flush, each block is there with the chance `keep`.
        """
        chance = random.Random(seed)
        with image.open("r+b") as file:
            for _, offset, data in self.entries:
                if data is None:
                    flushes -= 1
                    if flushes < 0:
                        return
                    continue
                for begin in range(0, len(data), BLOCK):
                    if flushes > 0 or chance.random() < keep:
                        file.seek(offset + begin)
                        file.write(data[begin : begin + BLOCK])


class VolatileDisk:
    """An image behind a cache, served on a Unix socket for one guest at a time. A context manager."""

    def __init__(self, image: Path, where: Path, log: Log | None = None) -> None:
        self._log = log
        self._file = os.open(image, os.O_RDWR)
        self._size = os.fstat(self._file).st_size
        self._dirty: dict[int, bytearray] = {}
        self._lock = threading.Lock()
        self._cut = False
        #: Cleared, the disk answers nothing until it is set again.
        self.answers = threading.Event()
        self.answers.set()
        #: Set, a flush fails.
        self.fails = False
        self.flushes = 0
        self.written = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where.unlink(missing_ok=True)
        self._socket.bind(str(where))
        self._socket.listen(1)
        self.blockdev = f"driver=nbd,server.type=unix,server.path={where}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "VolatileDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self.answers.set()
        self._socket.close()
        os.close(self._file)

    def cut(self, keep: float = 0.0, seed: int = 0) -> int:
        """The power is gone. Each block of the cache reaches the image with the chance `keep`; how many were lost."""
        chance = random.Random(seed)
        with self._lock:
            self._cut = True
            lost = 0
            for number, block in self._dirty.items():
                if chance.random() < keep:
                    os.pwrite(self._file, block, number * BLOCK)
                else:
                    lost += 1
            self._dirty.clear()
            return lost

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                try:
                    if self._greet(stream):
                        self._answer(stream)
                except (OSError, EOFError, struct.error):
                    pass  # the guest is gone

    def _greet(self, stream) -> bool:  # type: ignore[no-untyped-def]
        stream.write(MAGIC + OPTION_MAGIC + struct.pack(">H", FIXED_NEWSTYLE | NO_ZEROES))
        stream.flush()
        flags = struct.unpack(">I", take(stream, 4))[0]
        while True:
            _, option, length = struct.unpack(">8sII", take(stream, 16))
            take(stream, length)
            reply = lambda kind, data=b"": stream.write(  # noqa: E731
                struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data
            )
            if option == EXPORT_NAME:
                zeroes = b"" if flags & NO_ZEROES else bytes(124)
                stream.write(struct.pack(">QH", self._size, ABILITIES) + zeroes)
            elif option in (INFO, GO):
                reply(EXPORT_INFO, struct.pack(">HQH", 0, self._size, ABILITIES))
                reply(ACK)
            elif option == ABORT:
                reply(ACK)
            else:
                reply(UNSUPPORTED)
            stream.flush()
            if option in (EXPORT_NAME, GO, ABORT):
                return option != ABORT

    def _answer(self, stream) -> None:  # type: ignore[no-untyped-def]
        while True:
            _, flags, kind, cookie, offset, length = struct.unpack(">IHHQQI", take(stream, 28))
            data = take(stream, length) if kind == WRITE else b""
            if kind == DISCONNECT:
                return
            error, out = 0, b""
            self.answers.wait()
            with self._lock:
                if self._cut:
                    error = EIO
                elif offset + length > self._size:
                    error = EINVAL
                elif kind == READ:
                    out = self._read(offset, length)
                elif kind == WRITE:
                    self._write(offset, data)
                    self._note(offset, data)
                    if flags & FUA:
                        self._flush(range(offset // BLOCK, (offset + length - 1) // BLOCK + 1))
                elif kind == FLUSH and self.fails:
                    error = EIO
                elif kind == FLUSH:
                    self.flushes += 1
                    self._flush(list(self._dirty))
                    self._note(0, None)
                else:
                    error = EINVAL
            stream.write(struct.pack(">IIQ", 0x67446698, error, cookie) + out)
            stream.flush()

    def _note(self, offset: int, data: bytes | None) -> None:
        if self._log is not None:
            self._log.entries.append((time.monotonic(), offset, data))

    def _read(self, offset: int, length: int) -> bytes:
        out = bytearray(os.pread(self._file, length, offset).ljust(length, b"\0"))
        for number in range(offset // BLOCK, (offset + length - 1) // BLOCK + 1):
            block = self._dirty.get(number)
            if block is None:
                continue
            begin = max(number * BLOCK, offset)
            end = min((number + 1) * BLOCK, offset + length)
            out[begin - offset : end - offset] = block[begin - number * BLOCK : end - number * BLOCK]
        return bytes(out)

    def _write(self, offset: int, data: bytes) -> None:
        self.written += len(data)
        done = 0
        while done < len(data):
            number, inner = divmod(offset + done, BLOCK)
            part = min(BLOCK - inner, len(data) - done)
            block = self._dirty.get(number)
            if block is None:
                block = bytearray(os.pread(self._file, BLOCK, number * BLOCK).ljust(BLOCK, b"\0"))
                self._dirty[number] = block
            block[inner : inner + part] = data[done : done + part]
            done += part

    def _flush(self, numbers) -> None:  # type: ignore[no-untyped-def]
        for number in numbers:
            block = self._dirty.pop(number, None)
            if block is not None:
                os.pwrite(self._file, block, number * BLOCK)


def take(stream, count: int) -> bytes:  # type: ignore[no-untyped-def]
    """Exactly so many bytes."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
