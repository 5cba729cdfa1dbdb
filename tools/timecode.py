#!/usr/bin/env python3
"""Measures loss, order and latency of a test camera's stream from the time code in its pictures.

Reads raw 8-bit grey frames from standard input. The layout of the strip is written down in
src/capture/testcard/timecode.rs. Needs nothing beyond Python's standard library.

Latency is capture to arrival here, decoding included; it is only true when the clocks of both
machines agree (same machine, or NTP/PTP on both).
"""

import argparse
import json
import sys
import time
import zlib

COLUMNS, ROWS, SYNC = 40, 3, 0xCA
CONTRAST = 60

EPILOG = """
how to feed it, with as little waiting as ffmpeg allows:

  ffmpeg -nostdin -v error -fflags nobuffer -flags low_delay -probesize 32 -analyzeduration 0 \\
         -rtsp_transport tcp -i rtsp://HOST:8554/camera0 \\
         -vsync passthrough -f rawvideo -pix_fmt gray -flush_packets 1 - \\
    | tools/timecode.py --size 1280x720

  -vsync passthrough  no frame is doubled or dropped to please a frame rate
  -threads 1 before -i: frame threading holds back one frame per thread

exit status: 0 clean, 1 something was lost, repeated, reordered or unreadable, 2 no frame at all
"""


def border(k, width):
    """Where cell border k lies; halves are rounded up."""
    return (k * width + COLUMNS // 2) // COLUMNS


def sample_points(width, height, per_side=3):
    """For each bit, offsets of a few pixels spread over the central half of its cell."""

    def spread(a, b):
        margin = (b - a) // 4
        a, b = a + margin, b - margin
        return sorted({a + (b - a) * (2 * i + 1) // (2 * per_side) for i in range(per_side)})

    top = height - border(ROWS, width)
    cells = []
    for bit in range(COLUMNS * ROWS):
        row, column = divmod(bit, COLUMNS)
        xs = spread(border(column, width), border(column + 1, width))
        ys = spread(top + border(row, width), top + border(row + 1, width))
        cells.append([y * width + x for y in ys for x in xs])
    return cells


def read_code(frame, cells):
    """(counter, seconds since the epoch), or the reason why not as a string."""
    means = [sum(frame[o] for o in offsets) / len(offsets) for offsets in cells]
    ones = [m for i, m in enumerate(means[:8]) if SYNC >> (7 - i) & 1]
    zeros = [m for i, m in enumerate(means[:8]) if not SYNC >> (7 - i) & 1]
    one, zero = sum(ones) / len(ones), sum(zeros) / len(zeros)
    if one - zero < CONTRAST:
        return "contrast"
    threshold = (one + zero) / 2
    value = 0
    for mean in means:
        value = value << 1 | (mean > threshold)
    data = value.to_bytes(COLUMNS * ROWS // 8, "big")
    if data[0] != SYNC:
        return "sync"
    if zlib.crc32(data[1:11]) != int.from_bytes(data[11:], "big"):
        return "crc"
    return int.from_bytes(data[1:5], "big"), int.from_bytes(data[5:11], "big") / 10_000


class Statistics:
    """What the counters of a stream tell."""

    def __init__(self):
        self.frames = self.repeated = self.reordered = self.unreadable = 0
        self.reasons = {}
        self.highest = self.first = None
        self.seen = set()
        self.latencies = []
        self.begin = self.end = None

    def unreadable_frame(self, reason):
        self.frames += 1
        self.unreadable += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def frame(self, counter, captured, now):
        self.frames += 1
        self.begin = now if self.begin is None else self.begin
        self.end = now
        if counter in self.seen:
            self.repeated += 1
            return
        self.seen.add(counter)
        self.latencies.append((now - captured) * 1000)
        self.first = counter if self.first is None else min(self.first, counter)
        if self.highest is not None and counter < self.highest:
            self.reordered += 1
        self.highest = counter if self.highest is None else max(self.highest, counter)

    def lost(self):
        if self.highest is None:
            return 0
        # An unreadable picture did arrive: it is counted as unreadable, not as lost.
        return max(0, self.highest - self.first + 1 - len(self.seen) - self.unreadable)

    def report(self):
        ordered = sorted(self.latencies)

        def percentile(p):
            if not ordered:
                return None
            return round(ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))], 1)

        span = (self.end - self.begin) if self.begin is not None else 0
        readable = self.frames - self.unreadable
        return {
            "frames": self.frames,
            "first": self.first,
            "last": self.highest,
            "lost": self.lost(),
            "repeated": self.repeated,
            "reordered": self.reordered,
            "unreadable": self.unreadable,
            "unreadable_reasons": self.reasons,
            "fps": round((readable - 1) / span, 2) if readable > 1 and span > 0 else None,
            "latency_ms": {
                "p50": percentile(50),
                "p95": percentile(95),
                "p99": percentile(99),
                "max": round(ordered[-1], 1) if ordered else None,
            },
        }


def size(text):
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()) or int(width) < COLUMNS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write it as 1280x720")
    if int(height) < border(ROWS, int(width)):
        raise argparse.ArgumentTypeError(f"{text} is too low for the strip")
    return int(width), int(height)


def read_frame(stream, buffer):
    """Fills buffer; False at the end of the stream."""
    view, filled = memoryview(buffer), 0
    while filled < len(buffer):
        count = stream.readinto(view[filled:])
        if not count:
            return False
        filled += count
    return True


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=size, required=True, help="WIDTHxHEIGHT of the frames")
    parser.add_argument("--frames", type=int, default=0, help="stop after this many frames")
    parser.add_argument("--skip", type=int, default=0, help="ignore this many frames at the start")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--each", action="store_true", help="print every frame's code as it comes")
    options = parser.parse_args()

    width, height = options.size
    cells = sample_points(width, height)
    frame = bytearray(width * height)
    statistics = Statistics()
    stream = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    taken = 0
    try:
        while not options.frames or statistics.frames < options.frames:
            if not read_frame(stream, frame):
                break
            now = time.time()
            taken += 1
            if taken <= options.skip:
                continue
            code = read_code(frame, cells)
            if isinstance(code, str):
                statistics.unreadable_frame(code)
            else:
                statistics.frame(*code, now)
            if options.each:
                text = code if isinstance(code, str) else f"{code[0]} {(now - code[1]) * 1000:.1f} ms"
                print(text, flush=True)
    except KeyboardInterrupt:
        pass

    report = statistics.report()
    if options.json:
        print(json.dumps(report))
    else:
        latency = report["latency_ms"]
        print(
            f"{report['frames']} frames ({report['first']} to {report['last']}), {report['fps']} fps\n"
            f"lost {report['lost']}, repeated {report['repeated']}, reordered {report['reordered']},"
            f" unreadable {report['unreadable']} {report['unreadable_reasons'] or ''}\n"
            f"latency p50 {latency['p50']} ms, p95 {latency['p95']} ms, p99 {latency['p99']} ms,"
            f" max {latency['max']} ms"
        )
    if report["frames"] == 0:
        return 2
    clean = not (report["lost"] or report["repeated"] or report["reordered"] or report["unreadable"])
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
