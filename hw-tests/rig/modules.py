"""Kernel modules Debian does not build: the virtual encoder, vicodec, v4l2-mem2mem.

    target/rig/modules-<key>/*.ko         what a guest gets in /in/modules, with the tools to try them
    target/rig/kernel-<arch>-<version>/   Debian's headers, and three files of the kernel's source

Built without root, outside the kernel tree, against exactly the kernel of the
guest image: its modules check versions symbol by symbol. The key covers our
sources, the kernel's version and this file.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import cache, host
from .errors import BuildFailed, MissingTool

VH264 = Path(__file__).parents[1] / "vh264"
#: Test clients, one static program a file. They are guest programs like the modules are guest modules.
TOOL_FOLDER = VH264 / "tools"
ARCHITECTURES = ("amd64", "arm64")

#: Path in the kernel source -> folder of the build.
KERNEL_FILES = {
    "drivers/media/v4l2-core/v4l2-mem2mem.c": ".",
    "drivers/media/test-drivers/vicodec": "vicodec",
}
VICODEC_KBUILD = """\
obj-m += vicodec.o
vicodec-objs := vicodec-core.o codec-fwht.o codec-v4l2-fwht.o
"""

#: Program -> Debian package. The headers name the compiler they want: gcc-12.
TOOLS = {"make": "make", "gcc-12": "gcc-12", "strip": "binutils", "xz": "xz-utils"}
CROSS_TOOLS = {"aarch64-linux-gnu-gcc-12": "gcc-12-aarch64-linux-gnu"}


@dataclass(frozen=True)
class Target:
    """A kernel to build for."""

    release: str  # 6.12.117+deb12, without the architecture
    version: str  # 6.12.117-1~deb12u1
    arch: str

    @classmethod
    def of_image(cls, image: Path, arch: str) -> "Target":
        """The kernel of a guest image, in either architecture."""
        package, version = cache.manifest(image)["kernel"].split("=")
        match = re.fullmatch(r"linux-image-(.+)-amd64", package)
        if match is None:
            raise BuildFailed(f"{image}: cannot tell the kernel's release from {package}")
        return cls(match[1], version, arch)

    @property
    def packages(self) -> list[str]:
        series = ".".join(self.release.split(".")[:2])
        names = [
            f"linux-headers-{self.release}-{self.arch}:{self.arch}",
            f"linux-headers-{self.release}-common",
            f"linux-kbuild-{self.release}",
            f"linux-source-{series}",
        ]
        return [f"{name}={self.version}" for name in names]

    @property
    def folder(self) -> Path:
        return cache.ROOT / f"kernel-{self.arch}-{self.version}"

    @property
    def headers(self) -> Path:
        return self.folder / f"usr/src/linux-headers-{self.release}-{self.arch}"


def ensure(arch: str = "amd64") -> Path:
    """The folder of modules for the present guest image; builds them if need be."""
    target = Target.of_image(cache.find_image(), arch)
    final = cache.ROOT / f"modules-{key(target)}"
    if final.exists():
        return final
    with cache.lock():
        if not final.exists():
            check_tools(arch)
            if not target.folder.exists():
                fetch(target)
            partial = cache.ROOT / f"{cache.PARTIAL}{final.name}"
            shutil.rmtree(partial, ignore_errors=True)
            make(target, partial)
            for stale in cache.ROOT.glob("modules-*"):
                if (stale / "arch").read_text() == arch:
                    shutil.rmtree(stale)
            partial.rename(final)
    return final


def key(target: Target) -> str:
    """A digest of everything that goes into the modules."""
    files = [Path(__file__), *sources()]
    return cache.digest(
        target.arch, target.version, *(part for file in files for part in (file.name, file.read_bytes()))
    )


def sources() -> list[Path]:
    """The files of our own module and of its test client."""
    files = [*VH264.iterdir(), *TOOL_FOLDER.iterdir()]
    return sorted(file for file in files if file.suffix in (".c", ".h") or file.name == "Kbuild")


def check_tools(arch: str) -> None:
    """Names every package that is missing, not just the first."""
    wanted = {**TOOLS, **(CROSS_TOOLS if arch == "arm64" else {})}
    lacking = [package for program, package in wanted.items() if host.locate(program) is None]
    if lacking:
        raise MissingTool(
            f"kernel modules for {arch} need a compiler: apt-get install {' '.join(lacking)}"
        )


def fetch(target: Target) -> None:
    """Downloads headers and source, and keeps what a build needs of them."""
    print(f"fetching headers and source of kernel {target.version} for {target.arch} (170 MB, once)", flush=True)
    partial = cache.ROOT / f"{cache.PARTIAL}{target.folder.name}"
    shutil.rmtree(partial, ignore_errors=True)
    packages = partial / "packages"
    packages.mkdir(parents=True)
    try:
        host.run(["apt-get", "download", *target.packages], cwd=packages, timeout=600)
    except BuildFailed as error:
        foreign = "" if target.arch == "amd64" else (
            "; for another architecture apt must know it first: dpkg --add-architecture arm64"
        )
        raise BuildFailed(
            f"{error}\nNo headers for the guest's kernel {target.version}. Run `apt-get update`; if the archive"
            f" has moved on, `python3 -m rig build` takes the newest kernel{foreign}."
        ) from None
    for package in packages.glob("linux-[hk]*.deb"):
        host.run(["dpkg-deb", "-x", package, partial])
    extract_source(next(packages.glob("linux-source-*.deb")), partial)
    shutil.rmtree(packages)
    # These files name one another by absolute paths of an installed system.
    root = target.folder / "usr/src"
    makefile = partial / target.headers.relative_to(target.folder) / "Makefile"
    makefile.write_text(makefile.read_text().replace("include /usr/src/", f"include {root}/"))
    partial.rename(target.folder)


def extract_source(package: Path, folder: Path) -> None:
    """A few files out of a tar.xz inside a package, without unpacking 1.5 GB on the way."""
    series = package.name.split("_")[0]
    wanted = " ".join(f"'{series}/{path}'" for path in KERNEL_FILES)
    script = (
        f"set -o pipefail; dpkg-deb --fsys-tarfile {package} | tar -xO ./usr/src/{series}.tar.xz"
        f" | xz -dc | tar -x -C {folder} {wanted}"
    )
    host.run(["bash", "-c", script], timeout=600)
    (folder / series).rename(folder / "source")


def make(target: Target, folder: Path) -> None:
    """Compiles into `folder`, which holds the .ko files and a log in the end."""
    started = time.monotonic()
    work = folder / "work"
    own = work / "vh264"
    own.mkdir(parents=True)
    for file in sources():
        if file.parent == VH264:
            shutil.copy(file, own / file.name)
    for path, place in KERNEL_FILES.items():
        origin = target.folder / "source" / path
        if origin.is_dir():
            shutil.copytree(origin, work / place)
            (work / place / "Kbuild").write_text(VICODEC_KBUILD)
        else:
            shutil.copy(origin, work / place)
    # Debian's amd64 kernel lacks v4l2-mem2mem, its arm64 kernel has it.
    core = "v4l2-mem2mem.o " if target.arch == "amd64" else ""
    (work / "Kbuild").write_text(f"obj-m += {core}vicodec/ vh264/\n")
    host.run(
        ["make", f"-j{os.cpu_count()}", "-C", target.headers, f"M={work}",
         # BTF would need pahole, and nothing here reads it.
         "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
        timeout=600,
    )
    strip = "strip" if target.arch == "amd64" else "aarch64-linux-gnu-strip"
    for module in work.rglob("*.ko"):
        subprocess.run([host.find(strip), "--strip-debug", "-o", folder / module.name, module], check=True)
    if target.arch == "amd64":
        for tool in TOOL_FOLDER.glob("*.c"):
            host.run(["gcc-12", "-static", "-O2", "-s", "-o", folder / tool.stem, tool])
    shutil.rmtree(work)
    (folder / "arch").write_text(target.arch)
    names = " ".join(sorted(file.name for file in folder.glob("*.ko")))
    print(f"built {names} for {target.release}-{target.arch} in {time.monotonic() - started:.1f} s", flush=True)
