#!/usr/bin/env python3
"""What the hardware route costs, in the guest with its virtual camera and encoder, beside its peers.

    make bench-rig                     everything, some ten minutes
    tools/bench-rig --only cpu         one part: cpu, cameras, syscalls
    tools/bench-rig --rounds 1 --seconds 8

CPU is user and system time of the process itself (not MediaMTX, not the reader), per frame that
arrived at a reader, 640x480 at 30 frames a second. Each round is one fresh guest in which all run in
turn on the same devices, in another order each round; ratios are taken within a round, then their
median. Peers: `ffmpeg -f v4l2 … -c:v h264_v4l2m2m` pushing RTSP into the same MediaMTX build, with
the same pixel format and the same encoder; GStreamer's elements on the same zero-copy route, which end in
a pipe; Debian's ustreamer on the same camera, which knows no V4L2 encoder: once with its usual MJPEG on the
CPU, and once coding nothing at all.

The guest is software emulation: only ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "hw-tests"), str(ROOT / "hw-tests/tests")]
from camera_box import BINARIES, TARGET, CameraBox  # noqa: E402
from campaign.rpc import Rpc  # noqa: E402
from campaign.stand import BARS, ROUTES  # noqa: E402
from rig import Guest, NotBuilt, Process, cache, saved  # noqa: E402
from rig.image import build  # noqa: E402

OUT = TARGET / "bench/rig.jsonl"
CARD = "vivid-{:03}-vid-cap"
#: After the start, until counters are read: caches warm, the reader's first key frame is over.
SETTLE = 3.0
SERVER = """\
rtspAddress: 127.0.0.1:8554
rtspTransports: [tcp]
api: true
apiAddress: 127.0.0.1:9997
rtmp: false
hls: false
webrtc: false
srt: false
moq: false
writeQueueSize: 4096
paths:
  all_others:
