"""The temporary folder of one guest, and the disk images in it."""
from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Iterable, Mapping

from . import host
from .errors import RigError
from .machine import DATA_DISK_SIZE, INPUT_DISK_SIZE

PREFIX = "rig-"
#: A folder younger than this may belong to someone about to lock it.
YOUNG = 60.0

Files = Iterable[Path] | Mapping[str, Path]


class Workdir:
    """A short path (a Unix socket's may have 107 characters), gone after use.

    Held by a lock, so that the next guest can clear away what a killed
    process could not.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = (self.path / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def input_disk(self, files: Files = (), extra_modules: Path | None = None) -> Path:
        """The read-only disk the guest mounts on /in."""
        stage = self.path / "in"
        stage.mkdir()
        named = files if isinstance(files, Mapping) else {file.name: file for file in files}
        for name, file in named.items():
            add(Path(file), stage / name)
        if extra_modules is not None:
            add(extra_modules, stage / "modules")
        image = self.path / "input.img"
        sparse(image, INPUT_DISK_SIZE)
        host.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0",
                  "-E", "root_owner=0:0", "-d", stage, image])
        shutil.rmtree(stage)
        return image

    def data_disk(self) -> str:
        """A blank disk with a volatile cache, like the flash of a real box."""
        image = self.path / "data.img"
        sparse(image, DATA_DISK_SIZE)
        return f"driver=file,filename={image}"


def add(source: Path, target: Path) -> None:
    """Puts a file or a folder into the stage, by hard link where that works."""
    if not source.exists():
        raise RigError(f"no such file to hand in: {source}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=link_or_copy)
    else:
        link_or_copy(str(source.resolve()), str(target))


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or another owner's file
        shutil.copy2(source, target)


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def remove_abandoned() -> None:
    """Removes the folders of processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < YOUNG:
                continue
            with (folder / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, someone else's, or gone in the meantime
