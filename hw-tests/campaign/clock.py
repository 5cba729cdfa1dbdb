"""A box without a battery whose clock is set again and again while it records, and what must be true when it is right.

The true time is the guest's clock since boot and what the host told it at the start. How far two recordings of a camera
are apart, their pictures say themselves: vivid counts its frames, one each tenth of a second.
"""
from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from camera_box import BINARIES, CameraBox
from rig import Guest

from .picture import Geometry
from .powercut import is_refusal
from .rpc import Rpc
from .stand import BARS

SCRIPT = Path(__file__).parent / "inside/wallclock.py"
#: One is recorded all the while, the other again and again.
STEADY, SHORT = "camera0", "camera1"
RATE = 10
SECOND = 1_000_000_000
PATIENCE = 90.0
#: Small: what counts is the clock, and two cameras are coded by software.
GEOMETRY = Geometry(320, 180)


@dataclass
class Taken:
    """A recording or a snapshot."""

    name: str
    #: On the guest's clock since boot, when it was asked for and when it was answered; nanoseconds.
    asked: int
    answered: int
    #: What the wall clock was ahead of that at the time.
    apart: int
    #: The number of its first picture, of a recording that ended.
    number: int | None = None


class ClockBox:
    """The service in a guest that came up in 1970. A context manager."""

    def __init__(self) -> None:
        self.guest = Guest.restore(files=BINARIES, forwards=[8002, 8003])
        try:
            self.guest.push(SCRIPT, "/tmp/wallclock.py")
            #: What the wall clock is ahead when it is right.
            self.truth = self.clock("apart")
            # Linux takes no time before 1970 and the time since boot.
            self.set(30 * 86_400 * SECOND)
            self.guest.vivid(n_devs=2)
            for node in self.guest.video_nodes().values():
                self.guest.run(f"v4l2-ctl -d {node} -c {BARS}", check=True)
            self.box = CameraBox(
                self.guest, CAMERA_SERVICE_CAMERA_SIZE=f"{GEOMETRY.width}x{GEOMETRY.height}", CAMERA_SERVICE_CAMERA_BITRATE="600",
            )
            with Rpc(self.guest.port(8002), self.box.card["tokens"]["admin"]) as rpc:
                # Tokens end by the wall clock.
                key = rpc.call("create_api_key", role="admin", expiry="never")["key"]
            self.rpc = Rpc(self.guest.port(8002), key)
        except BaseException:
            self.guest.close()
            raise
        self.recordings: list[Taken] = []
        self.snapshots: list[Taken] = []

    def __enter__(self) -> "ClockBox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.box.process.output()[-40000:])
        self.guest.close()

    # The clock.

    def clock(self, words: str) -> int:
        return int(self.guest.run(f"python3 /tmp/wallclock.py {words}", check=True).stdout)

    def since_boot(self) -> int:
        """The guest's clock since boot, nanoseconds."""
        read = "import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))"
        return int(self.guest.run(["python3", "-c", read], check=True).stdout)

    def set(self, apart: int) -> None:
        """Sets the wall clock so far ahead of the clock since boot."""
        self.apart = self.clock(f"set {apart}")

    def trusts(self) -> bool:
        """Whether the service believes the clock."""
        return bool(self.rpc.call("get_storage_info")["extensions"]["clock_trusted"])

    def synchronise(self) -> None:
        """Sets the clock right as an NTP client does, and waits until the service believes it."""
        self.set(self.truth)
        self.wait("the service sees that the clock was set", lambda: not self.trusts())
        # It looks every 2 s; the kernel's word must come after the step was seen.
        time.sleep(2.5)
        self.clock("synchronised")
        self.wait("the service believes the clock", self.trusts)

    def wait(self, what: str, condition: Any, timeout: float = PATIENCE) -> None:
        until = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < until, f"not within {timeout:g} s: {what}"
            time.sleep(0.2)

    # What is taken.

    def begin(self, camera: str) -> Taken:
        """Starts a recording; a machine too slow for it tries again."""
        until = time.monotonic() + PATIENCE
        while True:
            asked = self.since_boot()
            try:
                begun = self.rpc.call("start_recording", device=camera)
                break
            except RuntimeError as error:
                if not is_refusal(error) or time.monotonic() > until:
                    raise
        return Taken(begun["filename"], asked, self.since_boot(), self.apart)

    def end(self, camera: str, taken: Taken) -> dict[str, Any]:
        """Ends it; returns the answer."""
        stopped = self.rpc.call("stop_recording", device=camera)
        assert stopped["filename"] == taken.name, stopped
        return stopped

    def short(self, seconds: float) -> None:
        """A short recording, and a snapshot meanwhile."""
        taken = self.begin(SHORT)
        time.sleep(seconds)
        self.snapshot()
        stopped = self.end(SHORT, taken)
        assert len(stopped["extensions"]["files"]) == 1, stopped
        self.recordings.append(taken)

    def snapshot(self) -> None:
        asked = self.since_boot()
        try:
            name = self.rpc.call("take_snapshot", device=SHORT)["filename"]
        except RuntimeError as error:
            if is_refusal(error):
                return
            raise
        self.snapshots.append(Taken(name, asked, self.since_boot(), self.apart))

    def numbers(self, camera: str, name: str, most: int | None = None) -> list[int]:
        """The numbers of the pictures of a recording, as its pictures show them."""
        folder = f"{self.box.card['state_dir']}/data/recordings/{camera}"
        found: list[int] = []
        with tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
            self.guest.pull(f"{folder}/{name}.mp4", Path(copy.name))
            limit = [] if most is None else ["-frames:v", str(most)]
            command = ["ffmpeg", "-v", "error", "-i", copy.name, "-vsync", "passthrough", *limit,
                       "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
                assert ffmpeg.stdout is not None
                while len(frame := ffmpeg.stdout.read(GEOMETRY.bytes)) == GEOMETRY.bytes:
                    counted = GEOMETRY.counter(memoryview(frame))
                    assert counted is not None, f"the counter of picture {len(found)} of {name} cannot be read"
                    found.append(counted[0])
        assert found, f"{name} holds no picture"
        return found

    # What must be true.

    def error_ms(self, taken: Taken, told: str) -> float:
        """How far a time is outside of when it can have been: a picture on its way when it was asked for counts."""
        at = nanos(told) - self.truth
        early, late = taken.asked - SECOND - at, at - taken.answered
        return max(0, early, late) / 1e6

    def hold(self) -> list[float]:
        """All are there, in their order, with their true times. Returns how far recordings are from what their pictures say."""
        # A clean-up with the right clock deletes nothing of today.
        cleaned = self.rpc.call("cleanup_old_files")
        assert cleaned["files_deleted"] == 0, cleaned
        infos = {}
        for taken in self.recordings:
            def right(taken: Taken = taken) -> bool:
                infos[taken.name] = self.rpc.call("get_recording_info", filename=taken.name)
                return infos[taken.name]["extensions"]["time"] != "uncertain"

            self.wait(f"the time of {taken.name} is known", right, 20)
            told = infos[taken.name]["created_time"]
            assert self.error_ms(taken, told) == 0, (taken, told, self.truth)
            if taken.number is None:
                taken.number = self.numbers(SHORT, taken.name, 1)[0]
        for taken in self.snapshots:
            told = self.rpc.call("get_snapshot_info", filename=taken.name)
            assert told["extensions"]["time"] != "uncertain", told
            assert self.error_ms(taken, told["created_time"]) == 0, (taken, told, self.truth)
        for method, all_taken in (("list_recordings", self.recordings), ("list_snapshots", self.snapshots)):
            wanted = [taken.name for taken in reversed(all_taken)]

            def in_order(method: str = method, wanted: list[str] = wanted) -> bool:
                listed = [each["filename"] for each in self.rpc.call(method, limit=1000)["files"]]
                self.listed = [name for name in listed if name in wanted]
                return self.listed == wanted

            # Files are told their times at the service's next look.
            try:
                self.wait("the list is in order", in_order, 20)
            except AssertionError:
                assert self.listed == wanted, method
        first = self.recordings[0]
        since = nanos(infos[first.name]["created_time"])
        errors = []
        for taken in self.recordings:
            by_pictures = (taken.number - first.number) * SECOND // RATE
            by_times = nanos(infos[taken.name]["created_time"]) - since
            errors.append((by_times - by_pictures) / 1e6)
        return errors


def nanos(text: str) -> int:
    """RFC 3339 as nanoseconds since 1970."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) * 1_000_000