"""


def record(name: str, unit: str, ours: float, peer: str = "", peer_value: float | None = None, runs: int = 1,
           ratio: float | None = None) -> None:
    """One figure: a line for people, a line of JSON. `ratio` where it is not that of the two values."""
    if ratio is None and peer_value:
        ratio = ours / peer_value
    line = {"name": name, "unit": unit, "ours": round(ours, 4), "peer": peer or None,
            "peer_value": None if peer_value is None else round(peer_value, 4),
            "ratio": None if ratio is None else round(ratio, 4), "runs": runs}
    with OUT.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    beside = f"   {peer}: {peer_value:.2f} {unit}, ratio {ratio:.3f}" if peer_value is not None else ""
    print(f"{name:44} {ours:10.3f} {unit:10}{beside}", flush=True)


def fresh(cameras: int = 1) -> Guest:
    """A guest with cameras that show the bars, and as many encoders; contiguous buffers, as on boards."""
    guest = Guest.restore(files=BINARIES, forwards=[8002], modules=True)
    try:
        nodes = guest.vivid(n_devs=cameras, allocators=1)
        for nth in range(cameras):
            guest.run(f"v4l2-ctl -d {nodes[CARD.format(nth)]} -c {BARS}", check=True)
        guest.vh264(devices=cameras, memory="contig")
    except BaseException:
        guest.close()
        raise
    return guest


class Reader:
    """Counts what arrives; decodes nothing, so that it costs the guest little."""

    def __init__(self, guest: Guest, command: str, mark: bytes) -> None:
        self.times: list[float] = []
        self._mark, self._rest = mark, b""
        self.process = guest.spawn(command, sink=self._take)

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        self.times += [time.monotonic()] * data.count(self._mark)
        # A mark may lie on the border of two pieces; a whole one does not fit into what is kept.
        self._rest = data[1 - len(self._mark):]

    def count(self, begin: float, end: float) -> int:
        return sum(begin < at <= end for at in self.times)

    def wait(self, frames: int = 5, timeout: float = 40) -> None:
        until = time.monotonic() + timeout
        while len(self.times) < frames:
            if time.monotonic() > until:
                raise RuntimeError(f"no frames at the reader: {self.process.output()[-800:]}")
            time.sleep(0.05)

    def end(self) -> None:
        stop(self.process)


def rtsp_reader(guest: Guest, url: str) -> Reader:
    words = f"ffmpeg -nostdin -v error -rtsp_transport tcp -i '{url}' -c copy -f framecrc -flush_packets 1 -"
    return Reader(guest, words, b"\n0,")


def http_reader(guest: Guest) -> Reader:
    # -N: curl's own buffer would hold frames back; grep lets through a line a frame.
    return Reader(guest, "curl -sN http://127.0.0.1:8080/stream | grep -a --line-buffered '^Content-Type: image'",
                  b"Content-Type: image")


def stop(process: Process) -> None:
    """Ends a process and what it started, at once: nothing is measured any more."""
    if process.running:
        process.kill(9, group=True)
        process.wait(15)


def cpu(guest: Guest, pid: int) -> tuple[float, float]:
    """User and system seconds of a process."""
    fields = guest.run(f"cat /proc/{pid}/stat", check=True).stdout.rsplit(")", 1)[1].split()
    return int(fields[11]) / 100, int(fields[12]) / 100


def threads(guest: Guest, pid: int) -> dict[str, float]:
    """Milliseconds of CPU by thread name."""
    text = guest.run(f"for t in /proc/{pid}/task/*; do echo $(< $t/comm): $(< $t/schedstat); done", check=True).stdout
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, figures = line.rpartition(": ")
        found[name] = found.get(name, 0.0) + int(figures.split()[0]) / 1e6
    return found


@dataclass
class Cost:
    """What one way costs, in milliseconds a frame."""

    user: float
    system: float
    frames: int
    #: Frames a second at the reader.
    rate: float
    detail: dict[str, Any]

    @property
    def ms_per_frame(self) -> float:
        return self.user + self.system


def measure(guest: Guest, pid: int, reader: Reader, seconds: float) -> Cost:
    """CPU of the process and frames at the reader over the same span."""
    reader.wait()
    time.sleep(SETTLE)
    before_threads = threads(guest, pid)
    begun, before = time.monotonic(), cpu(guest, pid)
    time.sleep(seconds)
    ended, after = time.monotonic(), cpu(guest, pid)
    after_threads = threads(guest, pid)
    frames = reader.count(begun, ended)
    if frames == 0:
        raise RuntimeError("no frame arrived while it was measured")
    split = {k: round((v - before_threads.get(k, 0.0)) / frames, 3) for k, v in after_threads.items()}
    user, system = ((b - a) * 1000 / frames for a, b in zip(before, after))
    return Cost(user, system, frames, frames / (ended - begun),
                {k: v for k, v in sorted(split.items(), key=lambda kv: -kv[1]) if v >= 0.005})


def service(guest: Guest, route: str, seconds: float) -> Cost:
    """Ours on one route."""
    box = CameraBox(guest, CAMERA_SERVICE_CAMERA_FPS="30", CAMERA_SERVICE_CAMERA_PIXEL_FORMAT="NV12",
                    CAMERA_SERVICE_LOGGING_LEVEL="warn", **ROUTES[route])
    reader = rtsp_reader(guest, box.rtsp("camera0"))
    try:
        cost = measure(guest, box.card["pid"], reader, seconds)
        cost.detail["route"] = status(guest, box)["extensions"].get("route")
        return cost
    finally:
        reader.end()
        stop(box.process)


def status(guest: Guest, box: CameraBox, camera: str = "camera0") -> dict[str, Any]:
    """`get_camera_status`."""
    with Rpc(guest.port(8002), box.card["tokens"]["admin"]) as rpc:
        return rpc.call("get_camera_status", device=camera)


def ffmpeg(guest: Guest, seconds: float) -> Cost:
    """ffmpeg's own V4L2 encoder wrapper, pushing to a plain MediaMTX."""
    guest.push(SERVER.encode(), "/tmp/mediamtx.yml")
    server = guest.spawn("/in/mediamtx /tmp/mediamtx.yml")
    server.wait_for("[RTSP] started", 20)
    # -fps_mode passthrough: without it, it codes frames twice to please a constant rate.
    encoder = guest.spawn(
        "ffmpeg -nostdin -v verbose -f v4l2 -input_format nv12 -video_size 640x480 -framerate 30 -i /dev/video0"
        " -fps_mode passthrough -c:v h264_v4l2m2m -b:v 2M -g 30 -f rtsp -rtsp_transport tcp rtsp://127.0.0.1:8554/peer"
    )
    try:
        encoder.wait_for("driver 'vh264'", 20)
        until = time.monotonic() + 20
        while '"ready":true' not in guest.run("curl -s http://127.0.0.1:9997/v3/paths/list").stdout:
            if time.monotonic() > until:
                raise RuntimeError(f"ffmpeg publishes nothing: {encoder.output()[-2000:]}")
            time.sleep(0.2)
        reader = rtsp_reader(guest, "rtsp://127.0.0.1:8554/peer")
        try:
            cost = measure(guest, encoder.pid, reader, seconds)
        finally:
            reader.end()
        mapped = guest.run(f"grep -c /dev/video /proc/{encoder.pid}/maps").stdout.strip()
        cost.detail["mappings of video nodes"] = int(mapped)
        return cost
    finally:
        stop(encoder)
        stop(server)


