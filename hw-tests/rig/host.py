"""Programs of the host: which are needed, where they are, how to run one."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

from .errors import BuildFailed, MissingTool

#: Program -> Debian package, in the order a build uses them.
TOOLS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "depmod": "kmod",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "mke2fs": "e2fsprogs",
    "setpriv": "util-linux",
    "qemu-system-x86_64": "qemu-system-x86",
}

#: A normal user's PATH on Debian lacks these, and depmod and mke2fs live there.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(program: str) -> str:
    """The path of a program, or an error that names its package."""
    path = locate(program)
    if path is None:
        package = TOOLS.get(program, program)
        raise MissingTool(f"{program} is not installed: apt-get install {package}")
    return path


def locate(program: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))


def missing() -> list[str]:
    """Debian packages whose programs are not there."""
    return [package for program, package in TOOLS.items() if locate(program) is None]


def run(
    command: Sequence[str | Path], *, stdin: str | None = None, cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """Runs a host program to its end and returns what it printed."""
    argv = [find(str(command[0])), *map(str, command[1:])]
    try:
        done = subprocess.run(
            argv, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{' '.join(argv)}: not done after {timeout:g} s") from None
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise BuildFailed(f"{' '.join(argv)}: exit status {done.returncode}\n{end}")
    return done.stdout
