"""The hardware route (`tools/encode.rs`): vivid's frames through a V4L2 encoder, told by what comes out.

The encoder is lossless and the bars stand still, so every comparison is exact.
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

from rig import Guest
from rig.colours import assert_bars, bar_means

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
ENCODE = Path(os.environ.get("ENCODE_BIN", TARGET / "debug/examples/encode"))
CARD = "vivid-000-vid-cap"
STREAM = "/tmp/stream.h264"
SHARED, COPIED = "hardware (V4L2 M2M, DMABUF)", "hardware (V4L2 M2M, copied)"


@pytest.fixture
def box(image: None) -> Iterator[Guest]:
    """A guest with the encoding tool in /in and the encoder's modules."""
    with Guest.restore(files=[ENCODE], modules=True) as guest:
        yield guest


@dataclass
class Run:
    """One run of the tool, as it told it."""

    rc: int
    text: str

    @property
    def route(self) -> str:
        return self._one(r"way (hardware \(.*?\)) \|")

    @property
    def why(self) -> str:
        """The last word about the way: what came to light while pictures flowed is in it."""
        return re.findall(r"^[\d.]+ way (?:hardware \(.*?\) \| )?(.*)", self.text, re.M)[-1]

    @property
    def units(self) -> list[tuple[bool, float, int]]:
        """Key frame, capture time in ms, and length of every access unit."""
        found = re.findall(r"unit \d+ bytes=(\d+) key=(\w+) captured=([\d.]+)", self.text)
        return [(key == "true", float(at), int(size)) for size, key, at in found]

    def count(self, name: str) -> int:
        """One of the tool's own counters; those of the machine are printed last."""
        return int(re.findall(rf"\b{name}[:=] ?(\d+)", self.text)[-1])

    def _one(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, self.text[-2000:]
        return found[1]


def still_bars(guest: Guest, node: str) -> None:
    guest.run(f"v4l2-ctl -d {node} -c test_pattern=0,osd_text_mode=0", check=True)


def encode(guest: Guest, camera: str, words: str = "", rc: int = 0, timeout: float = 60) -> Run:
    # Software emulation: ten frames a second leave room. What `words` says goes before these.
    usual = {"--rate": "10", "--units": "20", "--out": STREAM}
    options = " ".join(f"{key} {value}" for key, value in usual.items() if key not in words)
    reply = guest.run(f"/in/encode run {camera} {options} {words} 2>&1", timeout=timeout)
    run = Run(reply.rc, reply.stdout)
    assert run.rc == rc, run.text[-3000:]
    return run


def decoded(guest: Guest, width: int, height: int, frames: int = 20) -> list[bytes]:
    """Every picture of the stream; decoding must not complain about anything."""
    reply = guest.run(
        f"timeout 60 ffmpeg -v warning -f h264 -i {STREAM} -f rawvideo -pix_fmt yuv420p /tmp/raw -y",
        timeout=70,
    )
    complaints = [
        line for line in reply.stderr.splitlines() if line and "Timestamps are unset" not in line
    ]
    assert reply.rc == 0 and not complaints, reply.stderr
    raw = guest.pull("/tmp/raw")
    size = width * height * 3 // 2
    assert len(raw) == frames * size, f"{len(raw)} bytes are not {frames} pictures of {width}x{height}"
    return [raw[at * size : (at + 1) * size] for at in range(frames)]


def assert_exact(guest: Guest, width: int = 640, height: int = 480, frames: int = 20) -> None:
    pictures = decoded(guest, width, height, frames)
    for picture in (pictures[0], pictures[-1]):
        assert_bars(bar_means(picture, width, height, "yuv420p"), "yuv", tolerance=0)


@pytest.mark.parametrize("encoder", [0, 1], ids=["encoder-single", "encoder-multi"])
@pytest.mark.parametrize("camera", [1, 2], ids=["camera-single", "camera-multi"])
def test_pictures_reach_the_encoder_where_they_lie_and_keep_their_colours(
    box: Guest, camera: int, encoder: int
) -> None:
    node = box.vivid(multiplanar=camera)[CARD]
    still_bars(box, node)
    coder = box.vh264(multiplanar=encoder)
    for pixel in ("NV12", "YU12", "YUYV"):
        run = encode(box, node, f"--pixel {pixel}")
        if (camera, pixel) == (2, "YUYV"):
            # vivid's specialty: a header before packed pixels in multi-planar buffers.
            assert run.route == COPIED
            assert "the camera puts 128 bytes in front of each picture" in run.why
        else:
            assert run.route == SHARED
            assert run.why == f"{coder} (vh264-000) reads the camera's buffers where they lie ({pixel})"
        assert_exact(box)
        stamps = [at for _, at, _ in run.units]
        assert stamps == sorted(set(stamps)), "every picture has its own time, in order"
        assert run.units[0][0], "the first one is a key frame"
        assert run.count("strangers") == run.count("lies") == 0


def test_pictures_in_contiguous_memory_reach_an_encoder_that_wants_no_other(box: Guest) -> None:
    box.vh264(memory="contig")
    for allocator, route in ((1, SHARED), (0, COPIED)):
        node = box.vivid(allocators=allocator)[CARD]
        still_bars(box, node)
        run = encode(box, node, "--pixel NV12")
        assert run.route == route, run.why
        assert route == SHARED or "because the encoder cannot read the camera's memory" in run.why
        assert_exact(box)


def test_a_camera_is_asked_for_the_encoders_line_length(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264(stride_align=256)
    for pixel, stride in (("NV12", 768), ("YUYV", 1280)):
        run = encode(box, node, f"--pixel {pixel}")
        assert (run.route, f"stride: {stride}" in run.text) == (SHARED, True), run.text[-2000:]
        assert_exact(box)


def test_pictures_the_encoder_pads_in_height_are_copied_and_keep_their_size(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    for options in ({}, {"crop_to_request": 1}):
        box.vh264(height_align=64, stride_align=256, **options)
        run = encode(box, node, "--pixel NV12 --size 640x360")
        assert run.route == COPIED
        assert "wants the colours behind 384 lines, the camera puts them behind 360" in run.why
        assert_exact(box, 640, 360)


def test_packed_pictures_only_need_larger_buffers_for_the_padding(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264(height_align=64)
    run = encode(box, node, "--pixel YUYV --size 640x360")
    assert run.route == SHARED, run.why
    assert_exact(box, 640, 360)


def test_1080_lines_stay_1080(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264(height_align=16)
    run = encode(box, node, "--pixel YUYV --size 1920x1080 --units 3", timeout=90)
    assert run.route == SHARED, run.why
    assert_exact(box, 1920, 1080, 3)


def test_user_space_never_maps_the_cameras_buffers(box: Guest) -> None:
    node = box.vivid()[CARD]
    coder = box.vh264()
    for memory in ("auto", "copy"):
        traced = box.spawn(
            f"strace -f -y -e trace=mmap -o /tmp/trace /in/encode run {node} --pixel NV12"
            f" --rate 10 --units 10 --memory {memory} --stay 2>&1"
        )
        traced.wait_for("done units=10", 60)
        maps = box.run("cat /proc/$(pidof encode)/maps", check=True).stdout
        box.run("kill $(pidof encode)", check=True)
        traced.wait(20)
        assert coder in maps, "the coded buffers are mapped"
        assert (node in maps) == (memory == "copy"), maps
        trace = box.pull("/tmp/trace").decode()
        shared = re.findall(r"mmap\(.*MAP_SHARED, \d+<([^>]+)>", trace)
        assert coder in shared and (node in shared) == (memory == "copy"), shared


def test_memory_the_encoder_cannot_reach_is_copied_and_the_status_says_so(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264()
    box.vh264_fault("refuse_import")
    run = encode(box, node, "--pixel NV12")
    assert run.route == COPIED
    assert "because the encoder cannot read the camera's memory" in run.why
    assert_exact(box)


def test_what_the_encoder_does_not_take_is_converted(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264(stride_align=256)
    run = encode(box, node, "--pixel UYVY")
    assert run.route == COPIED
    assert "each frame is converted, because the camera gives UYVY" in run.why
    assert_exact(box)
    run = encode(box, node, "--pixel NV12 --memory copy")
    assert (run.route, "each frame is copied" in run.why) == (COPIED, True)
    assert_exact(box)


def test_a_machine_without_a_fitting_encoder_says_why(box: Guest) -> None:
    node = box.vivid()[CARD]
    run = encode(box, node, rc=2)
    assert "no hardware encoder that V4L2 knows of" in run.text
    box.vicodec()
    run = encode(box, node, rc=2)
    assert "gives FWHT" in run.text and "decodes" in run.text
    coder = box.vh264()
    run = encode(box, node, f"--avoid {coder}", rc=2)
    assert f"{coder} failed and is left alone" in run.text
    box.vh264_fault("sfmt_size")
    run = encode(box, node, "--pixel NV12", rc=2)
    assert "it codes 624x464 at most, not 640x480" in run.text


def test_a_key_frame_comes_when_it_is_asked_for_and_only_one(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    run = encode(box, node, "--pixel NV12 --gop 1000 --key-after 8")
    keys = [at for at, (key, _, _) in enumerate(run.units, start=1) if key]
    assert keys[0] == 1 and len(keys) == 2 and 9 <= keys[1] <= 14, keys


def test_another_bit_rate_is_taken_while_pictures_flow(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    run = encode(box, node, "--pixel NV12 --retune 500")
    assert "retune 500: Ok(())" in run.text


def test_frames_swallowed_by_rate_control_do_not_mix_up_the_times_of_the_others(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    box.vh264_fault("swallow_every", 3)
    run = encode(box, node, "--pixel NV12 --rate 20")
    stamps = [at for _, at, _ in run.units]
    assert stamps == sorted(set(stamps))
    assert run.count("swallowed") >= 8
    assert run.count("strangers") == 0
    gaps = [round((b - a) / 50) for a, b in zip(stamps, stamps[1:])]
    assert max(gaps) >= 2, f"the swallowed frames' times are left out: {gaps}"
    decoded(box, 640, 480)


def test_a_damaged_picture_is_followed_by_nothing_but_a_key_frame(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    box.vh264_fault("error_every", 5)
    run = encode(box, node, "--pixel NV12 --gop 1000")
    assert run.count("damaged") >= 3
    assert sum(key for key, _, _ in run.units) >= 3
    decoded(box, 640, 480)


@pytest.mark.parametrize("fault", [("bytesused", 1), ("bytesused", 2), ("timestamp", 1), ("timestamp", 2)])
def test_an_encoder_that_talks_nonsense_costs_pictures_and_nothing_else(
    box: Guest, fault: tuple[str, int]
) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    box.vh264_fault(*fault)
    run = encode(box, node, "--pixel NV12 --rate 20 --patience 3", rc=1)
    assert "failed the encoder" in run.text and not run.units
    if fault[0] == "timestamp":
        assert "does not carry time stamps through" in run.text
    box.vh264_fault(fault[0], 0)
    encode(box, node, "--pixel NV12")


def test_harmless_lies_are_seen_through(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264()
    for fault in ("sequence", "sizeimage_zero"):
        box.vh264_fault(fault)
        for memory in ("auto", "copy"):
            run = encode(box, node, f"--pixel NV12 --memory {memory}")
            assert run.route == (SHARED if memory == "auto" else COPIED)
            assert_exact(box)
        box.vh264_fault(fault, 0)
    box.vh264_fault("enum")
    run = encode(box, node)
    assert "YU12" in run.why, "NV12 is only listed: the next layout is taken"
    assert_exact(box)


def test_an_encoder_that_refuses_every_frame_is_given_up_and_cured_by_a_restart(box: Guest) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264()
    box.vh264_fault("qbuf_einval_after", 20)
    run = encode(box, node, "--pixel NV12 --rate 20 --units 60", rc=1)
    assert "failed the encoder Reopen" in run.text
    assert "refuses one frame after the other" in run.text
    box.vh264_fault("qbuf_einval_after", 20)
    run = encode(box, node, "--pixel NV12 --rate 20 --units 60 --restreams 1")
    assert run.count("restreams") == 1 and run.count("refused") == 10
    assert_exact(box, frames=60)


def test_stopping_and_starting_brings_a_stalled_encoder_back_and_begins_with_a_key_frame(
    box: Guest,
) -> None:
    node = box.vivid()[CARD]
    still_bars(box, node)
    box.vh264()
    for memory in ("auto", "copy"):
        box.vh264_fault("stall_after", 10)
        run = encode(box, node, f"--pixel NV12 --gop 1000 --memory {memory} --restream-after 10")
        assert [key for key, _, _ in run.units].index(True, 1) == 10
        assert_exact(box)


def test_a_slow_encoder_costs_frames_and_no_latency(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    box.vh264_fault("late_ms", 150)
    for memory in ("auto", "copy"):
        run = encode(box, node, f"--pixel NV12 --rate 20 --memory {memory}")
        assert run.count("late") >= 20
        decoded(box, 640, 480)
        # Two frames ahead of the encoder, never more: what lies between two pictures is bounded.
        assert run.count("taken") - run.count("emitted") - run.count("late") <= 4


@pytest.mark.parametrize("memory", ["auto", "copy"])
def test_a_device_that_is_pulled_out_is_named(box: Guest, memory: str) -> None:
    for part, driver in (("the encoder", "vh264/unbind vh264.0"), ("the camera", "vivid/unbind vivid.0")):
        node = box.vivid()[CARD]
        box.vh264()
        path, device = driver.split()
        reader = box.spawn(
            f"/in/encode run {node} --pixel NV12 --rate 10 --units 500 --memory {memory} 2>&1"
        )
        reader.wait_for("unit 5 ", 30)
        box.run(f"echo {device} > /sys/bus/platform/drivers/{path}", check=True)
        result = reader.wait(20)
        assert result.rc == 1 and f"failed {part} Gone" in result.stdout, result.stdout[-1500:]
        box.run(f"echo {device} > /sys/bus/platform/drivers/{path.replace('unbind', 'bind')}", check=True)


@pytest.mark.parametrize("words", ["--pixel NV12", "--pixel NV12 --memory copy", "--pixel UYVY"])
def test_while_pictures_flow_no_memory_is_asked_for(box: Guest, words: str) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    box.vh264_fault("swallow_every", 4)
    run = encode(box, node, f"{words} --units 40")
    assert run.count("asked") == 0


def test_waiting_for_both_devices_never_spins(box: Guest) -> None:
    node = box.vivid()[CARD]
    box.vh264()
    run = encode(box, node, "--pixel NV12 --units 40")
    # Three buffers move for each picture: the camera's, the raw one back, the coded one.
    assert run.count("wakes") <= 4 * 40 and run.count("idle") <= 20, run.text[-800:]