def ustreamer(guest: Guest, encoder: str, seconds: float) -> Cost:
    """Debian's ustreamer on the same camera."""
    server = guest.spawn(
        f"ustreamer -d /dev/video0 -r 640x480 -f 30 -m YUYV -c {encoder} --host 127.0.0.1 --port 8080 --log-level 0"
    )
    reader = None
    try:
        time.sleep(1.5)
        reader = http_reader(guest)
        return measure(guest, server.pid, reader, seconds)
    finally:
        if reader:
            reader.end()
        stop(server)


def gstreamer(guest: Guest, seconds: float) -> Cost:
    """GStreamer's elements on the same route, DMABUFs from the camera into the encoder. The guest has none that publishes by RTSP, so
    the coded frames go into a pipe, which is less than ours has to do."""
    reader = Reader(guest, "gst-launch-1.0 -q v4l2src device=/dev/video0 io-mode=dmabuf"
                    " ! video/x-raw,format=NV12,width=640,height=480,framerate=30/1"
                    " ! v4l2h264enc output-io-mode=dmabuf-import ! fdsink fd=1"
                    " | ffmpeg -nostdin -v error -f h264 -i - -c copy -f framecrc -flush_packets 1 -", b"\n0,")
    try:
        reader.wait()
        pid = int(guest.run("pgrep -x gst-launch-1.0", check=True).stdout)
        return measure(guest, pid, reader, seconds)
    finally:
        reader.end()


#: Everything whose CPU is compared.
WAYS: dict[str, Callable[[Guest, float], Cost]] = {
    "ours": lambda guest, seconds: service(guest, "hardware", seconds),
    "ffmpeg h264_v4l2m2m": ffmpeg,
    "gstreamer DMABUF into a pipe": gstreamer,
    "ours, copying": lambda guest, seconds: service(guest, "copy", seconds),
    "ustreamer MJPEG on the CPU": lambda guest, seconds: ustreamer(guest, "CPU", seconds),
    "ustreamer coding nothing": lambda guest, seconds: ustreamer(guest, "NOOP", seconds),
    "ours, software": lambda guest, seconds: service(guest, "software", seconds),
}


def compare(rounds: int, seconds: float) -> None:
    """CPU per frame, ours and the peers'."""
    costs: dict[str, list[Cost]] = {name: [] for name in WAYS}
    for nth in range(rounds):
        names = list(WAYS)
        names = names[nth % len(names):] + names[:nth % len(names)]
        with fresh() as guest:
            for name in names:
                cost = WAYS[name](guest, seconds)
                costs[name].append(cost)
                print(f"  round {nth + 1}: {name}: {cost.user:.2f} + {cost.system:.2f} ms a frame, {cost.rate:.1f} frames/s, {cost.detail}",
                      flush=True)
    ours = costs["ours"]
    value = {name: statistics.median(c.ms_per_frame for c in all_) for name, all_ in costs.items()}

    def beside(name: str, peer: str) -> None:
        ratios = [a.ms_per_frame / b.ms_per_frame for a, b in zip(ours, costs[peer])]
        record(name, "ms/frame", value["ours"], peer, value[peer], rounds, statistics.median(ratios))

    beside("cpu_per_frame_vs_ffmpeg_m2m", "ffmpeg h264_v4l2m2m")
    beside("cpu_per_frame_vs_gstreamer_dmabuf_pipe", "gstreamer DMABUF into a pipe")
    beside("cpu_per_frame_vs_ustreamer", "ustreamer MJPEG on the CPU")
    beside("cpu_per_frame_vs_ustreamer_coding_nothing", "ustreamer coding nothing")
    beside("cpu_per_frame_vs_own_copy", "ours, copying")
    beside("cpu_per_frame_vs_own_software", "ours, software")
    # What is spent in the program itself, and what in the kernel on its behalf. Calls and wake-ups are dear on an
    # emulated processor, whoever makes them.
    for part in ("user", "system"):
        for name, peer in (("ffmpeg_m2m", "ffmpeg h264_v4l2m2m"), ("gstreamer_dmabuf_pipe", "gstreamer DMABUF into a pipe"),
                           ("ustreamer_coding_nothing", "ustreamer coding nothing")):
            mine, theirs = ([getattr(c, part) for c in costs[way]] for way in ("ours", peer))
            ratio = statistics.median(a / b for a, b in zip(mine, theirs) if b)
            record(f"{part}_per_frame_vs_{name}", "ms/frame", statistics.median(mine), peer,
                   statistics.median(theirs), rounds, ratio)


