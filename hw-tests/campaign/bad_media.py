"""A box whose recordings lie on a disk that fails on request, and a folder that takes its place."""
from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from camera_box import CameraBox
from rig import Guest

from .powercut import is_refusal, plays
from .rpc import Rpc

#: The recordings' folder is the mount point itself: beneath it lies the system's own disk.
RECORDINGS = "/rec"
SPARE = "/spare"
INSIDE = Path(__file__).with_name("inside")


class Mapper:
    """A disk of the guest behind the device mapper."""

    def __init__(self, guest: Guest, disk: str) -> None:
        self.guest, self.disk = guest, disk
        guest.push(INSIDE / "mapper.py", "/tmp/mapper.py")
        guest.run("modprobe dm-mod && modprobe dm-flakey", check=True)
        self.size = int(guest.run(f"blockdev --getsz {disk}", check=True).stdout)
        self.device = self._load("create", f"linear {disk} 0")

    def _load(self, action: str, table: str) -> str:
        return self.guest.run(
            ["python3", "/tmp/mapper.py", action, "bad", f"0 {self.size} {table}"], check=True,
        ).stdout.strip()

    def fail_writes(self) -> None:
        """From now on a write is EIO; what was read can be read."""
        self._load("table", f"flakey {self.disk} 0 0 3600 1 error_writes")

    def fail(self) -> None:
        """From now on everything is EIO."""
        self._load("table", "error ")

    def heal(self) -> None:
        self._load("table", f"linear {self.disk} 0")


class Box:
    """The service, recording `run` from one camera onto a disk, with a fallback."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.service = CameraBox(
            guest, state="/state",
            CAMERA_SERVICE_STORAGE_RECORDINGS_DIR=RECORDINGS,
            CAMERA_SERVICE_STORAGE_FALLBACK_PATH=SPARE,
            CAMERA_SERVICE_STORAGE_WARN_PERCENT="99",
            CAMERA_SERVICE_STORAGE_BLOCK_PERCENT="99",
            # It is the disk that is tested, and the machine has other work.
            CAMERA_SERVICE_CAMERA_SIZE="320x180",
        )
        self.rpc = Rpc(guest.port(8002), self.service.card["tokens"]["admin"])

    def length(self, name: str) -> float:
        """Seconds that a recording plays; nothing where it cannot be reached."""
        try:
            return self.rpc.call("get_recording_info", filename=name)["extensions"]["duration_ms"] / 1000
        except RuntimeError:
            return 0.0

    def recorded(self, elsewhere: bool) -> float:
        """Seconds of `run` that can be reached, in the fallback or on the disk."""
        names = [name for name in self.names() if is_elsewhere(name) == elsewhere]
        return sum(self.length(name) for name in names)

    def grows(self, elsewhere: bool, more: float, timeout: float = 90) -> None:
        """Waits until so many seconds more of it are in the fallback, or on the disk."""
        before = self.recorded(elsewhere)
        where = "in the fallback" if elsewhere else "on the disk"
        self.service.wait_for(f"it grows {where}", lambda: self.recorded(elsewhere) > before + more, timeout)

    def faults(self) -> dict[str, str]:
        """What health says of the storage: causes by code."""
        found = self.service.health("")["extensions"]["faults"]
        return {fault["code"]: fault["cause"] for fault in found if fault["code"].startswith("storage_")}

    def names(self) -> list[str]:
        return [each["filename"] for each in self.rpc.call("list_recordings", limit=100)["files"]]

    def record(self) -> float:
        """Begins `run`; seconds of it that are on the disk for good when this comes back."""
        until = time.monotonic() + 60
        while True:
            try:
                self.rpc.call("start_recording", device="camera0", filename="run")
                break
            except RuntimeError as error:
                # The machine was too slow for MediaMTX to answer; nothing was begun.
                if not is_refusal(error) or time.monotonic() > until:
                    raise
        self.grows(False, 4)
        kept = self.length("run")
        # Two flushes later.
        time.sleep(2)
        return kept

    def stop(self) -> tuple[list[float], float]:
        """Ends it. All that there is plays to its end. The holes between its files, and the longest of them over which
        nothing else of the camera lies; in seconds."""
        stopped = self.rpc.call("stop_recording", device="camera0")
        own = [each["filename"] for each in stopped["extensions"]["files"]]
        self.service.wait_for("what lies over a hole has ended", lambda: not self.grows_still(), 30)
        spans = {name: self.span(name) for name in self.names()}
        for name in spans:
            folder = f"{SPARE}/recordings" if is_elsewhere(name) else RECORDINGS
            self.plays(f"{folder}/camera0/{name}.mp4")
        return between([spans[name] for name in own]), max(between(list(spans.values())), default=0.0)

    def grows_still(self) -> bool:
        return any(each["extensions"]["recording"] for each in self.rpc.call("list_recordings", limit=100)["files"])

    def span(self, name: str) -> tuple[float, float]:
        """From its first picture to its last."""
        info = self.rpc.call("get_recording_info", filename=name)
        begin = moment(info)
        return begin, begin + info["extensions"]["duration_ms"] / 1000

    def plays(self, path: str) -> None:
        with tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
            self.guest.pull(path, Path(copy.name))
            plays(Path(copy.name))

    def empty(self, folder: str) -> list[str]:
        """Recordings of 0 bytes."""
        return self.guest.run(f"find {folder} -name '*.mp4' -size 0", check=True).stdout.split()


def between(spans: list[tuple[float, float]]) -> list[float]:
    """From the end of what lies before to the beginning of each but the first; 0 where it began before that."""
    spans = sorted(spans)
    ends = [max(end for _, end in spans[:nth]) for nth in range(1, len(spans))]
    return [max(0.0, begin - end) for (begin, _), end in zip(spans[1:], ends)]


def is_elsewhere(name: str) -> bool:
    """A file in the fallback has that word in its name."""
    return "-fallback" in name


def moment(info: dict[str, Any]) -> float:
    return datetime.fromisoformat(info["created_time"].replace("Z", "+00:00")).timestamp()
