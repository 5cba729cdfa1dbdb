"""The colour judge itself, on frames made here. No guest needed."""
from __future__ import annotations

from typing import Callable

import pytest

from rig.colours import (
    BARS_YUV, BT709, Bars, Colour, assert_bars, bar_means, expected, swapped, to_rgb,
)

Decoder = Callable[[Colour], Colour]

WIDTH, HEIGHT = 64, 160


def painted(colours: Bars) -> bytes:
    """An rgb24 frame with these bars, and noise where vivid writes its text."""
    line = b"".join(bytes(map(round, colour)) * (WIDTH // 8) for colour in colours)
    return b"\x7f" * len(line) * 144 + line * (HEIGHT - 144)


def judged(decode: Decoder) -> None:
    frame = painted([decode(yuv) for yuv in BARS_YUV.values()])
    assert_bars(bar_means(frame, WIDTH, HEIGHT, "rgb24"))


def test_right_bars_pass() -> None:
    judged(to_rgb)


@pytest.mark.parametrize("name, decode", [
    ("BT.709 matrix instead of BT.601", lambda yuv: to_rgb(yuv, BT709)),
    ("full range instead of limited", lambda yuv: to_rgb(yuv, full=True)),
    ("U and V exchanged", lambda yuv: to_rgb(swapped(yuv, 1, 2))),
    ("red and blue exchanged", lambda yuv: swapped(to_rgb(yuv), 0, 2)),
    ("no known mistake", lambda yuv: (0, 0, 0)),
])
def test_a_known_mistake_is_called_by_its_name(name: str, decode: Decoder) -> None:
    with pytest.raises(AssertionError, match=name):
        judged(decode)


def test_a_mirrored_picture_is_recognised() -> None:
    with pytest.raises(AssertionError, match="mirrored"):
        assert_bars(expected("yuv")[::-1], "yuv")


def test_the_table_is_the_measured_one() -> None:
    # As read off a decoder: white, yellow and red of the 75 % bars.
    rounded = [tuple(map(round, colour)) for colour in expected("rgb")]
    assert (rounded[0], rounded[1], rounded[5]) == ((190, 190, 190), (188, 190, 0), (188, 0, 0))


def test_a_frame_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="64x160"):
        bar_means(b"\0" * 100, WIDTH, HEIGHT, "nv12")
    with pytest.raises(ValueError, match="no clean rows"):
        bar_means(b"\0" * (64 * 100 * 3), WIDTH, 100, "rgb24")
