"""The initramfs: one static busybox, `init`, and the modules that find the root disk."""
from __future__ import annotations

import shutil
from pathlib import Path

from .. import host
from .kernel import KernelTree, module_name

INIT = Path(__file__).parents[1] / "inside/init"
ROOT_MODULES = ["virtio_blk", "squashfs", "overlay"]


def build(tree: KernelTree, work: Path, target: Path) -> None:
    """Writes the archive. Uncompressed: it is small, and unpacking is emulated."""
    (work / "bin").mkdir(parents=True)
    (work / "modules").mkdir()
    shutil.copy(host.find("busybox"), work / "bin/busybox")
    shutil.copy(INIT, work / "init")
    (work / "init").chmod(0o755)
    for number, path in enumerate(tree.closure(ROOT_MODULES)):
        file = work / "modules" / f"{number:02}-{module_name(path)}.ko"
        file.write_bytes(tree.unpacked(path))
    names = sorted(str(path.relative_to(work)) for path in work.rglob("*"))
    host.run(
        ["cpio", "-o", "-H", "newc", "--owner=+0:+0", "--quiet", "-F", target],
        stdin="\n".join(names) + "\n", cwd=work,
    )
