"""The product inside a guest: started, watched and asked, as a test rig would."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Callable

from rig import Guest

ROOT = Path(__file__).resolve().parents[2]

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

#: What tests hand in; both are built by `make build`.
BINARIES = {
    "camera-service": Path(
        os.environ.get("CAMERA_SERVICE_BIN", TARGET / "release/camera-service")
    ),
    "mediamtx": Path(os.environ.get("MEDIAMTX", TARGET / "mediamtx/mediamtx")),
}

#: Software emulation encodes 640x480 at 10 frames a second with room to spare; never assert speed here.
SETTINGS = {
    "CAMERA_SERVICE_TEST_CAMERA_ENABLED": "false",
    "CAMERA_SERVICE_CAMERA_SIZE": "640x480",
    "CAMERA_SERVICE_CAMERA_FPS": "10",
    "CAMERA_SERVICE_CAMERA_BITRATE": "2000",
}


#: A long campaign takes hours; the rig ends what runs longer, in seconds.
LIFE = 24 * 3600.0


class CameraBox:
    """`camera-service demo` running in a guest that has a camera already."""

    def __init__(self, guest: Guest, under: str = "", state: str = "", **settings: str) -> None:
        """`under`: a command that runs the service, such as strace with its options.

        `state`: a folder of the guest that survives the service; by default one that does not.
        """
        self.guest = guest
        words = " ".join(f"{key}={value}" for key, value in {**SETTINGS, **settings}.items())
        where = f" --state {state}" if state else ""
        self.process = guest.spawn(f"env {words} {under} /in/camera-service demo --json{where}", limit=LIFE)
        line = self.process.wait_for('"first_picture_ms"', 60)
        start = line.index("{")
        self.card: dict[str, Any] = json.loads(line[start : line.rindex("}") + 1])

    def rtsp(self, device: str) -> str:
        """The address of one camera inside the guest, token included."""
        for camera in self.card["cameras"]:
            if camera["device"] == device:
                return camera["rtsp"]
        raise KeyError(f"{device} is not among {self.card['cameras']}")

    def health(self, path: str = "/detailed") -> dict[str, Any]:
        """A health answer, whatever its status code."""
        reply = self.guest.run(f"curl -s -m 5 {self.card['health']}{path}", 15, check=True)
        return json.loads(reply.stdout)

    def camera(self, device: str) -> dict[str, Any]:
        """What health says of one camera."""
        parts = self.health()["components"]
        cameras = next(part for part in parts if part["name"] == "cameras")["details"]["cameras"]
        return next(c for c in cameras if c["device"] == device)

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float) -> float:
        """Asks again and again until `condition` holds; returns the seconds it took."""
        started = time.monotonic()
        while True:
            if condition():
                return time.monotonic() - started
            if time.monotonic() - started > timeout:
                raise AssertionError(
                    f"not within {timeout} s: {what}\n{self.health()}\n{self.process.output()[-4000:]}"
                )
            time.sleep(0.05)

    def read_frames(self, device: str, count: int, keep: int = 3) -> tuple[list[str], list[bytes]]:
        """Decodes `count` frames with ffmpeg: each one's digest, and the last `keep` as rgb24."""
        self.guest.run(
            "rm -f /tmp/frames.md5 /tmp/frames.rgb; timeout 90 ffmpeg -v error -rtsp_transport tcp"
            f" -i '{self.rtsp(device)}' -frames:v {count} -vsync passthrough -enc_time_base 1:90000"
            " -f framemd5 /tmp/frames.md5"
            f" -vf 'select=gte(n\\,{count - keep})' -frames:v {keep} -f rawvideo -pix_fmt rgb24 /tmp/frames.rgb",
            timeout=100,
            check=True,
        )
        digests = [
            line.rsplit(",", 1)[1].strip()
            for line in self.guest.pull("/tmp/frames.md5").decode().splitlines()
            if line and not line.startswith("#")
        ]
        rgb = self.guest.pull("/tmp/frames.rgb")
        size = len(rgb) // keep
        return digests, [rgb[i * size : (i + 1) * size] for i in range(keep)]

    def stream_properties(self, device: str) -> dict[str, str]:
        """What ffprobe reads from the stream itself."""
        reply = self.guest.run(
            "timeout 30 ffprobe -v error -rtsp_transport tcp -of json -show_streams"
            f" '{self.rtsp(device)}'",
            timeout=40,
            check=True,
        )
        return json.loads(reply.stdout)["streams"][0]
