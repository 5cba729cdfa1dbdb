"""The virtual cameras: vivid, loaded as each test wants it."""
from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from .vm import Vm as _Base
else:
    _Base = object

#: One webcam each with one capture node; vivid by itself makes fifteen nodes.
WEBCAM = {"num_inputs": 1, "input_types": 0, "num_outputs": 0, "node_types": 0x1}

#: vivid takes a list for every option but these.
SCALARS = ("no_error_inj", "vivid_debug")

DRIVER = "/sys/bus/platform/drivers/vivid"

LIST_NODES = """
for entry in /sys/class/video4linux/*; do
    [ -e "$entry/name" ] && echo "/dev/${entry##*/} $(< "$entry/name")"
done; true
"""


class Cameras(_Base):
    """Mixed into `Guest`."""

    def vivid(self, n_devs: int = 1, **options: int | Sequence[int]) -> dict[str, str]:
        """Loads vivid anew and returns its nodes: {"vivid-000-vid-cap": "/dev/video0"}.

        Options are vivid's module parameters, over those of a plain webcam. A
        number goes for each device, a sequence has one item per device.
        """
        words = [f"n_devs={n_devs}"]
        for name, value in {**WEBCAM, **options}.items():
            if isinstance(value, int):
                value = [value] if name in SCALARS else [value] * n_devs
            words.append(f"{name}={','.join(map(str, value))}")
        script = "if [ -d /sys/module/vivid ]; then rmmod vivid; fi && modprobe vivid "
        return self._settled(script + " ".join(words))

    def unbind_vivid(self) -> dict[str, str]:
        """Takes all vivid devices away, as if unplugged; returns the nodes left.

        A reader that still has its node open keeps the number busy: the
        device comes back under another one. Controls go back to their defaults.
        """
        return self._settled(f"echo vivid.0 > {DRIVER}/unbind")

    def bind_vivid(self) -> dict[str, str]:
        """Plugs them in again; returns the nodes by name."""
        return self._settled(f"echo vivid.0 > {DRIVER}/bind")

    def video_nodes(self) -> dict[str, str]:
        """All V4L2 nodes of the guest: driver's name -> device path."""
        return self._settled("true")

    def _settled(self, script: str) -> dict[str, str]:
        # The write returns before udev has made the nodes and their links.
        result = self.run(
            f"({script}) && udevadm settle --timeout=20 && {{ {LIST_NODES} }}", 40, check=True
        )
        pairs = (line.split(" ", 1) for line in result.stdout.splitlines())
        return {name: node for node, name in pairs}
