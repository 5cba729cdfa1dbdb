"""JSON lines in target/bench that campaigns leave, and the columns of their histograms."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Sequence

ROOT = Path(__file__).resolve().parents[2]


def file(name: str) -> Path:
    """Where the lines of that name lie."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "bench" / f"{name}.jsonl"


def add(path: Path, figures: dict[str, Any]) -> None:
    """One line more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(figures) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All lines; none where nothing was left."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def columns(values: list[float], edges: Sequence[float]) -> list[int]:
    """How many values fall into each column: up to each edge, and beyond the last."""
    found = [0] * (len(edges) + 1)
    for value in values:
        found[sum(value > edge for edge in edges)] += 1
    return found
