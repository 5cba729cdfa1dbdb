"""A picture from a real V4L2 device in a real kernel, through the service, to a foreign reader."""
from __future__ import annotations

from typing import Iterator

import pytest

from camera_box import BINARIES, CameraBox
from rig import Guest
from rig.colours import assert_bars, bar_means

CARD = "vivid-000-vid-cap"
#: Colour bars, with vivid's frame counters in the upper left corner: each frame differs.
BARS = "test_pattern=0,osd_text_mode=1"


@pytest.fixture
def box_guest(image: None) -> Iterator[Guest]:
    """A guest with the product's binaries in /in."""
    with Guest.restore(files={name: path for name, path in BINARIES.items()}) as guest:
        yield guest


def plug_in(guest: Guest, **options: int) -> str:
    """Loads vivid, shows the bars, and returns the camera's name in the service."""
    node = guest.vivid(**options)[CARD]
    guest.run(f"v4l2-ctl -d {node} -c {BARS}", check=True)
    return node.replace("/dev/video", "camera")


@pytest.mark.parametrize("layout", ["YUYV", "NV12", "YU12"])
def test_the_colour_bars_arrive_as_vivid_painted_them(box_guest: Guest, layout: str) -> None:
    camera = plug_in(box_guest)
    box = CameraBox(box_guest, CAMERA_SERVICE_CAMERA_PIXEL_FORMAT=layout)

    digests, pictures = box.read_frames(camera, 100)

    assert len(digests) == 100
    assert len(set(digests)) == 100, "frames repeat: the picture stood still"
    for picture in pictures:
        assert_bars(bar_means(picture, 640, 480, "rgb24"), "rgb", tolerance=8)
    stream = box.stream_properties(camera)
    assert (stream["color_space"], stream["color_range"]) == ("smpte170m", "tv")
    assert stream.get("has_b_frames", 0) == 0
    assert box.camera(camera)["pixel_format"] == layout


def test_a_multiplanar_device_is_as_good(box_guest: Guest) -> None:
    camera = plug_in(box_guest, multiplanar=2)
    box = CameraBox(box_guest, CAMERA_SERVICE_CAMERA_PIXEL_FORMAT="NV12")
    digests, pictures = box.read_frames(camera, 30)
    assert len(set(digests)) == 30
    assert_bars(bar_means(pictures[-1], 640, 480, "rgb24"), "rgb", tolerance=8)


def test_an_unplugged_camera_is_reported_and_its_picture_is_back_after_the_plug(
    box_guest: Guest,
) -> None:
    camera = plug_in(box_guest)
    box = CameraBox(box_guest)

    box_guest.unbind_vivid()
    box.wait_for("DISCONNECTED", lambda: box.camera(camera)["status"] == "DISCONNECTED", 5)
    assert box.health("")["status"] != "healthy"

    nodes = box_guest.bind_vivid()
    assert nodes[CARD].endswith(camera.removeprefix("camera")), "the number was not free again"
    box.wait_for("CONNECTED", lambda: box.camera(camera)["status"] == "CONNECTED", 10)
    digests, _ = box.read_frames(camera, 20)
    assert len(set(digests)) == 20


def test_a_camera_that_gives_no_frames_is_called_so_within_two_seconds(box_guest: Guest) -> None:
    camera = plug_in(box_guest)
    node = camera.replace("camera", "/dev/video")
    box = CameraBox(box_guest)

    box_guest.run(f"v4l2-ctl -d {node} -c percentage_of_dropped_buffers=100", check=True)
    # Two seconds, plus what asking through an emulated machine takes.
    took = box.wait_for("ERROR", lambda: box.camera(camera)["status"] == "ERROR", 4)
    print(f"reported after {took:.2f} s")
    report = box.camera(camera)
    assert "no new frame" in report["reason"]
    assert report["action"]

    box_guest.run(f"v4l2-ctl -d {node} -c percentage_of_dropped_buffers=0", check=True)
    box.wait_for("CONNECTED", lambda: box.camera(camera)["status"] == "CONNECTED", 10)


def test_a_stream_that_breaks_is_mended_without_a_human(box_guest: Guest) -> None:
    camera = plug_in(box_guest)
    node = camera.replace("camera", "/dev/video")
    box = CameraBox(box_guest)
    for fault in ["inject_fatal_streaming_error", "inject_vidioc_qbuf_error", "inject_v4l2_buf_flag_error", "disconnect"]:
        before = int(box.camera(camera)["frames"])
        box_guest.run(f"v4l2-ctl -d {node} -c {fault}=1", check=True)
        box.wait_for(
            f"frames after {fault}", lambda: int(box.camera(camera)["frames"]) > before + 20, 20
        )
    assert box.camera(camera)["status"] == "CONNECTED"


def test_the_test_camera_leaves_camera0_to_the_real_one(box_guest: Guest) -> None:
    camera = plug_in(box_guest)
    assert camera == "camera0"
    box = CameraBox(
        box_guest,
        CAMERA_SERVICE_TEST_CAMERA_ENABLED="true",
        CAMERA_SERVICE_TEST_CAMERA_SIZE="320x240",
        CAMERA_SERVICE_TEST_CAMERA_FPS="5",
    )
    assert [c["device"] for c in box.card["cameras"]] == ["camera0", "camera1000"]
