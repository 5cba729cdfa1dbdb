"""Are the colours right? vivid's 75 % colour bars, measured in raw frames.

vivid paints eight bars, an eighth of the width each, as BT.601 limited range:
the same values in every format and size, without noise, and x264 does not move
them. So a wrong matrix or range anywhere between sensor and viewer shows as a
fixed shift, which `assert_bars` calls by its name.
"""
from __future__ import annotations

from typing import Callable, Dict, List, Sequence, Tuple

Colour = Tuple[float, float, float]
Bars = List[Colour]

#: Left to right, as raw Y, U, V.
BARS_YUV: Dict[str, Colour] = {
    "white": (179, 128, 128), "yellow": (160, 44, 141), "cyan": (130, 156, 44),
    "green": (111, 72, 58), "magenta": (83, 183, 197), "red": (64, 99, 211),
    "blue": (34, 211, 114), "black": (16, 128, 128),
}

#: vivid's text lies in rows 16 to 143, at every size (osd_text_mode 0), or in
#: rows 16 to 31 (mode 1, counters only). Rows from here on are clean in both.
FIRST_CLEAN_ROW = 144
#: Rows looked at; the bars are the same in all of them.
SAMPLED_ROWS = 32

#: Weights of red and blue in luma.
BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


def to_rgb(yuv: Colour, weights: Tuple[float, float] = BT601, full: bool = False) -> Colour:
    """Y'CbCr to R'G'B', clipped to what a byte holds."""
    red_weight, blue_weight = weights
    luma, blue_diff, red_diff = yuv[0], yuv[1] - 128, yuv[2] - 128
    if not full:
        luma, blue_diff, red_diff = (
            (luma - 16) * 255 / 219, blue_diff * 255 / 224, red_diff * 255 / 224
        )
    red = luma + 2 * (1 - red_weight) * red_diff
    blue = luma + 2 * (1 - blue_weight) * blue_diff
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return tuple(min(255.0, max(0.0, value)) for value in (red, green, blue))  # type: ignore


def to_yuv(rgb: Colour, weights: Tuple[float, float] = BT601, full: bool = False) -> Colour:
    """R'G'B' to Y'CbCr."""
    red_weight, blue_weight = weights
    red, green, blue = rgb
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    blue_diff = (blue - luma) / (2 * (1 - blue_weight))
    red_diff = (red - luma) / (2 * (1 - red_weight))
    if full:
        return luma, 128 + blue_diff, 128 + red_diff
    return 16 + luma * 219 / 255, 128 + blue_diff * 224 / 255, 128 + red_diff * 224 / 255


def swapped(colour: Colour, first: int, second: int) -> Colour:
    """The colour with two of its components exchanged."""
    parts = list(colour)
    parts[first], parts[second] = parts[second], parts[first]
    return parts[0], parts[1], parts[2]


#: What a mistake makes of a bar's true YUV, for frames read as RGB...
Mistakes = Dict[str, Callable[[Colour], Colour]]
RGB_MISTAKES: Mistakes = {
    "BT.709 matrix instead of BT.601": lambda yuv: to_rgb(yuv, BT709),
    "full range instead of limited": lambda yuv: to_rgb(yuv, full=True),
    "BT.709 matrix and full range": lambda yuv: to_rgb(yuv, BT709, full=True),
    "U and V exchanged": lambda yuv: to_rgb(swapped(yuv, 1, 2)),
    "red and blue exchanged": lambda yuv: swapped(to_rgb(yuv), 0, 2),
}
#: ... and for frames read as YUV.
YUV_MISTAKES: Mistakes = {
    "BT.709 matrix instead of BT.601": lambda yuv: to_yuv(to_rgb(yuv), BT709),
    "full range instead of limited": lambda yuv: to_yuv(to_rgb(yuv), full=True),
    "BT.709 matrix and full range": lambda yuv: to_yuv(to_rgb(yuv), BT709, full=True),
    "U and V exchanged": lambda yuv: swapped(yuv, 1, 2),
}


def expected(space: str) -> Bars:
    """The true bars as "rgb" or "yuv"."""
    return [to_rgb(yuv) if space == "rgb" else yuv for yuv in BARS_YUV.values()]


