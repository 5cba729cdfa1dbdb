"""The service, its peer and their reader, as processes that a benchmark can watch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVICE = Path(os.environ.get("CAMERA_SERVICE_BIN", ROOT / "target/release/camera-service"))
#: What services under measurement say.
LOG = ROOT / "target/bench/service.log"
TICKS = os.sysconf("SC_CLK_TCK")
PORTS = (
    "SERVER_PORT",
    "HTTP_HEALTH_PORT",
    "MEDIAMTX_RTSP_PORT",
    "MEDIAMTX_API_PORT",
    "MEDIAMTX_HLS_PORT",
    "MEDIAMTX_WEBRTC_PORT",
    "MEDIAMTX_WEBRTC_UDP_PORT",
)


def cpu_seconds(pid: int) -> float:
    """User and system time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Resident memory now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid: int) -> list[int]:
    """Processes started by any thread of `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found


def end(process: subprocess.Popen) -> None:
    """SIGINT, then a bound, then SIGKILL."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Demo:
    """`camera-service demo` on ports of the kernel's choice."""

    def __init__(self, size: str, fps: int = 30, state: Path | None = None, **more: str) -> None:
        environment = dict(os.environ) | more
        environment.update({f"CAMERA_SERVICE_{name}": "0" for name in PORTS})
        environment["CAMERA_SERVICE_TEST_CAMERA_SIZE"] = size
        environment["CAMERA_SERVICE_TEST_CAMERA_FPS"] = str(fps)
        environment["CAMERA_SERVICE_LOGGING_LEVEL"] = "warn"
        LOG.parent.mkdir(parents=True, exist_ok=True)
        kept = ["--state", state] if state else []
        with LOG.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [SERVICE, "demo", "--json", *kept], env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=log
            )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the demo ended before its first picture; {LOG} says why")
        self.card = json.loads(line)

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def mediamtx(self) -> int:
        """The process id of its MediaMTX."""
        for pid in children(self.pid):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "mediamtx":
                return pid
        raise RuntimeError("no MediaMTX")

    def rtsp(self, device: str = "camera0") -> str:
        return next(c["rtsp"] for c in self.card["cameras"] if c["device"] == device)


class Server:
    """A plain MediaMTX of the same binary, for the peer to publish into."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.port, api, self.api = free_port(), free_port(), ""
        self.api = f"http://127.0.0.1:{api}/v3/paths/get/"
        config = Path(self.folder.name) / "mediamtx.yml"
        config.write_text(
            f"rtspAddress: 127.0.0.1:{self.port}\nrtspTransports: [tcp]\napi: true\napiAddress: 127.0.0.1:{api}\n"
            "rtmp: false\nhls: false\nwebrtc: false\nsrt: false\nmoq: false\nwriteQueueSize: 4096\n"
            "pathDefaults:\n  useAbsoluteTimestamp: true\npaths:\n  all_others:\n"
        )
        binary = ROOT / "target/mediamtx/mediamtx"
        self.process = subprocess.Popen([binary, config], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def wait_for(self, path: str) -> None:
        """Until somebody publishes there."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.api + path, timeout=2) as reply:
                    if json.load(reply).get("available"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"nobody published {path}")

    def end(self) -> None:
        end(self.process)
        self.folder.cleanup()


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read(url: str, size: str, seconds: float) -> dict:
    """What tools/timecode.py says of a stream after so many seconds."""
    decoder = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-fflags", "nobuffer", "-flags", "low_delay", "-probesize", "32",
         "-analyzeduration", "0", "-threads", "1", "-rtsp_transport", "tcp", "-i", url, "-vsync", "passthrough",
         "-t", str(seconds), "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    report = subprocess.run(
        ["/usr/bin/python3", ROOT / "tools/timecode.py", "--size", size, "--json"],
        stdin=decoder.stdout, capture_output=True, text=True, timeout=seconds + 60, check=False,
    )
    end(decoder)
    return json.loads(report.stdout)


def usage(pids: list[int], seconds: float) -> list[tuple[float, float]]:
    """CPU percent of one core and RSS in MiB of each process over a span."""
    before = [cpu_seconds(pid) for pid in pids]
    started = time.monotonic()
    time.sleep(seconds)
    span = time.monotonic() - started
    return [((cpu_seconds(p) - b) / span * 100, rss_mib(p)) for p, b in zip(pids, before)]
