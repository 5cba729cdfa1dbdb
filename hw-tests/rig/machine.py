"""The virtual machine as a QEMU command line.

A saved state fits only the machine it was saved on: same devices in the same
order, same sizes of memory and disks. What may differ is what stands behind a
device (another file, an nbd server, other forwarded ports). This file is
therefore part of the state's cache key.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from . import host

MEMORY_MIB = 1024
#: More than any set of binaries under test; sparse, so the rest is free.
INPUT_DISK_SIZE = 256 << 20
DATA_DISK_SIZE = 256 << 20

KERNEL_ARGUMENTS = " ".join((
    "console=ttyS0", "quiet", "loglevel=4", "systemd.show_status=0",
    # A panic must end QEMU at once: "reboot now", which -no-reboot turns into an exit.
    "panic=-1", "oops=panic",
    "net.ifnames=0",
))

#: Guest side of QEMU's user network. Set by hand: there is no DHCP client.
GUEST_ADDRESS = "10.0.2.15/24"


@dataclass(frozen=True)
class Forward:
    """A port of the guest that the host can reach on a loopback port of its own."""

    port: int
    protocol: str = "tcp"

    @classmethod
    def parse(cls, text: int | str) -> "Forward":
        """8554 or "8554" is TCP; "8189/udp" is UDP."""
        port, _, protocol = str(text).partition("/")
        forward = cls(int(port), protocol or "tcp")
        if forward.protocol not in ("tcp", "udp"):
            raise ValueError(f"unknown protocol in forward {text!r}")
        return forward

    @property
    def option(self) -> str:
        # Host port 0: the kernel picks, so two guests never collide.
        return f"hostfwd={self.protocol}:127.0.0.1:0-:{self.port}"


@dataclass
class Machine:
    """What stands behind the devices of one guest."""

    image: Path
    console: Path
    input_disk: Path
    #: -blockdev strings; the last one is the disk itself.
    data_disk: list[str]
    forwards: list[Forward] = field(default_factory=list)

    def command(self, control: int, monitor: int, incoming: bool) -> list[str]:
        """argv for QEMU; `control` and `monitor` are inherited socket descriptors."""
        network = ",".join(
            # restrict: a test must not depend on what the host's network offers.
            ["user,id=net,restrict=on", *(forward.option for forward in self.forwards)]
        )
        data = [argument for disk in self._data_nodes() for argument in ("-blockdev", disk)]
        return [
            host.find("qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-machine", "q35", "-cpu", "max",
            # Always emulated, even where KVM exists: a state saved on one
            # machine must mean the same on the next.
            "-accel", "tcg,thread=multi,tb-size=512",
            "-smp", "2", "-m", str(MEMORY_MIB),
            "-kernel", str(self.image / "kernel"), "-initrd", str(self.image / "initrd"),
            "-append", KERNEL_ARGUMENTS,
            "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,fd={monitor}",
            "-mon", "chardev=monitor,mode=control",
            "-blockdev", self._file_node("root", self.image / "root.sqfs", read_only=True),
            "-device", "virtio-blk-pci,drive=root",
            "-blockdev", self._file_node("input", self.input_disk, read_only=True),
            "-device", "virtio-blk-pci,drive=input",
            *data,
            "-device", "virtio-blk-pci,drive=data,write-cache=on",
            "-chardev", f"socket,id=control,fd={control}",
            "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=control,name=rig.control",
            "-netdev", network,
            "-device", "virtio-net-pci,netdev=net,romfile=",  # no network boot
            "-device", "virtio-rng-pci",
            "-device", "i6300esb", "-action", "watchdog=reset",
            *(["-incoming", "defer"] if incoming else []),
        ]

    def _data_nodes(self) -> list[str]:
        return [*self.data_disk[:-1], f"{self.data_disk[-1]},node-name=data"]

    @staticmethod
    def _file_node(name: str, path: Path, read_only: bool) -> str:
        mode = "on" if read_only else "off"
        # QEMU's option syntax doubles a comma inside a value.
        quoted = str(path).replace(",", ",,")
        return f"driver=file,filename={quoted},node-name={name},read-only={mode}"