def bar_means(
    frame: bytes, width: int, height: int, layout: str, rows: range | None = None
) -> Bars:
    """Mean of the middle 60 % of each bar: RGB for rgb24, YUV for yuv420p, nv12, yuyv422.

    The frame is one tightly packed picture. `rows` are those without text;
    by default those below vivid's text, which needs a height above 144.
    """
    size, components = LAYOUTS[layout]
    if len(frame) != width * height * size // 2:
        raise ValueError(
            f"{len(frame)} bytes are not one {layout} frame of {width}x{height} "
            f"({width * height * size // 2})"
        )
    rows = rows or range(FIRST_CLEAN_ROW, height)
    if not rows:
        raise ValueError(f"no clean rows in a height of {height}: give `rows`")
    rows = rows[:: max(1, len(rows) // SAMPLED_ROWS)]
    means: Bars = []
    for bar in range(8):
        # Even columns: two pixels share one chroma sample.
        left, right = (int(width * (bar + part) / 8) // 2 * 2 for part in (0.2, 0.8))
        pieces = [components(frame, width, height, row, left, right) for row in rows]
        sums = [b"".join(piece[index] for piece in pieces) for index in range(3)]
        means.append(tuple(sum(data) / len(data) for data in sums))  # type: ignore[arg-type]
    return means


def assert_bars(means: Sequence[Colour], space: str = "rgb", tolerance: float = 8) -> None:
    """Fails unless the eight bars are as vivid painted them.

    After H.264 still bars are right to 4; the known mistakes differ by more than 8.
    """
    truth = expected(space)
    if matches(means, truth, tolerance):
        return
    table = "\n".join(
        f"  {name:8} {shown(want)}  {shown(got)}{'' if close(got, want, tolerance) else '  <--'}"
        for name, want, got in zip(BARS_YUV, truth, means)
    )
    raise AssertionError(
        f"colour bars are off by more than {tolerance:g}; {diagnosis(means, space, tolerance)}\n"
        f"  {space:8} {'expected':>14}  {'measured':>14}\n{table}"
    )


def diagnosis(means: Sequence[Colour], space: str, tolerance: float) -> str:
    """The name of the mistake that makes these bars, if it is a known one."""
    if matches(means, expected(space)[::-1], tolerance):
        return "this looks like: mirrored left to right"
    mistakes = RGB_MISTAKES if space == "rgb" else YUV_MISTAKES
    for name, mistake in mistakes.items():
        if matches(means, [mistake(yuv) for yuv in BARS_YUV.values()], tolerance):
            return f"this looks like: {name}"
    return "no known mistake"


def matches(means: Sequence[Colour], truth: Sequence[Colour], tolerance: float) -> bool:
    return len(means) == len(truth) and all(
        close(got, want, tolerance) for got, want in zip(means, truth)
    )


def close(got: Colour, want: Colour, tolerance: float) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(got, want))


def shown(colour: Colour) -> str:
    return " ".join(f"{value:4.0f}" for value in colour)


Components = Tuple[bytes, bytes, bytes]


def _rgb24(frame: bytes, width: int, _height: int, row: int, left: int, right: int) -> Components:
    line = frame[(row * width + left) * 3:(row * width + right) * 3]
    return line[0::3], line[1::3], line[2::3]


def _yuyv422(frame: bytes, width: int, _height: int, row: int, left: int, right: int) -> Components:
    line = frame[(row * width + left) * 2:(row * width + right) * 2]
    return line[0::2], line[1::4], line[3::4]


def _nv12(frame: bytes, width: int, height: int, row: int, left: int, right: int) -> Components:
    luma = frame[row * width + left:row * width + right]
    start = (height + row // 2) * width
    chroma = frame[start + left:start + right]
    return luma, chroma[0::2], chroma[1::2]


def _yuv420p(frame: bytes, width: int, height: int, row: int, left: int, right: int) -> Components:
    luma = frame[row * width + left:row * width + right]
    plane = width * height // 4
    start = width * height + (row // 2) * (width // 2)
    first, last = start + left // 2, start + right // 2
    return luma, frame[first:last], frame[first + plane:last + plane]


#: Name as ffmpeg has it -> bytes of two pixels, and how to read a row.
LAYOUTS: Dict[str, Tuple[int, Callable[..., Components]]] = {
    "rgb24": (6, _rgb24), "yuyv422": (4, _yuyv422), "nv12": (3, _nv12), "yuv420p": (3, _yuv420p),
}
