"""Judges H.264 byte streams: which NAL units, and what a decoder makes of them."""
from __future__ import annotations

import subprocess
from pathlib import Path

SLICE, IDR, SPS, PPS = 1, 5, 7, 8


def nal_types(stream: bytes) -> list[int]:
    """The types of all NAL units, in order."""
    pieces = stream.split(b"\0\0\1")[1:]
    return [piece[0] & 0x1F for piece in pieces]


def ffmpeg(*words: str | Path) -> None:
    """Runs ffmpeg on the host; whatever it says is an error."""
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-nostdin", "-y", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=60,
    )
    said = [line for line in done.stderr.splitlines() if "deprecated" not in line]
    assert done.returncode == 0 and not said, "\n".join(said)


def decode(stream: bytes, folder: Path) -> bytes:
    """The decoded pictures, planar 4:2:0. A decoder that complains fails the test."""
    coded, raw = folder / "decode.h264", folder / "decode.yuv"
    coded.write_bytes(stream)
    ffmpeg("-err_detect", "explode", "-f", "h264", "-i", coded, "-vsync", "passthrough", "-pix_fmt", "yuv420p",
           "-f", "rawvideo", raw)
    return raw.read_bytes()


def planar(frames: bytes, layout: str, width: int, height: int) -> bytes:
    """Packed pictures as planar 4:2:0, the way vh264 documents it."""
    size = width * height * (2 if layout == "YUYV" else 3) // (1 if layout == "YUYV" else 2)
    pieces = []
    for start in range(0, len(frames), size):
        frame = frames[start : start + size]
        luma, chroma = frame[: width * height], frame[width * height :]
        if layout == "YU12":
            pieces.append(frame)
        elif layout == "NV12":
            pieces += [luma, chroma[0::2], chroma[1::2]]
        else:
            pieces.append(frame[0::2])
            pieces += [halved(frame[first::4], width // 2) for first in (1, 3)]
    return b"".join(pieces)


def halved(samples: bytes, width: int) -> bytes:
    """Each pair of lines averaged, halves rounded up."""
    out = bytearray()
    for start in range(0, len(samples), 2 * width):
        upper = samples[start : start + width]
        lower = samples[start + width : start + 2 * width]
        out += bytes((a + b + 1) // 2 for a, b in zip(upper, lower))
    return bytes(out)
