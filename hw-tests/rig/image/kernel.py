"""The kernel and the few modules the guest keeps of its four thousand."""
from __future__ import annotations

import lzma
import shutil
from dataclasses import dataclass
from pathlib import Path

from .. import host, lists
from ..errors import BuildFailed

WANTED = Path(__file__).with_name("modules.txt")


def module_name(path: str) -> str:
    """`kernel/fs/ext4/ext4.ko.xz` -> `ext4`, with the kernel's underscores."""
    return Path(path).name.split(".ko")[0].replace("-", "_")


@dataclass
class KernelTree:
    """An unpacked kernel package and what depends on what in it."""

    root: Path
    release: str

    def __post_init__(self) -> None:
        self.modules = self.root / "lib/modules" / self.release
        # The package leaves this to its postinst, which does not run here.
        host.run(["depmod", "-b", self.root, self.release])
        self._needs: dict[str, list[str]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            # depmod lists the last one to load first.
            self._needs[module_name(path)] = [*reversed(needs.split()), path]
        builtin = (self.modules / "modules.builtin").read_text().split()
        self._builtin = {module_name(path) for path in builtin}

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    def closure(self, names: list[str]) -> list[str]:
        """Paths of the named modules and all they need, in an order that loads."""
        ordered: dict[str, None] = {}
        for entry in names:
            name = module_name(entry.removeprefix("?"))
            if name in self._needs:
                ordered.update(dict.fromkeys(self._needs[name]))
            elif name not in self._builtin and not entry.startswith("?"):
                raise BuildFailed(f"kernel {self.release} has no module {name}")
        return list(ordered)

    def unpacked(self, path: str) -> bytes:
        """A module as plain ELF: emulated processors are slow at xz."""
        data = (self.modules / path).read_bytes()
        return lzma.decompress(data) if path.endswith(".xz") else data


def unpack(package: Path, folder: Path, release: str) -> KernelTree:
    """Unpacks a kernel package into a folder of its own."""
    host.run(["dpkg-deb", "-x", package, folder])
    return KernelTree(folder, release)


def prune(tree: KernelTree, folder: Path) -> Path:
    """Copies the wanted modules to `folder/lib/modules/RELEASE`, with fresh indexes."""
    target = folder / "lib/modules" / tree.release
    for path in tree.closure(lists.read(WANTED)):
        file = target / path.removesuffix(".xz")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tree.unpacked(path))
    for index in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(tree.modules / index, target / index)
    host.run(["depmod", "-b", folder, tree.release])
    return target
