"""A box whose power is cut again and again, and what must be true after each start.

The service records two cameras onto a partition, ext4 or f2fs, on a disk with a volatile cache. What it answered before the cut
is held against what is there after it: a recording's length, files, settings, keys.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from camera_box import BINARIES, CameraBox
from rig import Guest
from rig.machine import DATA_DISK_SIZE

from . import overlay
from .rpc import Rpc
from .volatile import Log, VolatileDisk

CAMERAS = ("camera0", "camera1")
#: What lies on the partition.
FILESYSTEM = os.environ.get("FILESYSTEM", "ext4")
#: As a box mounts it.
OPTIONS = overlay.mount_options("var-lib-camera\\x2dservice-recordings.mount")
MOUNT = f"mkdir -p /rec && mount -t {FILESYSTEM} -o {OPTIONS} /dev/vdc /rec"
STATE = "/rec/state"
RECORDINGS = f"{STATE}/data/recordings"
#: A recording that does not go on by then, from the service's start, does not go on at all.
PATIENCE = 120.0
#: Bytes of recordings from which on all are deleted: the disk is small.
KEPT = 60 << 20


@dataclass
class Told:
    """What the service said of a growing file: when, and how long it played."""

    file: str
    said: list[tuple[float, float]] = field(default_factory=list)

    def at(self, moment: float) -> float:
        """Seconds that had been recorded at a moment.

        The length grows by a part at a time. It is true right after a part was written, so the furthest that it ever was
        ahead of the clock says where it would be if every picture were written at once.
        """
        ahead = max(length - when for when, length in self.said)
        return moment + ahead


@dataclass
class Cut:
    """What one cut cost one recording."""

    camera: str
    file: str
    lost_ms: float
    #: Until the camera was recorded again, from the start of the service; and until its first picture could be seen.
    resumed_ms: float | None
    picture_ms: float
    #: What had been told to be recorded and is not there.
    missing_ms: float
    #: The longest flush of the run that was cut, as far as it was told: how slow the machine was.
    flush_ms: int


#: How to make it, and what says whether it is sound: both for a file.
MAKE = {
    "ext4": ["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-e", "remount-ro", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "f2fs": ["mkfs.f2fs", "-q", "-f"],
}
#: f2fs repairs at the mount by rolling forward, which no program does on a file: what the mount leaves is played instead.
CHECK = {"ext4": [["e2fsck", "-p"], ["e2fsck", "-fn"]], "f2fs": []}


class Disk:
    """The image, made anew, and its cache for as long as the power is on."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="powercut-"))
        self.image = self.folder / "image"
        with self.image.open("wb") as file:
            file.truncate(DATA_DISK_SIZE)
        subprocess.run([*MAKE[FILESYSTEM], self.image], check=True, stdout=subprocess.DEVNULL)

    def on(self, log: Log | None = None) -> VolatileDisk:
        return VolatileDisk(self.image, self.folder / "socket", log)

    def keep(self, name: str) -> Path:
        """A copy of the image as it is."""
        copy = self.folder / name
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        return copy

    def check(self) -> None:
        """The file system needs no more than its journal. On a copy: the guest replays it by itself."""
        copy = self.keep("copy")
        for step in CHECK[FILESYSTEM]:
            found = subprocess.run([*step, copy], capture_output=True, text=True)
            assert found.returncode in (0, 1), found.stdout + found.stderr
        copy.unlink()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Memory:
    """What the service had answered, which must hold after any cut."""

    token: str = ""
    growing: dict[str, Told] = field(default_factory=dict)
    #: The longest flush that the service told of.
    longest_flush: int = 0
    #: Cameras whose recording was answered to have begun, and that nobody has asked to end.
    wanted: set[str] = field(default_factory=set)
    #: Finished recordings with their lengths in milliseconds.
    finished: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    snapshots: dict[str, int] = field(default_factory=dict)
    #: Those that were asked for when the power went: either is right.
    policies: list[int | None] = field(default_factory=lambda: [None])
    deleting: str | None = None
    key: str | None = None
    #: What lay aside when all was held against what had been answered.
    aside: set[str] = field(default_factory=set)
    #: Files that were played to their end, by name, with their size.
    played: dict[str, int] = field(default_factory=dict)


