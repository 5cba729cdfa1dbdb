"""The service's own eyes (`tools/capture.rs`) on vivid: every layout, every fault, every plug."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from rig import Guest
from rig.colours import assert_bars, bar_means

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CAPTURE = TARGET / "debug/examples/capture"
CARD = "vivid-000-vid-cap"
LAYOUTS = {"YUYV": "yuyv422", "NV12": "nv12", "YU12": "yuv420p", "UYVY": "yuyv422"}
DRIVER = "/sys/bus/platform/drivers/vivid"


@pytest.fixture
def eyes(image: None) -> Iterator[Guest]:
    """A guest with the capture tool in /in."""
    with Guest.restore(files=[CAPTURE]) as guest:
        yield guest


@pytest.mark.parametrize("planar", [1, 2], ids=["single-planar", "multi-planar"])
def test_frames_of_every_layout_are_exact(eyes: Guest, planar: int) -> None:
    node = eyes.vivid(multiplanar=planar)[CARD]
    for fourcc, layout in LAYOUTS.items():
        eyes.run(f"v4l2-ctl -d {node} -c test_pattern=0,osd_text_mode=0", check=True)
        eyes.run(
            f"/in/capture frames {node} --pixel {fourcc} --frames 30 --save /tmp/frame",
            timeout=40,
            check=True,
        )
        frame = eyes.pull("/tmp/frame")
        if fourcc == "UYVY":
            turned = bytearray(frame)
            turned[0::2], turned[1::2] = frame[1::2], frame[0::2]
            frame = bytes(turned)
        assert_bars(bar_means(frame, 640, 480, layout), "yuv", tolerance=0)


#: Fault injected while frames flow -> what the tool ends with, and what it must have said.
FAULTS = {
    "inject_v4l2_buf_flag_error": (0, "damaged=1"),
    "inject_vidioc_qbuf_error": (0, "frames=60"),
    "inject_fatal_streaming_error": (1, "error Reopen"),
    "disconnect": (1, "error Gone"),
}


def test_every_fault_has_the_kind_that_mends_it(eyes: Guest) -> None:
    node = eyes.vivid()[CARD]
    for fault, (code, words) in FAULTS.items():
        reader = eyes.spawn(f"/in/capture frames {node} --pixel YUYV --rate 20 --frames 60 2>&1")
        reader.wait_for("frame seq=", 20)
        eyes.run(f"v4l2-ctl -d {node} -c {fault}=1")
        result = reader.wait(40)
        assert (result.rc, words in result.stdout) == (code, True), f"{fault}: {result.stdout[-800:]}"
        # All of vivid's faults are over once the node was closed.
        eyes.run(f"/in/capture frames {node} --pixel YUYV --frames 5", timeout=20, check=True)


def test_frames_the_driver_drops_are_counted(eyes: Guest) -> None:
    node = eyes.vivid()[CARD]
    eyes.run(f"v4l2-ctl -d {node} -c percentage_of_dropped_buffers=50", check=True)
    result = eyes.run(f"/in/capture frames {node} --pixel YUYV --frames 60", timeout=40, check=True)
    missing = re.search(r"missing=(\d+)", result.stdout)
    assert missing and 10 <= int(missing[1]) <= 150, result.stdout[-300:]


def test_a_plug_is_known_within_200_ms_of_the_kernels_word(eyes: Guest) -> None:
    eyes.vivid()
    watcher = eyes.spawn("/in/capture watch --seconds 20 2>&1")
    monitor = eyes.spawn(
        "timeout 20 stdbuf -oL udevadm monitor --kernel --subsystem-match=video4linux 2>&1"
    )
    watcher.wait_for("added camera0", 15)
    monitor.wait_for("KERNEL - the kernel uevent", 15)
    for _ in range(2):
        for action, word in (("unbind", "removed camera0"), ("bind", "added camera0")):
            seen = watcher.output().count(word)
            eyes.run(f"echo vivid.0 > {DRIVER}/{action}", check=True)
            watcher.wait_for(f"{word}", 10)
            for _ in range(100):
                if watcher.output().count(word) > seen:
                    break
                eyes.run("sleep 0.05")
    ours = re.findall(r"^([\d.]+) (added|removed) camera0", watcher.wait(40).stdout, re.M)
    kernel = re.findall(r"KERNEL\[([\d.]+)\] (\w+)\s+\S*/video0 ", monitor.wait(40).stdout)
    late = []
    for stamp, action in kernel:
        word = {"add": "added", "remove": "removed"}[action]
        at = float(stamp) * 1000
        late.append(min(abs(float(when) - at) for when, what in ours if what == word))
    assert len(late) == 4, kernel
    print(f"known after {[round(ms) for ms in late]} ms")
    assert max(late) < 200


def test_a_second_reader_is_told_and_the_first_loses_nothing(eyes: Guest) -> None:
    node = eyes.vivid()[CARD]
    first = eyes.spawn(f"/in/capture frames {node} --pixel YUYV --rate 10 --frames 40 2>&1")
    first.wait_for("frame seq=", 20)
    second = eyes.run(f"/in/capture frames {node} --pixel YUYV --frames 5 2>&1", timeout=20)
    assert second.rc == 1 and "another program" in second.stdout
    assert "damaged=0" in first.wait(40).check().stdout
