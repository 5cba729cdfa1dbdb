"""All steps of an image, from apt to a folder in the cache."""
from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from .. import cache, host
from ..errors import MissingTool
from . import apt, initramfs, kernel, rootfs


def build() -> Path:
    """The image of the present sources and the newest kernel; built if need be."""
    newest = apt.newest_kernel()
    final = cache.image_folder(str(newest))
    with cache.lock():
        if (final / "manifest.json").exists():
            # `find_image` takes the newest folder; this is the one that was asked for.
            os.utime(final)
            return final
        if lacking := host.missing():
            raise MissingTool("not installed: apt-get install " + " ".join(lacking))
        cache.sweep()
        partial = cache.ROOT / f"{cache.PARTIAL}{final.name}"
        fill(partial, newest)
        partial.rename(final)
        return final


def fill(folder: Path, newest: apt.Kernel) -> None:
    """Does the work, in a folder that has no final name yet."""
    started = time.monotonic()

    def say(step: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {step}", flush=True)

    work = folder / "work"
    work.mkdir(parents=True)
    say(f"kernel {newest}")
    package = apt.download(newest, work / "deb")
    tree = kernel.unpack(package, work / "kernel", newest.release)
    modules = kernel.prune(tree, work / "pruned")
    shutil.copy(tree.image, folder / "kernel")
    say("initramfs")
    initramfs.build(tree, work / "initramfs", folder / "initrd")
    say("root file system: Debian packages (downloads 200 MB)")
    rootfs.build(modules, newest.release, work, folder / "root.sqfs")
    shutil.rmtree(work)
    note = {"inputs": cache.image_inputs(), "kernel": str(newest)}
    (folder / "manifest.json").write_text(json.dumps(note, indent=1) + "\n")
    say("image complete")
