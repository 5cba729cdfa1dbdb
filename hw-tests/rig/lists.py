"""The plain text lists of the rig: one item a line, # starts a comment."""
from __future__ import annotations

from pathlib import Path


def read(path: Path) -> list[str]:
    """The items of a list file."""
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
