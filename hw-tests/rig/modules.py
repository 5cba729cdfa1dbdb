"""Kernel modules Debian does not build: the virtual encoder, vicodec, v4l2-mem2mem.

    target/rig/modules-<key>/       the .ko files, and tools to try them: /in/modules of a guest
    target/rig/kernel-<version>/    Debian's headers, and a few files of the kernel's source

Built without root, outside the kernel tree, against exactly the kernel of the
guest image: it compares the version of every symbol. The key covers our
sources, the kernel's version and this file.
"""
from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from . import cache, host
from .errors import BuildFailed, MissingTool

VH264 = Path(__file__).parents[1] / "vh264"
#: Test clients, one static program a file; they run in the guest.
TOOL_SOURCES = VH264 / "tools"
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
        """The kernel of a guest image, for either architecture."""
        package, version = cache.manifest(image)["kernel"].split("=")
        match = re.fullmatch(r"linux-image-(.+)-amd64", package)
        if match is None:
            raise BuildFailed(f"{image}: cannot tell the kernel's release from {package}")
        return cls(match[1], version, arch)

    @property
    def series(self) -> str:
        return ".".join(self.release.split(".")[:2])

    @property
    def folder(self) -> Path:
        return cache.ROOT / f"kernel-{self.version}"

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
    parts: list[str | bytes] = [target.arch, target.version]
    for file in [Path(__file__), *module_sources(), *sorted(TOOL_SOURCES.glob("*.c"))]:
        parts += [file.name, file.read_bytes()]
    return cache.digest(*parts)


def module_sources() -> list[Path]:
    """The files of our own module."""
    return sorted([*VH264.glob("*.[ch]"), VH264 / "Kbuild"])


def check_tools(arch: str) -> None:
    """Names every package that is missing, not just the first."""
    wanted = {**TOOLS, **(CROSS_TOOLS if arch == "arm64" else {})}
    lacking = [package for program, package in wanted.items() if host.locate(program) is None]
    if lacking:
        raise MissingTool(
            f"kernel modules for {arch} need a compiler: apt-get install {' '.join(lacking)}"
        )


def fetch(target: Target) -> None:
    """Headers and source of the kernel, as far as they are not there yet."""
    if not target.folder.exists():
        print(f"fetching the source of kernel {target.version} (170 MB, once)", flush=True)
        partial = cache.ROOT / f"{cache.PARTIAL}{target.folder.name}"
        shutil.rmtree(partial, ignore_errors=True)
        names = (f"linux-headers-{target.release}-common", f"linux-kbuild-{target.release}")
        for name in names:
            host.run(["dpkg-deb", "-x", download(name, target, partial), partial])
        source = download(f"linux-source-{target.series}", target, partial)
        extract_source(source, partial)
        shutil.rmtree(partial / "packages")
        for stale in cache.ROOT.glob("kernel-*"):
            shutil.rmtree(stale)
        partial.rename(target.folder)
    if not target.headers.exists():
        name = f"linux-headers-{target.release}-{target.arch}:{target.arch}"
        partial = target.folder / f"{cache.PARTIAL}{target.arch}"
        shutil.rmtree(partial, ignore_errors=True)
        host.run(["dpkg-deb", "-x", download(name, target, partial), partial])
        headers = partial / target.headers.relative_to(target.folder)
        # It names its other half by the absolute path of an installed system; beside it, it may be moved.
        makefile = headers / "Makefile"
        text = makefile.read_text()
        makefile.write_text(text.replace("include /usr/src/", "include ../"))
        headers.rename(target.headers)
        shutil.rmtree(partial)


def download(name: str, target: Target, folder: Path) -> Path:
    """One package of exactly the kernel's version, without installing it."""
    place = folder / "packages"
    place.mkdir(parents=True, exist_ok=True)
    before = set(place.iterdir())
    try:
        host.run(["apt-get", "download", f"{name}={target.version}"], cwd=place, timeout=600)
    except BuildFailed as error:
        foreign = "" if not name.endswith(":arm64") else (
            " apt must know the architecture: `dpkg --add-architecture arm64`."
        )
        raise BuildFailed(
            f"{error}\nThe guest's kernel is {target.version}, its modules need {name} of the same"
            f" version.{foreign} Run `apt-get update`; if the archive has moved on, `python3 -m rig"
            " build` builds a guest with the newest kernel."
        ) from None
    (package,) = set(place.iterdir()) - before
    return package


def extract_source(package: Path, folder: Path) -> None:
    """A few files out of a tar.xz in a package, without 1.5 GB on the disk on the way."""
    series = package.name.split("_")[0]
    wanted = " ".join(f"'{series}/{path}'" for path in KERNEL_FILES)
    script = (
        f"set -o pipefail; dpkg-deb --fsys-tarfile '{package}' | tar -xO ./usr/src/{series}.tar.xz"
        f" | xz -dc | tar -x -C '{folder}' {wanted}"
    )
    host.run(["bash", "-c", script], timeout=600)
    (folder / series).rename(folder / "source")


def make(target: Target, folder: Path) -> None:
    """Compiles into `folder`."""
    started = time.monotonic()
    work = folder / "work"
    lay_out(target, work)
    host.run(
        ["make", f"-j{os.cpu_count()}", "-C", target.headers, f"M={work}",
         # BTF would need pahole, and nothing here reads it.
         "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
        timeout=600,
    )
    strip = "strip" if target.arch == "amd64" else "aarch64-linux-gnu-strip"
    for module in work.rglob("*.ko"):
        host.run([strip, "--strip-debug", "-o", folder / module.name, module])
    if target.arch == "amd64":
        for tool in TOOL_SOURCES.glob("*.c"):
            host.run(["gcc-12", "-static", "-O2", "-Wall", "-s", "-o", folder / tool.stem, tool])
    shutil.rmtree(work)
    (folder / "arch").write_text(target.arch)
    names = " ".join(sorted(file.name for file in folder.glob("*.ko")))
    took = time.monotonic() - started
    print(f"built {names} for {target.release}-{target.arch} in {took:.1f} s", flush=True)


def lay_out(target: Target, work: Path) -> None:
    """The source tree of the build: all modules at once, so that they find each other."""
    own = work / "vh264"
    own.mkdir(parents=True)
    for file in module_sources():
        shutil.copy(file, own)
    for path, place in KERNEL_FILES.items():
        origin = target.folder / "source" / path
        if origin.is_dir():
            shutil.copytree(origin, work / place)
        else:
            shutil.copy(origin, work / place)
    (work / "vicodec/Kbuild").write_text(VICODEC_KBUILD)
    # Debian's arm64 kernel has v4l2-mem2mem, its amd64 kernel does not.
    core = "v4l2-mem2mem.o " if target.arch == "amd64" else ""
    (work / "Kbuild").write_text(f"obj-m += {core}vicodec/ vh264/\n")
