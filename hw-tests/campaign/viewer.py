"""A foreign viewer that counts: one ffmpeg for a whole campaign, its frames timed as they arrive.

A disconnect is what a person would call one: the process ended, its TCP connection is another one,
or MediaMTX closed its session. Gaps are measured between arrivals, never between time stamps.
"""
from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple

from .picture import Geometry, Kind


class Seen(NamedTuple):
    """One frame as it arrived."""

    #: `time.monotonic()` of this process.
    at: float
    kind: Kind
    #: vivid's number of the frame and its time since the stream began.
    counter: tuple[int, float] | None


class Viewer:
    """Decodes one camera until it is closed. A context manager."""

    def __init__(self, url: str, width: int = 640, height: int = 480) -> None:
        self.geometry = Geometry(width, height)
        self._frames: list[Seen] = []
        self._changed = threading.Condition()
        #: The last frame that showed the camera.
        self.picture = b""
        self.ended_at: float | None = None
        self.process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-fflags", "nobuffer", "-flags", "low_delay",
             "-probesize", "32", "-analyzeduration", "0", "-threads", "1", "-rtsp_transport", "tcp",
             "-i", url, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p",
             "-s", f"{width}x{height}", "-flush_packets", "1", "-"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self._words: list[str] = []
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the viewer."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thread in self._threads:
            thread.join(5)

    @property
    def words(self) -> str:
        """The end of what ffmpeg complained about."""
        return "\n".join(self._words[-20:])

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def socket(self) -> str | None:
        """Names its TCP connection: another name, another connection."""
        for link in Path(f"/proc/{self.process.pid}/fd").glob("*"):
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:"):
                return target
        return None

    def frames(self, since: float = 0.0, until: float = float("inf")) -> list[Seen]:
        """What arrived in a span."""
        with self._changed:
            return [f for f in self._frames if since < f.at <= until]

    def wait(self, what: str, condition: Callable[[], bool], timeout: float) -> None:
        """Until `condition` holds; it is looked at after every frame."""
        until = time.monotonic() + timeout
        while not condition():
            with self._changed:
                self._changed.wait(0.25)
            if not self.alive:
                raise AssertionError(f"the viewer ended while it waited for {what}: {self.words}")
            if time.monotonic() > until:
                last = [(round(f.at - until + timeout, 2), f.kind.value) for f in self.frames()[-8:]]
                raise AssertionError(f"not within {timeout:g} s: {what}; last seen {last} {self.words}")

    def flowing(self, since: float, count: int = 10, within: float = 2.5) -> bool:
        """Whether the camera's pictures come steadily again, all of these later than `since`."""
        last = [f.at for f in self.frames(since) if f.kind is Kind.CAMERA][-count:]
        return len(last) == count and last[-1] - last[0] < within and time.monotonic() - last[-1] < 1

    def largest_gap(self, since: float, until: float) -> tuple[float, float]:
        """The longest span without a camera picture that ended in it: begin and end."""
        before = [f.at for f in self.frames(0, since) if f.kind is Kind.CAMERA][-1:]
        times = before + [f.at for f in self.frames(since, until) if f.kind is Kind.CAMERA]
        pairs = list(zip(times, times[1:]))
        return max(pairs, key=lambda pair: pair[1] - pair[0], default=(since, since))

    def last_camera(self, at: float) -> float:
        """When the last camera picture before `at` arrived."""
        with self._changed:
            for frame in reversed(self._frames):
                if frame.at <= at and frame.kind is Kind.CAMERA:
                    return frame.at
        return 0.0

    def shows(self, begin: float, end: float) -> bool:
        """Whether a camera picture arrived in a span."""
        return any(f.kind is Kind.CAMERA for f in self.frames(begin, end))

    def _read(self) -> None:
        assert self.process.stdout
        stream = self.process.stdout
        buffer = bytearray(self.geometry.bytes)
        while stream.readinto(buffer) == len(buffer):  # type: ignore[attr-defined]
            at = time.monotonic()
            view = memoryview(buffer)
            kind = self.geometry.kind(view)
            counter = self.geometry.counter(view) if kind is Kind.CAMERA else None
            with self._changed:
                if kind is Kind.CAMERA:
                    self.picture = bytes(buffer)
                self._frames.append(Seen(at, kind, counter))
                self._changed.notify_all()
        self.ended_at = time.monotonic()
        with self._changed:
            self._changed.notify_all()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._words.append(re.sub(r"token=\S+", "token=…", line.decode(errors="replace").rstrip()))


class Order(NamedTuple):
    """What the numbers in a run of camera frames tell."""

    frames: int
    #: Numbers that never came.
    missing: int
    #: Numbers that came again.
    repeated: int
    #: Numbers lower than one before, without the stream having begun anew.
    reordered: int
    #: Times the camera began to count anew.
    restarts: int
    #: Frames whose number could not be read.
    unreadable: int


#: A number this little below the one before is a frame in the wrong order, not a new stream.
STEP_BACK = 4


def order(frames: list[Seen]) -> Order:
    """Judges the numbers; they count to 2^32 and go on from 0."""
    missing = repeated = reordered = restarts = unreadable = 0
    last: tuple[int, float] | None = None
    for frame in frames:
        if frame.counter is None:
            unreadable += 1
            continue
        number, seconds = frame.counter
        if last is not None:
            ahead = (number - last[0]) % (1 << 32)
            if ahead == 0:
                repeated += 1
            elif (1 << 32) - ahead <= STEP_BACK:
                reordered += 1
            elif seconds < last[1]:
                restarts += 1
            else:
                missing += ahead - 1
        last = frame.counter
    return Order(len(frames), missing, repeated, reordered, restarts, unreadable)
