"""The service in a guest with a camera that can be made to fail, a viewer, and an eye on health."""
from __future__ import annotations

import contextlib
import re
import time
from typing import Any, Iterator

from camera_box import BINARIES, CameraBox
from rig import Guest

from .relay import INSIDE_PORT, Relay, free_port
from .rpc import Rpc
from .viewer import Viewer
from .watch import HealthWatch

CARD = "vivid-000-vid-cap"
#: Bars with vivid's counters in the upper left corner: every frame says which one it is.
BARS = "test_pattern=0,osd_text_mode=1"
#: Ports that the host must reach: RTSP, JSON-RPC, health and the page, WebRTC's media.
FORWARDS = [8554, 8002, 8003, INSIDE_PORT]


#: Pictures for this long, and the service takes the next fault for a new one (5 s).
SETTLED = 5.3
#: How each route is asked for. Hardware is what "auto" takes where there is an encoder.
ROUTES = {
    "hardware": {"CAMERA_SERVICE_CAMERA_ENCODER": "auto"},
    "copy": {"CAMERA_SERVICE_CAMERA_ENCODER": "copy"},
    "software": {"CAMERA_SERVICE_CAMERA_ENCODER": "software"},
}


@contextlib.contextmanager
def stand(route: str, devices: int = 1, **settings: str) -> Iterator["Stand"]:
    """A guest, its devices and the service, ready and watched."""
    hardware = route != "software"
    media = free_port()
    settings = {
        "CAMERA_SERVICE_MEDIAMTX_WEBRTC_UDP_PORT": str(media),
        "CAMERA_SERVICE_MEDIAMTX_ADDITIONAL_HOSTS": "127.0.0.1",
        **ROUTES[route],
        **settings,
    }
    with Guest.restore(files=BINARIES, forwards=FORWARDS, modules=hardware) as guest, Relay(guest, media):
        guest.vivid(n_devs=devices)
        if hardware:
            guest.vh264(devices=devices)
        with Stand(guest, **settings) as made:
            yield made


class Stand:
    """One camera under test. A context manager."""

    def __init__(self, guest: Guest, **settings: str) -> None:
        self.guest, self._settings = guest, settings
        self._start()

    def _start(self) -> None:
        guest = self.guest
        self.node = guest.video_nodes()[CARD]
        self.paint()
        self.camera = self.node.replace("/dev/video", "camera")
        self.box = CameraBox(guest, **self._settings)
        self.viewer = Viewer(self.url())
        self.health = HealthWatch(guest.port(8003))
        self.rpc = Rpc(guest.port(8002), self.box.card["tokens"]["admin"])
        self.viewer.wait("the first pictures", lambda: self.viewer.flowing(0.0), 30)
        self.begin = time.monotonic()
        self._socket = self.viewer.socket()
        self._reader = self.readers()

    def __enter__(self) -> "Stand":
        return self

    def __exit__(self, *_: object) -> None:
        self.viewer.close()
        self.health.close()

    def renew(self) -> None:
        """Another service and another viewer, for when this one rightly avoids what is to be tested."""
        assert self.disconnects() == []
        self.__exit__()
        self.box.process.kill(2)
        self.box.process.wait(30)
        self._start()

    @property
    def route(self) -> str:
        """Which way the pictures go."""
        return str(self.status()["extensions"].get("route"))

    def url(self) -> str:
        """The camera's address as the host reaches it."""
        return re.sub(r"//[^/]+/", f"//127.0.0.1:{self.guest.port(8554)}/", self.box.rtsp(self.camera))

    def page(self) -> str:
        """The web page as the host reaches it, logged in."""
        return f"http://127.0.0.1:{self.guest.port(8003)}/#token={self.box.card['tokens']['viewer']}"

    def paint(self) -> None:
        """Makes vivid show what the viewer can judge; a plug takes it back to its defaults."""
        self.guest.run(f"v4l2-ctl -d {self.node} -c {BARS}", check=True)

    def control(self, words: str) -> None:
        """Sets vivid's controls."""
        self.guest.run(f"v4l2-ctl -d {self.node} -c {words}", 15, check=True)

    def unplug(self) -> None:
        """Takes the camera away."""
        self.guest.unbind_vivid()

    def plug(self) -> None:
        """Brings it back, under whatever number the kernel has free."""
        self.node = self.guest.bind_vivid()[CARD]
        self.paint()

    def status(self) -> dict[str, Any]:
        """`get_camera_status`."""
        return self.rpc.call("get_camera_status", device=self.camera)

    def disconnects(self) -> list[str]:
        """Everything that a viewer would call a disconnect, by all witnesses."""
        found = []
        if not self.viewer.alive:
            found.append(f"the viewer's process ended: {self.viewer.words}")
        elif self.viewer.socket() != self._socket:
            found.append("the viewer has another connection")
        gone = [line for line in self.sessions() if "destroyed" in line and self._reader in line]
        found += [f"MediaMTX closed the viewer's session: {line}" for line in gone]
        return found

    def lies(self, since: float | None = None) -> list[str]:
        """Moments at which health said all was well while this viewer had no picture."""
        return self.health.lies(self.viewer, self.begin if since is None else since)

    def settle(self) -> None:
        """Waits until the service has forgotten the last fault and is on its route again.

        Faults in quick succession make it climb, up to leaving the encoder alone for a minute: that
        is right, but another test.
        """
        begin = time.monotonic()
        self.viewer.wait(
            "pictures for a while",
            lambda: time.monotonic() - begin > SETTLED and self.viewer.flowing(begin),
            SETTLED + 30,
        )

    def sessions(self) -> list[str]:
        """What MediaMTX said about its RTSP sessions."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.box.process.output())
        return [line for line in plain.splitlines() if "session" in line]

    def readers(self) -> str:
        """MediaMTX's name for the viewer's session."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            for line in self.sessions():
                found = re.search(r"session (\S+)\].* is reading from path '" + self.camera + "'", line)
                if found:
                    return found[1]
            time.sleep(0.1)
        raise AssertionError("MediaMTX does not name the viewer:\n" + "\n".join(self.sessions()[-10:]))