def cameras(seconds: float) -> None:
    """One, two and four cameras, each watched: what the daemon holds, and what it adds to the encoder's own time."""
    for count in (1, 2, 4):
        with fresh(count) as guest, running(guest, count) as box:
            time.sleep(SETTLE + seconds)
            text = guest.run(f"cat /proc/{box.card['pid']}/status /proc/{box.card['pid']}/smaps_rollup", check=True).stdout
            figure = {k: int(v) / 1024 for k, v in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}
            name = "1_camera" if count == 1 else f"{count}_cameras"
            record(f"rss_{name}", "MiB", figure["VmRSS"])
            record(f"pss_{name}", "MiB", figure["Pss"])
            record(f"private_dirty_{name}", "MiB", figure["Private_Dirty"])
            shown = [status(guest, box, camera)["extensions"] for camera in box_cameras(count)]
            for stage in ("captured_to_dequeued", "dequeued_to_encoded", "encoded_to_sent", "captured_to_sent"):
                for p in ("p50_ms", "p99_ms"):
                    worst = max(each["latency"][stage][p] for each in shown)
                    record(f"latency_{stage}_{p[:3]}_{name}", "ms", worst)
            # Everything but the encoder: until the frame was in our hands, and from the access unit to the socket.
            added = max(e["latency"]["captured_to_dequeued"]["p99_ms"] + e["latency"]["encoded_to_sent"]["p99_ms"]
                        for e in shown)
            record(f"added_latency_p99_{name}", "ms", added)


def box_cameras(count: int) -> list[str]:
    """Their names; vivid is loaded first and has the first nodes."""
    return [f"camera{nth}" for nth in range(count)]


class running:  # noqa: N801 - used as a verb
    """The service with a reader on every camera."""

    def __init__(self, guest: Guest, cameras: int, fps: int = 10) -> None:
        self.box = CameraBox(guest, CAMERA_SERVICE_CAMERA_FPS=str(fps), CAMERA_SERVICE_LOGGING_LEVEL="warn",
                             CAMERA_SERVICE_CAMERA_PIXEL_FORMAT="NV12")
        self.readers: list[Reader] = []
        try:
            for camera in box_cameras(cameras):
                url = re.sub(r"camera\d+\?", f"{camera}?", self.box.card["cameras"][0]["rtsp"])
                self.readers.append(rtsp_reader(guest, url))
            for reader in self.readers:
                reader.wait()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> CameraBox:
        return self.box

    def __exit__(self, *_: object) -> None:
        for reader in self.readers:
            reader.end()
        stop(self.box.process)


def syscalls(seconds: float) -> None:
    """System calls of the camera's thread per frame: what is left to save."""
    with fresh() as guest, running(guest, 1, fps=30) as box:
        time.sleep(SETTLE)
        pid = box.card["pid"]
        listing = guest.run(f"for t in /proc/{pid}/task/*; do echo ${{t##*/}} $(< $t/comm); done", check=True).stdout
        thread = next(line.split()[0] for line in listing.splitlines() if line.endswith(" camera0"))
        before = int(status(guest, box)["extensions"]["counters"]["encoded"])
        reply = guest.run(f"timeout -s INT {seconds:.0f} strace -c -w -p {thread} 2>&1; true", seconds + 30)
        frames = int(status(guest, box)["extensions"]["counters"]["encoded"]) - before
        for calls, name in re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", reply.stdout, re.M):
            if name != "total":
                record(f"syscalls_per_frame_{name}", "calls", int(calls) / max(1, frames))


def ensure_image() -> None:
    """Builds the guest where it is missing."""
    try:
        folder = cache.find_image()
    except NotBuilt:
        folder = build.build()
    saved.ensure(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["cpu", "cameras", "syscalls"])
    chosen = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("")
    ensure_image()
    parts = {
        "cpu": lambda: compare(chosen.rounds, chosen.seconds),
        "cameras": lambda: cameras(chosen.seconds),
        "syscalls": lambda: syscalls(chosen.seconds),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            part()


if __name__ == "__main__":
    main()
