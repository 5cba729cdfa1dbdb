"""The virtual encoders: vh264 (H.264, ours) and vicodec (FWHT, the kernel's own)."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CommandFailed

if TYPE_CHECKING:
    from .guest import Guest as _Base
else:
    _Base = object

PARAMETERS = "/sys/module/vh264/parameters"


class Encoders(_Base):
    """Mixed into `Guest`; needs `Guest.restore(modules=True)`."""

    def vh264(self, **options: object) -> str:
        """Loads vh264 anew with these module options and returns its (first) node.

        multiplanar=1, stride_align=64, height_align=16, crop_to_request=1,
        devices=2, card="bcm2835-codec", raw=1, memory="contig": see vh264/README.md.
        """
        return self.vh264_nodes(**options)[0]

    def vh264_nodes(self, **options: object) -> list[str]:
        """The same, and all its nodes."""
        card = str(options.get("card", "vh264"))
        nodes = self._load("vh264", options)
        return [node for name, node in sorted(nodes.items()) if name.startswith(f"{card}-")]

    def vh264_fault(self, name: str, value: int = 1) -> None:
        """Switches a fault of vh264/README.md on, or off with 0: `("stall_after", 20)`."""
        reply = self.run(f"echo {value} > {PARAMETERS}/fault_{name}")
        if reply.rc != 0:
            known = self.run(f"cd {PARAMETERS} && echo fault_*").stdout or "none: vh264 is not loaded"
            raise CommandFailed(f"vh264 has no fault {name!r}; there are: {known}")

    def vh264_fault_left(self, name: str) -> int:
        """The present value; one-shot faults that have happened are 0."""
        return int(self.run(f"cat {PARAMETERS}/fault_{name}", check=True).stdout)

    def vicodec(self, **options: object) -> str:
        """Loads vicodec anew and returns the node of its stateful encoder."""
        return self._load("vicodec", options)["stateful-encoder"]

    def _load(self, module: str, options: dict[str, object]) -> dict[str, str]:
        words = " ".join(f"{key}={value}" for key, value in options.items())
        return self._settled(
            # What Debian's kernel has of the modules below them.
            "modprobe -a videobuf2-v4l2 videobuf2-vmalloc videobuf2-dma-contig"
            f" && if [ -d /sys/module/{module} ]; then rmmod {module}; fi"
            " && if [ ! -d /sys/module/v4l2_mem2mem ]; then insmod /in/modules/v4l2-mem2mem.ko; fi"
            f" && insmod /in/modules/{module}.ko {words}"
        )
