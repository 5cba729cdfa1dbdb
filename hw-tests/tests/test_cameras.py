"""vivid in the guest: nodes, exact colours, unplugging."""
from __future__ import annotations

import pytest

from rig import Guest
from rig.colours import assert_bars, bar_means

CAMERA = "vivid-000-vid-cap"
LAYOUTS = {"YUYV": "yuyv422", "NV12": "nv12", "YU12": "yuv420p"}


def capture(guest: Guest, node: str, fourcc: str, controls: str) -> bytes:
    """One raw 640x480 frame. v4l2-ctl exits with 0 whatever happens, so look at the file."""
    guest.run(
        f"v4l2-ctl -d {node} -p 30 -c {controls}"
        f" -v width=640,height=480,pixelformat={fourcc}"
        " --stream-mmap --stream-count=1 --stream-to=/tmp/frame",
        check=True,
    )
    return guest.pull("/tmp/frame")


def test_the_restored_guest_has_no_camera_until_asked(guest: Guest) -> None:
    assert guest.video_nodes() == {}
    assert guest.vivid() == {CAMERA: "/dev/video0"}
    assert list(guest.vivid(2)) == [CAMERA, "vivid-001-vid-cap"]
    assert "vivid-000-vid-out" in guest.vivid(num_outputs=1, node_types=0x101)


@pytest.mark.parametrize("osd", [0, 2], ids=["with text", "without text"])
def test_bars_are_exact_in_every_format(guest: Guest, osd: int) -> None:
    node = guest.vivid()[CAMERA]
    for fourcc, layout in LAYOUTS.items():
        frame = capture(guest, node, fourcc, f"test_pattern=0,osd_text_mode={osd}")
        assert_bars(bar_means(frame, 640, 480, layout), "yuv", tolerance=0)


def test_bars_survive_h264(guest: Guest) -> None:
    node = guest.vivid()[CAMERA]
    guest.run(
        f"ffmpeg -loglevel error -f v4l2 -input_format nv12 -video_size 640x480 -framerate 10"
        f" -i {node} -frames:v 5 -pix_fmt yuv420p -c:v libx264 -preset ultrafast /tmp/v.h264"
        " && ffmpeg -loglevel error -i /tmp/v.h264 -frames:v 1 -f rawvideo -pix_fmt rgb24 /tmp/rgb",
        timeout=60, check=True,
    )
    assert_bars(bar_means(guest.pull("/tmp/rgb"), 640, 480, "rgb24"), "rgb", tolerance=4)


def test_cameras_can_be_unplugged_and_plugged_in(guest: Guest) -> None:
    guest.vivid(2)
    assert guest.unbind_vivid() == {}
    assert set(guest.bind_vivid()) == {CAMERA, "vivid-001-vid-cap"}


def test_a_reader_sees_the_camera_go(guest: Guest) -> None:
    node = guest.vivid()[CAMERA]
    # One line a frame; the count is out of reach, so only the unbind ends it.
    reader = guest.spawn(f"v4l2-ctl -d {node} --stream-mmap --stream-count=100000 --verbose")
    reader.wait_for("cap dqbuf", 20)
    assert guest.unbind_vivid() == {}
    # Blocked in DQBUF it gets EINVAL, from poll() it would be ENODEV; and the
    # exit status of v4l2-ctl is 0 all the same.
    assert "VIDIOC_DQBUF: failed" in reader.wait(20).stderr
