"""What a decoded frame shows: the camera's bars, the slate, and vivid's own frame counter.

vivid paints white letters on black in its 8x16 font, the counter line in rows 16 to 31: the time
since the stream began and the frame's number. A reader that can read them knows which frames it
never got and whether any came twice or in the wrong order.
"""
from __future__ import annotations

import re
from enum import Enum

from rig.colours import BARS_YUV

#: How far a sample may be from its bar. After H.264 still bars are right to 4.
TOLERANCE = 8
#: Luma from which on a pixel of the text is white.
WHITE = 100
#: The white bar of the slate is darker than this part of its brightness.
DIMMED = 0.65
#: vivid's digits, 16 rows of 8 pixels, one bit each.
DIGITS = {
    bytes.fromhex(glyph): str(digit)
    for digit, glyph in enumerate(
        (
            "0000386cc6c6d6d6c6c66c3800000000",
            "00001838781818181818187e00000000",
            "00007cc6060c183060c0c6fe00000000",
            "00007cc606063c060606c67c00000000",
            "00000c1c3c6cccfe0c0c0c1e00000000",
            "0000fec0c0c0fc060606c67c00000000",
            "00003860c0c0fcc6c6c6c67c00000000",
            "0000fec606060c183030303000000000",
            "00007cc6c6c67cc6c6c6c67c00000000",
            "00007cc6c6c67e0606060c7800000000",
        )
    )
}
#: Two dots, and nothing.
DIGITS[bytes.fromhex("00000000181800000018180000000000")] = ":"
DIGITS[bytes(16)] = " "

#: Where the line of text lies, and how long it can be.
TEXT_TOP, TEXT_LEFT, TEXT_LENGTH = 16, 16, 26
LINE = re.compile(r" (\d\d):(\d\d):(\d\d):(\d{3}) (\d+)")


class Kind(Enum):
    """What a viewer would say it sees."""

    CAMERA = "camera"
    #: The last picture, dimmed, with words on it; or words alone.
    SLATE = "slate"
    #: Neither: a torn or wrongly coloured picture.
    OTHER = "other"


class Geometry:
    """Where to look in a tightly packed yuv420p frame of this size."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.bytes = width * height * 3 // 2
        #: Below vivid's longest text, in the middle, and near the lower edge; even.
        self.rows = [row & ~1 for row in (152, height // 2, height - 12)]
        #: The middle half of each bar, even.
        self.bars = [
            ((width * (2 * bar + 1) // 16 - width // 32) & ~1, (width * (2 * bar + 1) // 16 + width // 32) & ~1)
            for bar in range(8)
        ]

    def samples(self, frame: memoryview, row: int) -> list[tuple[float, float, float]]:
        """Mean Y, U, V of each bar in one row."""
        luma, width = row * self.width, self.width
        plane = width * self.height
        chroma = plane + (row // 2) * (width // 2)
        found = []
        for left, right in self.bars:
            y = frame[luma + left:luma + right]
            u = frame[chroma + left // 2:chroma + right // 2]
            v = frame[chroma + plane // 4 + left // 2:chroma + plane // 4 + right // 2]
            found.append((sum(y) / len(y), sum(u) / len(u), sum(v) / len(v)))
        return found

    def kind(self, frame: memoryview) -> Kind:
        """What is seen."""
        rows = [self.samples(frame, row) for row in self.rows]
        truth = list(BARS_YUV.values())
        if all(
            abs(a - b) <= TOLERANCE
            for row in rows
            for got, want in zip(row, truth)
            for a, b in zip(got, want)
        ):
            return Kind.CAMERA
        # The slate's band of words lies in the middle; at the lower edge the bars are still there, but
        # darker: brighter to the left, none as bright as it was. Without a last picture all is dark.
        luma = [y for y, _, _ in rows[-1]]
        falling = all(a >= b - TOLERANCE for a, b in zip(luma, luma[1:]))
        if not falling or luma[0] > DIMMED * truth[0][0]:
            return Kind.OTHER
        return Kind.SLATE

    def text(self, frame: memoryview) -> str:
        """The line of counters, as far as it can be read."""
        read = []
        for place in range(TEXT_LENGTH):
            left = TEXT_LEFT + 8 * place
            if left + 8 > self.width:
                break
            glyph = bytes(
                sum((frame[row * self.width + left + bit] > WHITE) << (7 - bit) for bit in range(8))
                for row in range(TEXT_TOP, TEXT_TOP + 16)
            )
            letter = DIGITS.get(glyph)
            if letter is None:
                break
            read.append(letter)
        return "".join(read)

    def counter(self, frame: memoryview) -> tuple[int, float] | None:
        """The frame's number and its time since the stream began in seconds, if they can be read."""
        found = LINE.match(self.text(frame))
        if found is None:
            return None
        hours, minutes, seconds, millis, number = map(int, found.groups())
        return number, ((hours * 60 + minutes) * 60 + seconds) + millis / 1000
