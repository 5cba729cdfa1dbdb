#!/usr/bin/env python3
"""How long until a picture, how late it is, what it costs; beside ffmpeg doing the same.

    make bench                    everything, a few minutes
    tools/bench --seconds 60      longer spans, steadier percentiles
    tools/bench --only latency    one part: start, latency, browser, cost, restart

The peer is `ffmpeg -f rawvideo … -c:v libx264 -tune zerolatency` publishing the same test card
into the same MediaMTX binary (an instance of its own: ours lets nobody else publish). Both carry the capture time in the picture, so both are measured by the
same reader. Each part runs ours and the peer's in turn and takes medians.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from box import ROOT, SERVICE, Demo, Server, end, read, usage  # noqa: E402

OUT = ROOT / "target/bench/first_light.jsonl"


def record(name: str, unit: str, ours: float, peer: str = "", peer_value: float | None = None, runs: int = 1) -> None:
    """One figure: a line for people, a line of JSON."""
    ratio = ours / peer_value if peer_value else None
    line = {"name": name, "unit": unit, "ours": round(ours, 3), "peer": peer or None,
            "peer_value": None if peer_value is None else round(peer_value, 3),
            "ratio": None if ratio is None else round(ratio, 3), "runs": runs}
    with OUT.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    beside = f"   {peer}: {peer_value:.2f} {unit}, ratio {ratio:.2f}" if ratio is not None else ""
    print(f"{name:42} {ours:10.2f} {unit:8}{beside}", flush=True)


class Peer:
    """The test card, piped raw into ffmpeg, published by libx264 under a camera's name."""

    def __init__(self, size: str, fps: int, preset: str) -> None:
        self.server = Server()
        publish = self.url = f"rtsp://127.0.0.1:{self.server.port}/peer"
        self.card = subprocess.Popen(
            [SERVICE, "test-card", "--size", size, "--fps", str(fps)], stdout=subprocess.PIPE
        )
        preset_words = ["-preset", preset] if preset else []
        self.encoder = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", str(fps),
             "-i", "-", "-c:v", "libx264", *preset_words, "-tune", "zerolatency", "-g", str(fps), "-b:v", "2500k",
             "-f", "rtsp", "-rtsp_transport", "tcp", publish],
            stdin=self.card.stdout, stderr=subprocess.DEVNULL,
        )
        self.server.wait_for("peer")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        end(self.encoder)
        end(self.card)
        self.server.end()


def start(runs: int) -> None:
    """From exec to the first picture inside MediaMTX."""
    took = []
    for _ in range(runs):
        with Demo("1280x720") as demo:
            took.append(demo.card["first_picture_ms"])
    record("start_to_first_picture", "ms", statistics.median(took), runs=runs)


def latency(seconds: float, runs: int) -> None:
    """From capture to a decoded frame in a foreign RTSP reader."""
    for size in ("640x480", "1280x720"):
        ours, peer = [], []
        for _ in range(runs):
            with Demo(size) as demo:
                ours.append(read(demo.rtsp(), size, seconds))
            with Peer(size, 30, "") as other:
                peer.append(read(other.url, size, seconds))
        for p in ("p50", "p95", "p99"):
            record(f"latency_rtsp_{size}_{p}", "ms",
                   statistics.median(r["latency_ms"][p] for r in ours), "ffmpeg libx264 zerolatency",
                   statistics.median(r["latency_ms"][p] for r in peer), runs)
        record(f"lost_frames_{size}", "frames", sum(r["lost"] for r in ours), runs=runs)


def browser() -> None:
    """From capture to the pixels of a video element in Chromium, by WHEP."""
    environment = dict(os.environ, CAMERA_SERVICE_BIN=str(SERVICE), CAMERA_SERVICE_LOGGING_LEVEL="warn")
    subprocess.run(["npx", "tsc", "-p", "test/tsconfig.json"], cwd=ROOT / "web", check=True)
    reply = subprocess.run(
        ["node", "e2e/latency.mjs"], cwd=ROOT / "web", env=environment,
        capture_output=True, text=True, timeout=180, check=True,
    )
    report = json.loads(reply.stdout)
    for p in ("p50", "p95", "p99"):
        record(f"latency_whep_chromium_1280x720_{p}", "ms", report[p])


def cost(seconds: float) -> None:
    """CPU and memory of service and MediaMTX, and of the peer's encoder."""
    for size in ("640x480", "1280x720"):
        with Demo(size) as demo:
            time.sleep(3)
            (cpu, rss), (mtx_cpu, mtx_rss) = usage([demo.pid, demo.mediamtx], seconds)
        with Peer(size, 30, "") as default:
            time.sleep(3)
            [(peer, peer_rss)] = usage([default.encoder.pid], seconds)
        with Peer(size, 30, "ultrafast") as fast:
            time.sleep(3)
            [(quick, quick_rss)] = usage([fast.encoder.pid], seconds)
        name = "ffmpeg libx264 zerolatency"
        record(f"cpu_{size}_30", "%", cpu, name, peer)
        record(f"cpu_{size}_30_vs_ultrafast", "%", cpu, f"{name} ultrafast", quick)
        record(f"rss_{size}_30", "MiB", rss, name, peer_rss)
        record(f"rss_{size}_30_vs_ultrafast", "MiB", rss, f"{name} ultrafast", quick_rss)
        record(f"mediamtx_cpu_{size}_30", "%", mtx_cpu)
        record(f"mediamtx_rss_{size}_30", "MiB", mtx_rss)


def restart(runs: int) -> None:
    """How long the picture is away when MediaMTX is killed: until a new reader decodes a frame."""
    gaps = []
    for _ in range(runs):
        with Demo("640x480") as demo:
            os.kill(demo.mediamtx, signal.SIGKILL)
            killed = time.monotonic()
            while True:
                try:
                    if read(demo.rtsp(), "640x480", 0.5)["frames"] > 0:
                        break
                except (ValueError, KeyError):
                    pass
                if time.monotonic() - killed > 30:
                    raise RuntimeError("no picture 30 s after MediaMTX was killed")
            gaps.append((time.monotonic() - killed) * 1000)
    record("mediamtx_killed_to_picture", "ms", statistics.median(gaps), runs=runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["start", "latency", "browser", "cost", "restart"])
    chosen = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("")
    parts = {
        "start": lambda: start(chosen.runs),
        "latency": lambda: latency(chosen.seconds, chosen.runs),
        "browser": browser,
        "cost": lambda: cost(chosen.seconds),
        "restart": lambda: restart(chosen.runs),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            part()


if __name__ == "__main__":
    main()
