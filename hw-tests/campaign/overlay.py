"""What an image lays over its root file system, read where it lies: tests use a box's own settings, not a copy of them."""
from __future__ import annotations

from pathlib import Path

UNITS = Path(__file__).parents[2] / "rootfs-overlay/usr/lib/systemd/system"


def setting(unit: str, key: str) -> str:
    """The value of a key that a unit file sets once (systemd.syntax(7))."""
    found = [line.partition("=")[2] for line in (UNITS / unit).read_text().splitlines() if line.startswith(f"{key}=")]
    assert len(found) == 1, f"{key} stands in {unit} {len(found)} times"
    return found[0]


def mount_options(unit: str) -> str:
    return setting(unit, "Options")
