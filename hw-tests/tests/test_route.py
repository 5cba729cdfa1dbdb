"""The way of a picture from camera to socket: nothing is copied, nothing allocated, nothing lost on it.

Every claim has a foreign witness: the kernel's list of mappings, strace, a counting allocator, the
addresses handed to the socket, and the numbers that vivid paints into its pictures.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from camera_box import BINARIES, TARGET, CameraBox
from campaign.stand import BARS, CARD, ROUTES, Stand, stand
from campaign.viewer import Kind, order
from rig import Guest
from rig.colours import assert_bars, bar_means

ROUTE = os.environ.get("CAMPAIGN_ROUTE", "hardware")
LONG = os.environ.get("CAMPAIGN", "short") == "long"
#: Frames whose numbers are compared: 33 s, or ten minutes.
FRAMES = 18_000 if LONG else 1000
FPS = 30
STEADY = TARGET / "release/examples/steady"
WEB = Path(__file__).resolve().parents[2] / "web"
INSIDE = Path(__file__).resolve().parents[1] / "campaign/inside"
#: What videobuf2 adds to the offsets of an encoder's CAPTURE buffers, so that mmap can tell them
#: from those of OUTPUT.
CODED_BUFFERS = 1 << 30
#: Raw key frames have half a megabyte, the pictures between them some kilobytes.
SMALL, BURST = 20_000, 200_000
SERVER = """\
rtspAddress: 127.0.0.1:9554
rtspTransports: [tcp]
rtmp: false
hls: false
webrtc: false
srt: false
moq: false
paths:
  all_others:
"""


@pytest.fixture(scope="module")
def devices(image: None) -> Iterator[Guest]:
    """A guest with one camera and one encoder; the service is started by each test."""
    files = {**BINARIES, "steady": STEADY, "iovecs.py": INSIDE / "iovecs.py"}
    with Guest.restore(files=files, modules=True) as guest:
        node = guest.vivid()[CARD]
        # Key frames of more than one burst, which the bars alone would not give.
        guest.vh264(raw=1)
        guest.run(f"v4l2-ctl -d {node} -c {BARS}", check=True)
        yield guest


@pytest.fixture(scope="module")
def watched(image: None) -> Iterator[Stand]:
    """The service at 30 frames a second, and a reader of all of them."""
    with stand(ROUTE, CAMERA_SERVICE_CAMERA_FPS=str(FPS), CAMERA_SERVICE_CAMERA_PIXEL_FORMAT="NV12") as made:
        yield made


def encoder_of(guest: Guest) -> str:
    nodes = guest.video_nodes()
    return next(node for name, node in nodes.items() if name.startswith("vh264"))


@contextlib.contextmanager
def started(guest: Guest, under: str = "") -> Iterator[CameraBox]:
    """The service, ended in the end whatever happens; the next test wants its ports and devices."""
    box = CameraBox(guest, under, CAMERA_SERVICE_CAMERA_PIXEL_FORMAT="NV12", **ROUTES[ROUTE])
    try:
        yield box
    finally:
        guest.run(f"kill -INT {box.card['pid']}")
        box.process.wait(30)


def test_no_raw_frame_ever_appears_in_our_memory(devices: Guest) -> None:
    camera, encoder = devices.video_nodes()[CARD], encoder_of(devices)
    trace = "strace -f -y --seccomp-bpf -e trace=mmap,read,readv -e signal=none -o /tmp/trace"
    with started(devices, trace) as box:
        time.sleep(3)
        # Not that of strace.
        pid = box.card["pid"]
        maps = devices.run(f"cat /proc/{pid}/maps", check=True).stdout

    assert encoder in maps, "the encoder's node is not mapped at all: another route was taken"
    assert camera not in maps
    calls = devices.run("grep -E '/dev/video|dmabuf' /tmp/trace", 20).stdout.splitlines()
    offsets = []
    for call in calls:
        assert f"<{camera}" not in call, f"the camera's memory was touched: {call}"
        assert "dmabuf" not in call, f"a shared buffer was mapped: {call}"
        assert "mmap(" in call, call
        found = re.search(r">, (0x[0-9a-f]+|0)\b", call)
        assert found, call
        offsets.append(int(found[1], 16))
    assert offsets and all(offset >= CODED_BUFFERS for offset in offsets), "raw buffers of the encoder were mapped"


def test_coded_bytes_go_to_the_socket_from_where_the_encoder_left_them(devices: Guest) -> None:
    encoder = encoder_of(devices)
    with started(devices) as box:
        pid = box.card["pid"]
        threads = devices.run(f"grep -l '^camera0$' /proc/{pid}/task/*/comm", check=True).stdout
        thread = threads.split("/")[4]
        # Past the first pictures, which waited for MediaMTX.
        time.sleep(2)
        lines = devices.run(f"timeout 60 python3 /in/iovecs.py {thread} 60", 80).stdout.splitlines()

    calls: list[Any] = [json.loads(line) for line in lines]
    assert len(calls) == 60
    inside = outside = 0
    # Only what could not go at once is kept in the ring, and goes from there: what the socket did not
    # take, and what of a key frame is more than one burst. The first call may find such a rest.
    waits, run = True, 0
    for call in calls:
        # RTP, RTSP and FU headers are ours and short.
        payload = [(size, holder) for _, size, holder in call["pieces"] if size > 64]
        kept = sum(size for size, holder in payload if holder != encoder)
        assert waits or kept == 0, f"{kept} bytes were copied although the socket took all before: {call}"
        inside += sum(size for size, holder in payload if holder == encoder)
        outside += kept
        offered = sum(size for _, size, _ in call["pieces"])
        run = 0 if offered < SMALL and kept == 0 else run + offered
        waits = call["took"] != offered or kept > 0 or run >= BURST
    print(f"{inside} bytes offered from the encoder's memory, {outside} from the ring")
    assert inside > outside


def test_a_running_camera_allocates_nothing(devices: Guest) -> None:
    devices.push(SERVER.encode(), "/tmp/steady.yml")
    server = devices.spawn("/in/mediamtx /tmp/steady.yml")
    server.wait_for("[RTSP] started", 20)
    encoder = {"hardware": "auto"}.get(ROUTE, ROUTE)
    result = devices.run(
        f"/in/steady --rtsp 127.0.0.1:9554 --warm-up 300 --frames 1000 --fps {FPS} --encoder {encoder}", 240, check=True
    )
    server.kill(9)
    server.wait(10)
    report = json.loads(result.stdout.splitlines()[-1])
    print(json.dumps(report))
    assert report["frames"] >= 1000
    [camera] = [thread for thread in report["threads"] if thread["thread"] == "camera0"]
    assert camera["allocations"] == 0, report


def settled(watched: Stand) -> dict[str, int]:
    """The service's counters now."""
    counters: dict[str, int] = watched.status()["extensions"]["counters"]
    return counters


