"""The campaign's own instruments: a frame is judged rightly, numbers are read, times are sorted."""
from __future__ import annotations

import json

import pytest

from campaign import lines, losses, recovery
from campaign.picture import DIGITS, Geometry, Kind
from campaign.powercut import Told
from campaign.viewer import Order, Seen, order
from rig.colours import BARS_YUV

WIDTH, HEIGHT = 640, 480
GLYPHS = {text: glyph for glyph, text in DIGITS.items()}


def bars(scale: float = 1.0) -> bytearray:
    """vivid's picture as yuv420p, its luma scaled towards black."""
    luma = [round(16 + (y - 16) * scale) for y, _, _ in BARS_YUV.values()]
    row = b"".join(bytes([y]) * (WIDTH // 8) for y in luma)
    u, v = (
        b"".join(bytes([yuv[i]]) * (WIDTH // 16) for yuv in BARS_YUV.values()) for i in (1, 2)
    )
    return bytearray(row * HEIGHT + u * (HEIGHT // 2) + v * (HEIGHT // 2))


def write(frame: bytearray, text: str) -> bytearray:
    """The text as vivid writes it."""
    for place, letter in enumerate(text):
        glyph = GLYPHS[letter]
        for row in range(16):
            for bit in range(8):
                white = glyph[row] >> (7 - bit) & 1
                frame[(16 + row) * WIDTH + 16 + 8 * place + bit] = 235 if white else 16
    return frame


def test_the_cameras_bars_are_told_from_the_slate_and_from_rubbish() -> None:
    look = Geometry(WIDTH, HEIGHT)
    assert look.kind(memoryview(bars())) is Kind.CAMERA
    assert look.kind(memoryview(bars(0.5))) is Kind.SLATE
    assert look.kind(memoryview(bytearray([16]) * look.bytes)) is Kind.SLATE, "dark all over"
    half = bars()
    half[WIDTH * 200:WIDTH * 300] = bytes([128]) * (WIDTH * 100)
    assert look.kind(memoryview(half)) is Kind.OTHER, "torn in the middle"
    assert look.kind(memoryview(bytearray([128]) * look.bytes)) is Kind.OTHER, "grey"
    swapped = bars()
    plane = WIDTH * HEIGHT // 4
    swapped[4 * plane:5 * plane], swapped[5 * plane:] = swapped[5 * plane:], swapped[4 * plane:5 * plane]
    assert look.kind(memoryview(swapped)) is Kind.OTHER, "U and V exchanged"


def test_the_counter_in_the_picture_is_read() -> None:
    look = Geometry(WIDTH, HEIGHT)
    frame = write(bars(), " 00:01:02:345 67890 ")
    assert look.counter(memoryview(frame)) == (67890, 62.345)
    assert look.counter(memoryview(bars())) is None


def seen(*numbers: tuple[int, float]) -> list[Seen]:
    return [Seen(float(i), Kind.CAMERA, number) for i, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([(5, 0.5), (6, 0.6), (7, 0.7)], Order(3, 0, 0, 0, 0, 0)),
        ([(5, 0.5), (8, 0.8)], Order(2, 2, 0, 0, 0, 0)),
        ([(5, 0.5), (5, 0.5)], Order(2, 0, 1, 0, 0, 0)),
        ([(5, 0.5), (7, 0.7), (6, 0.6), (8, 0.8)], Order(4, 2, 0, 1, 0, 0)),
        ([(500, 50.0), (0, 0.1), (1, 0.2)], Order(3, 0, 0, 0, 1, 0)),
        ([(2**32 - 1, 12.8), (0, 12.9)], Order(2, 0, 0, 0, 0, 0)),
    ],
    ids=["whole", "missing", "repeated", "reordered", "begun anew", "wrapped"],
)
def test_lost_repeated_and_reordered_frames_are_told_apart(
    numbers: list[tuple[int, float]], expected: Order
) -> None:
    assert order(seen(*numbers)) == expected


def test_recoveries_become_a_table(tmp_path: object) -> None:
    assert lines.columns([0.0, 250.0, 251.0, 9000.0], recovery.EDGES) == [2, 1, 0, 0, 0, 0, 1]
    told = [
        {"route": "hardware", "fault": "a", "recovery_ms": 300.0, "rung": "restream"},
        {"route": "hardware", "fault": "a", "recovery_ms": None, "rung": None},
    ]
    row = recovery.table(told).splitlines()[-1]
    assert row == "| hardware | a | 2 | 1 |  | 1 |  |  |  |  |  | 0.30 s | 0.30 s | restream |"
    path = tmp_path / "lines.jsonl"  # type: ignore[operator]
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    assert lines.read(path) == told


def test_what_a_cut_took_is_counted_from_the_cut_and_not_from_the_last_part() -> None:
    told = Told("night", [(100.0, 0.5), (100.4, 0.5), (100.5, 1.0), (100.9, 1.0)])
    # A part of half a second was in the making when the power went.
    assert told.at(100.9) == pytest.approx(1.4)


def test_losses_are_sorted_and_told() -> None:
    assert lines.columns([250, 251, 999, 60_000], losses.EDGES) == [1, 1, 0, 1, 0, 0, 0, 1]
    assert losses.percentile([3, 1, 2], 0.5) == 2
    assert losses.percentile(list(range(1, 101)), 0.99) == 99
    told = [{"recorder": "ours", "lost_ms": ms, "missing_ms": 0.0, "resumed_ms": 2000.0} for ms in (400, 900)]
    row = losses.table(told).splitlines()[-1]
    assert row == "| ours | 2 |  | 1 |  | 1 |  |  |  |  | 0.65 s | 0.90 s | 0.90 s | 0.00 s | 2.0 s |"
