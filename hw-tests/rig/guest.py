"""`Guest`: what tests use."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from . import cache, modules as kernel_modules, saved
from .cameras import Cameras
from .encoders import Encoders
from .errors import GuestError
from .machine import Forward, Machine
from .qmp import MonitorError, MonitorGone
from .vm import Vm
from .workdir import Files, Workdir


class Guest(Cameras, Encoders, Vm):
    """A guest restored from the saved state, under a second after the call."""

    _ports: dict[Forward, int] | None = None

    @classmethod
    def restore(
        cls, files: Files = (), forwards: Sequence[int | str] = (), *,
        data_disk: str | Sequence[str] | None = None, extra_modules: Path | None = None,
        modules: bool = False,
    ) -> "Guest":
        """Restores a guest. Use it as a context manager.

        files: appear in /in, read-only; a mapping gives them other names.
        forwards: guest ports ("8189/udp" for UDP) that `port()` then maps.
        data_disk: one or several -blockdev strings, the last being /dev/vdc;
            by default a blank raw file. Its size must be DATA_DISK_SIZE.
        extra_modules: a folder of .ko files for `insmod()`.
        modules: have the virtual encoders at hand; built at their first use.
        """
        if modules:
            extra_modules = kernel_modules.ensure()
        image = cache.find_image()
        state = saved.ensure(image)
        workdir = Workdir()
        try:
            blockdevs = [data_disk] if isinstance(data_disk, str) else list(data_disk or [])
            machine = Machine(
                image, workdir.path / "console.log", workdir.input_disk(files, extra_modules),
                blockdevs or [workdir.data_disk()], [Forward.parse(port) for port in forwards],
            )
            guest = cls(machine, workdir, incoming=True)
        except BaseException:
            workdir.close()
            raise
        try:
            saved.restore(guest, state)
        except (MonitorError, MonitorGone) as error:
            text = f"restore failed: {error}; if it does so again, delete {state}"
            failure = guest.error(GuestError, text)
            guest.close()
            raise failure from None
        except BaseException:
            guest.close()
            raise
        return guest

    def __enter__(self) -> "Guest":
        return self

    def port(self, guest_port: int | str) -> int:
        """The loopback port of the host that leads to this port of the guest."""
        if self._ports is None:
            # QEMU has no other place where it tells the port the kernel picked.
            text = self.qemu.monitor.execute(
                "human-monitor-command", command_line="info usernet"
            )
            rows = re.findall(r"(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+(\d+)", text)
            self._ports = {
                Forward(int(inner), protocol.lower()): int(outer)
                for protocol, outer, inner in rows
            }
        try:
            return self._ports[Forward.parse(guest_port)]
        except KeyError:
            raise ValueError(f"port {guest_port} was not in `forwards`") from None

    def insmod(self, name: str, **options: object) -> None:
        """Loads NAME.ko from the folder given as `extra_modules`."""
        words = [f"{key}={value}" for key, value in options.items()]
        self.run(["insmod", f"/in/modules/{name}.ko", *words], check=True)