def test_every_frame_is_accounted_for_and_none_comes_out_of_order(watched: Stand) -> None:
    outer_begin = settled(watched)
    # What the reader shows was counted a while ago: on a busy machine it lags by some frames.
    time.sleep(1.0)
    begun = time.monotonic()
    time.sleep(1.0)
    inner_begin = settled(watched)
    viewer = watched.viewer
    viewer.wait(f"{FRAMES} pictures", lambda: len(viewer.frames(begun)) >= FRAMES, FRAMES / FPS * 4 + 60)
    inner_end = settled(watched)
    ended_at = time.monotonic()
    time.sleep(1.0)
    outer_end = settled(watched)

    seen = viewer.frames(begun, ended_at)
    numbers = order(seen)
    print(numbers, {k: outer_end[k] - v for k, v in outer_begin.items()})
    assert all(f.kind is Kind.CAMERA for f in seen)
    assert (numbers.reordered, numbers.repeated, numbers.restarts, numbers.unreadable) == (0, 0, 0, 0)

    def lost(begin: dict[str, int], end: dict[str, int]) -> int:
        kinds = ("dropped_by_driver", "damaged", "swallowed", "unsent")
        return sum(end[kind] - begin[kind] for kind in kinds)

    # The counters are read at slightly other moments than the frames: from inside and from outside.
    assert lost(inner_begin, inner_end) <= numbers.missing + 1
    assert numbers.missing <= lost(outer_begin, outer_end), "frames vanished that nobody counted"
    moved = {key: outer_end[key] - outer_begin[key] for key in outer_begin}
    in_flight = abs(moved["captured"] - moved["encoded"] - moved["swallowed"])
    assert in_flight <= 8, f"frames in and access units out differ: {moved}"


def test_the_bars_are_exact_in_a_foreign_reader(watched: Stand) -> None:
    means = bar_means(watched.viewer.picture, 640, 480, "yuv420p")
    # vh264 is lossless.
    assert_bars(means, "yuv", tolerance=4 if ROUTE == "software" else 0)


def test_chromium_shows_the_same_bars_over_whep_and_they_move(watched: Stand) -> None:
    reply = subprocess.run(
        ["node", "e2e/guest.mjs", watched.page(), "60"],
        cwd=WEB, capture_output=True, text=True, timeout=120, check=False,
    )
    assert reply.returncode == 0, reply.stderr[-3000:]
    report = json.loads(reply.stdout)
    assert report["complaints"] == []
    first, second = report["first"], report["second"]
    assert (first["width"], first["height"]) == (640, 480)
    assert second["frames"] > first["frames"] and second["digest"] != first["digest"], "the picture stands still"
    for shown in (first, second):
        assert_bars([tuple(bar) for bar in shown["bars"]], "rgb", tolerance=8)