class Run:
    """One time from power on to power off."""

    def __init__(self, disk: Disk, memory: Memory, seed: int, log: Log | None = None, **settings: str) -> None:
        self.memory = memory
        self.chance = random.Random(seed)
        self.disk = disk.on(log)
        self.guest: Guest | None = None
        try:
            self.guest = Guest.restore(files=BINARIES, forwards=[8002, 8003], data_disk=self.disk.blockdev)
            self.guest.vivid(n_devs=len(CAMERAS))
            self.guest.run(MOUNT, check=True)
            there = self.guest.run(f"find {RECORDINGS} -name '*.mp4' -printf '%f\n' 2> /dev/null").stdout
            #: What was there before the service began.
            self.former = {Path(name).stem for name in there.splitlines()}
            self.started = time.monotonic()
            self.box = CameraBox(self.guest, state=STATE, **settings)
            token = memory.token or self.box.card["tokens"]["admin"]
            # The token of the very first run: the secret behind it is still the same.
            self.rpc = Rpc(self.guest.port(8002), token)
            memory.token = token
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.disk.cut()
        if self.guest is not None:
            self.guest.close()
        self.disk.__exit__()

    # What must be true after a start.

    def resumed(self) -> dict[str, float]:
        """Waits until every camera that was recorded is again, and says when, from the start of the service."""
        found: dict[str, float] = {}
        former = self.memory.growing
        while len(found) < len(former):
            late = time.monotonic() - self.started
            assert late < PATIENCE, f"only {found} after {late:.1f} s\n{self.box.process.output()[-6000:]}"
            for camera in former.keys() - found.keys():
                for each in self.running(camera):
                    # The name of one of which nothing was left is free again.
                    another = each["filename"] != former[camera].file or self.is_aside(camera, each["filename"])
                    if another and each["extensions"]["duration_ms"] > 0:
                        found[camera] = time.monotonic() - self.started
            time.sleep(0.1)
        return found

    def aside(self) -> set[str]:
        """What lies aside, because nothing of it plays: camera and file."""
        return set(self.guest.run(f"cd {RECORDINGS}/.quarantine && find . -name '*.mp4' -printf '%P\\n'").stdout.split())

    def is_aside(self, camera: str, name: str) -> bool:
        """Whether a recording was put aside at this start. Its name was free again then, and may have come to lie there twice."""
        file, before = f"{camera}/{name}.mp4", self.memory.aside
        fresh = self.aside() - before
        return file in fresh or file in before and any(each.startswith(f"{camera}/{name}-") for each in fresh)

    def settled(self) -> None:
        """Waits until every camera is recorded into a file of its own: no more files begin."""
        seen: dict[str, int] = {}

        def grows(camera: str) -> bool:
            # One that lay there without a name until now is new, too, and said to run, but does not grow. One may have got
            # the name of another of which nothing was left.
            new = [each for each in self.running(camera)
                   if each["filename"] not in self.former or self.is_aside(camera, each["filename"])]
            return any(seen.setdefault(each["filename"], told) < told
                       for each in new for told in [each["extensions"]["duration_ms"]])

        self.box.wait_for("recordings of all cameras", lambda: all(map(grows, CAMERAS)), PATIENCE)

    def running(self, camera: str) -> list[dict[str, Any]]:
        """The recording of a camera that grows, with its length. All files of an interrupted one are said to run."""
        listed = self.rpc.call("list_recordings", limit=10)["files"]
        mine = [each["filename"] for each in listed if each["extensions"]["device"] == camera]
        told = [told_of(self.rpc, name) for name in mine[:1]]
        return [each for each in told if each is not None and each["extensions"]["recording"]]

    def growing(self) -> set[str]:
        """The files that grow now."""
        return {each["filename"] for camera in CAMERAS for each in self.running(camera)}

    def losses(self, at: float, resumed: dict[str, float]) -> list[Cut]:
        """What the cut at a moment took of each recording that ran."""
        found = []
        for camera, told in self.memory.growing.items():
            there = 0.0 if self.is_aside(camera, told.file) else self.length(told.file)
            last = max(length for _, length in told.said)
            took = resumed.get(camera)
            found.append(Cut(
                camera, told.file, round((told.at(at) - there) * 1000, 1),
                None if took is None else round(took * 1000, 1), self.box.card["first_picture_ms"], round(max(0.0, last - there) * 1000, 1),
                self.memory.longest_flush,
            ))
        return found

    def length(self, name: str) -> float:
        """Seconds that a recording plays; nothing where it is gone."""
        told = told_of(self.rpc, name)
        return 0.0 if told is None else told["extensions"]["duration_ms"] / 1000

    def holds(self) -> None:
        """List equals media, and everything that was answered is so."""
        memory = self.memory
        listed = {each["filename"]: each for each in self.all("list_recordings")}
        found = self.guest.run(
            f"cd {RECORDINGS} && find . -mindepth 2 -name '*.mp4' -not -path './.*' -printf '%f %s\\n'", check=True,
        )
        media = dict(line.split() for line in found.stdout.splitlines())
        # A recording may begin in between: it is in the later list then.
        later = {f"{each['filename']}.mp4" for each in self.all("list_recordings")}
        assert {f"{name}.mp4" for name in listed} <= set(media) <= later, (sorted(listed), sorted(media), sorted(later))
        growing = self.growing()
        for name, each in listed.items():
            assert name in growing or each["file_size"] == int(media[f"{name}.mp4"]), each
            assert each["file_size"] > 0, each
        if memory.deleting is not None and memory.deleting not in listed:
            # It was asked for, and done, and only the answer did not arrive.
            memory.deleted.add(memory.deleting)
            memory.finished.pop(memory.deleting, None)
        for name, millis in memory.finished.items():
            assert name in listed, f"{name} was finished and is gone"
            assert round(self.length(name) * 1000) == millis, f"{name} was {millis} ms long"
        assert not memory.deleted & listed.keys(), f"deleted, and back: {memory.deleted & listed.keys()}"
        shots = {each["filename"]: each["file_size"] for each in self.all("list_snapshots")}
        for name, size in memory.snapshots.items():
            assert shots.get(name) == size, f"the snapshot {name} had {size} bytes: {shots.get(name)}"
        info = self.rpc.call("get_storage_info")["extensions"]
        days = info["retention"].get("max_age_days")
        assert days in memory.policies, (info["retention"], memory.policies)
        memory.policies[:] = [days]
        if memory.key is not None:
            with Rpc(self.guest.port(8002), memory.key):
                pass
        memory.deleting = None
        memory.aside = self.aside()
        self.plays(set(listed) - growing)

    def plays(self, names: set[str]) -> None:
        """Every file that has not been played at its size yet plays to its end without a complaint."""
        found = self.guest.run(
            f"cd {RECORDINGS} && find . -mindepth 2 -name '*.mp4' -not -path './.*' -printf '%P %s\\n'", check=True,
        )
        for line in found.stdout.splitlines():
            path, size = line.split()
            name = Path(path).stem
            if name not in names or self.memory.played.get(name) == int(size):
                continue
            with tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
                self.guest.pull(f"{RECORDINGS}/{path}", Path(copy.name))
                plays(Path(copy.name))
            self.memory.played[name] = int(size)

    def all(self, method: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.rpc.call(method, limit=100, offset=len(found))
            found += page["files"]
            if len(found) >= page["total"] or not page["files"]:
                return found

    # What goes on until the cut.

    def record(self) -> None:
        """Has every camera recorded that is not."""
        for camera in CAMERAS:
            until = time.monotonic() + PATIENCE
            while not self.running(camera):
                try:
                    self.rpc.call("start_recording", device=camera)
                except RuntimeError as error:
                    if not is_refusal(error) or time.monotonic() > until:
                        raise
            self.memory.wanted.add(camera)
        self.memory.growing = {}
        self._make_room()

    def _make_room(self) -> None:
        """Deletes the oldest, so that a long campaign fits the small disk."""
        if sum(each["file_size"] for each in self.all("list_recordings")) > KEPT:
            # The files of a recording that runs cannot be deleted, those before an interruption neither.
            for camera in CAMERAS:
                self._restart(self.rpc, camera)
            growing = self.growing()
            for each in self.all("list_recordings"):
                if each["filename"] not in growing:
                    self.rpc.call("delete_recording", filename=each["filename"])
                    self.memory.deleted.add(each["filename"])
                    self.memory.finished.pop(each["filename"], None)
        for each in self.all("list_snapshots")[200:]:
            self.memory.snapshots.pop(each["filename"], None)
            self.rpc.call("delete_snapshot", filename=each["filename"])

    def live(self, seconds: float, busy: bool = True) -> float:
        """Looks at the recordings grow while others use the box, then cuts the power; returns when that was."""
        stop = threading.Event()
        others = threading.Thread(target=self._use, args=(stop,), daemon=True)
        if busy:
            others.start()
        end = time.monotonic() + seconds
        asked, self.memory.longest_flush = 0.0, 0
        with Rpc(self.guest.port(8002), self.memory.token) as rpc:
            while time.monotonic() < end or not self.memory.growing:
                for camera in CAMERAS:
                    self._look(rpc, camera)
                if time.monotonic() > asked + 1:
                    asked = time.monotonic()
                    kept = rpc.call("get_storage_info")["extensions"]["durability"]
                    self.memory.longest_flush = kept["longest_flush_ms"]
                assert time.monotonic() < end + 30, "the recordings do not grow"
                time.sleep(0.03)
            at = time.monotonic()
            # The disk's cache is gone first: what QEMU still sends has no place to go.
            self.lost_blocks = self.disk.cut(self.chance.choice([0.0, 0.0, 0.5]), self.chance.randrange(1 << 30))
            self.guest.power_cut()
            # What was not answered yet may be there after the cut, or not.
            growing = self.memory.growing
            self.memory.growing = {c: growing[c] for c in self.memory.wanted & growing.keys()}
        stop.set()
        if busy:
            others.join(30)
        return at

    def _look(self, rpc: Rpc, camera: str) -> None:
        told = self.memory.growing.get(camera)
        if told is None:
            files = [each for each in rpc.call("list_recordings", limit=10)["files"]
                     if each["extensions"]["device"] == camera]
            info = told_of(rpc, files[0]["filename"]) if files else None
            if info is not None and info["extensions"]["recording"] and info["extensions"]["duration_ms"] > 0:
                # It has said something already: the power may be cut before it is asked again.
                said = (time.monotonic(), info["extensions"]["duration_ms"] / 1000)
                self.memory.growing[camera] = Told(info["filename"], [said])
            return
        info = told_of(rpc, told.file)
        if info is None or not info["extensions"]["recording"]:
            # Somebody ended it and began another.
            del self.memory.growing[camera]
            return
        # Asked before, answered after: it was true in between, and later is the stricter.
        told.said.append((time.monotonic(), info["extensions"]["duration_ms"] / 1000))

    def _use(self, stop: threading.Event) -> None:
        """Snapshots, deletions, settings, keys: what a box is used for."""
        try:
            with Rpc(self.guest.port(8002), self.memory.token) as rpc:
                while not stop.wait(self.chance.uniform(0.1, 0.5)):
                    try:
                        self._use_once(rpc)
                    except RuntimeError as error:
                        if not is_refusal(error):
                            raise
        except OSError:
            pass  # the power is gone
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            self.trouble = error

    def _use_once(self, rpc: Rpc) -> None:
        memory = self.memory
        what = self.chance.choice(["snapshot", "snapshot", "policy", "key", "delete", "short"])
        if what == "snapshot":
            taken = rpc.call("take_snapshot", device=self.chance.choice(CAMERAS))
            memory.snapshots[taken["filename"]] = taken["file_size"]
        elif what == "policy":
            days = self.chance.randrange(1000, 3000)
            memory.policies.append(days)
            rpc.call("set_retention_policy", policy_type="age", enabled=True, max_age_days=days)
            memory.policies[:] = [days]
        elif what == "key" and memory.key is None:
            memory.key = rpc.call("create_api_key", role="viewer")["key"]
        elif what == "delete":
            self._delete(rpc)
        elif what == "short" and self.chance.random() < 0.3:
            self._restart(rpc, self.chance.choice(CAMERAS))

    trouble: Exception | None = None

    def _delete(self, rpc: Rpc) -> None:
        memory = self.memory
        if memory.finished:
            memory.deleting = next(iter(memory.finished))
            rpc.call("delete_recording", filename=memory.deleting)
            memory.deleted.add(memory.deleting)
            del memory.finished[memory.deleting]
            memory.deleting = None

    def _restart(self, rpc: Rpc, camera: str) -> None:
        """Ends a recording, which is whole from the answer on, and begins another."""
        self.memory.wanted.discard(camera)
        stopped = rpc.call("stop_recording", device=camera)
        for each in stopped["extensions"]["files"]:
            self.memory.finished[each["filename"]] = each["duration_ms"]
        rpc.call("start_recording", device=camera)
        self.memory.wanted.add(camera)


class Peer:
    """MediaMTX by itself, as its own documentation has it record, from the service's streams, beside the service."""

    FOLDER = "/rec/peer"

    def __init__(self, run: Run) -> None:
        self.guest = run.guest
        paths = "\n".join(
            f"  {camera}:\n    source: {run.box.rtsp(camera)}\n    rtspTransport: tcp\n    record: yes" for camera in CAMERAS
        )
        off = "\n".join(f"{name}: no" for name in ("rtmp", "hls", "webrtc", "srt", "api"))
        text = (f"{off}\nrtspAddress: 127.0.0.1:18554\nrtspTransports: [tcp]\npathDefaults:\n"
                f"  recordPath: {self.FOLDER}/%path/%s-%f\npaths:\n{paths}\n")
        self.guest.push(text.encode(), "/tmp/peer.yml")
        self.process = self.guest.spawn("/in/mediamtx /tmp/peer.yml")
        until = time.monotonic() + PATIENCE
        while len(self.begun()) < len(CAMERAS):
            assert time.monotonic() < until, self.process.output()
            time.sleep(0.2)

    def begun(self) -> dict[str, float]:
        """When each file's first picture was taken, by the guest's clock: its name says so."""
        found = self.guest.run(f"ls {self.FOLDER}/*/*.mp4").stdout.split()
        stems = {Path(path).parent.name: Path(path).stem.split("-") for path in found}
        return {camera: int(stem[0]) + int(stem[1]) / 1e6 for camera, stem in stems.items()}

    @staticmethod
    def left(guest: Guest) -> dict[str, float]:
        """Seconds that the files of each camera play after a cut, as ffprobe reads them."""
        found = guest.run(f"find {Peer.FOLDER} -name '*.mp4'").stdout.split()
        lengths = {camera: 0.0 for camera in CAMERAS}
        for path in found:
            with tempfile.NamedTemporaryFile(suffix=".mp4") as copy:
                guest.pull(path, Path(copy.name))
                # What does not play counts as nothing.
                asked = ["ffprobe", "-v", "quiet", "-show_entries", "format=duration", "-of", "csv=p=0", copy.name]
                told = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
                lengths[Path(path).parent.name] += float(told or 0)
        return lengths


def told_of(rpc: Rpc, name: str) -> dict[str, Any] | None:
    """What is known of a recording that was listed a moment ago: it may be gone since, put aside or deleted by another."""
    try:
        return rpc.call("get_recording_info", filename=name)
    except RuntimeError as error:
        if "-32010" not in str(error):
            raise
        return None


def is_refusal(error: RuntimeError) -> bool:
    """The machine was too slow for a snapshot or a start (-32050), or is still at it (-32020): nothing was promised."""
    return any(code in str(error) for code in ("-32050", "-32020"))


def plays(path: Path) -> None:
    """ffprobe and ffmpeg read it to its end and complain about nothing."""
    asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
    told = subprocess.run(asked, capture_output=True, text=True)
    assert told.returncode == 0 and not told.stderr and float(told.stdout) > 0, (path, told)
    # At its own time stamps: on a grid of 1/10 s, pictures of a busy guest would fall on one place.
    decode = ["ffmpeg", "-v", "error", "-i", path, "-vsync", "passthrough", "-enc_time_base", "1:90000", "-f", "null", "-"]
    read = subprocess.run(decode, capture_output=True, text=True)
    assert read.returncode == 0 and not read.stderr, (path, read.stderr[-2000:])
