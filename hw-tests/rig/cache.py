"""Where built things live, and how they are named.

    target/rig/<image key>/kernel, initrd, root.sqfs, manifest.json
    target/rig/<image key>/state-<state key>

The image key covers everything that goes into the guest; the state key covers
what QEMU wants unchanged between save and restore: its own version and the
whole device list. A folder or file under its final name is complete: work
happens beside it, and a rename ends it.
"""
from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Iterator

from . import host
from .errors import NotBuilt

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("RIG_CACHE") or HERE.parents[1] / "target/rig")

IMAGE_SOURCES = ("image", "inside")
STATE_SOURCES = ("machine.py", "saved.py")
PARTIAL = ".partial-"
#: Old images are kept for people who switch branches, but not for ever.
IMAGES_KEPT = 2


def digest(*parts: str | bytes) -> str:
    """A short name for contents."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


@functools.lru_cache(maxsize=None)
def image_inputs() -> str:
    """Digest of the sources of the image, without the kernel version."""
    files = sorted(
        file for folder in IMAGE_SOURCES for file in (HERE / folder).iterdir() if file.is_file()
    )
    return digest(*(part for file in files for part in (file.name, file.read_bytes())))


def image_folder(kernel: str) -> Path:
    """Where the image of the present sources with this kernel is, or will be."""
    return ROOT / digest(image_inputs(), kernel)


def find_image() -> Path:
    """The newest image of the present sources.

    Which kernel is newest is a question for `build`: asking apt takes as long
    as restoring a guest.
    """
    for folder in images():
        if manifest(folder).get("inputs") == image_inputs():
            return folder
    raise NotBuilt("no guest image for these sources: run `python3 -m rig build` in hw-tests/")


def images() -> list[Path]:
    """All complete images, the newest first."""
    found = [path.parent for path in ROOT.glob("[!.]*/manifest.json")]
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def manifest(folder: Path) -> dict[str, str]:
    """What `build` noted about an image."""
    note: dict[str, str] = json.loads((folder / "manifest.json").read_text())
    return note


@functools.lru_cache(maxsize=None)
def qemu_version() -> str:
    """The first line of `--version`, which names Debian's revision too."""
    return host.run(["qemu-system-x86_64", "--version"]).splitlines()[0]


def state_file(image: Path) -> Path:
    """Where the saved state of this image for this QEMU is, or will be."""
    sources = [(HERE / name).read_bytes() for name in STATE_SOURCES]
    return image / f"state-{digest(qemu_version(), *sources)}"


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """One builder at a time; the others wait. A dead builder's lock is free."""
    ROOT.mkdir(parents=True, exist_ok=True)
    with (ROOT / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another rig build to end", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep() -> None:
    """Removes what killed builders left and images nobody used for long. Needs the lock."""
    for leftover in [*ROOT.glob(f"{PARTIAL}*"), *ROOT.glob(f"*/{PARTIAL}*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    for image in images()[IMAGES_KEPT:]:
        shutil.rmtree(image)
