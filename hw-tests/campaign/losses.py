"""What power cuts cost: JSON lines for programs, a table with a histogram for people."""
from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import Any

from . import lines

OUT = lines.file("powercut")

#: Upper edges of the histogram's columns in milliseconds; the last has none.
EDGES = (250, 500, 750, 1000, 2000, 5000, 10000)


def record(**figures: Any) -> None:
    """Adds one recording's loss at one cut."""
    lines.add(OUT, figures)


def percentile(values: list[float], part: float) -> float:
    """The smallest value that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)]


def table(told: list[dict[str, Any]]) -> str:
    """A Markdown table: a row for each way of recording, its losses in columns."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in told:
        groups[line["recorder"]].append(line)
    heads = [f"≤ {edge / 1000:g} s" for edge in EDGES] + ["more"]
    out = [
        "| recorder | recordings cut | " + " | ".join(heads) + " | median | p99 | worst | told, and gone (worst) | goes on after (median) |",
        "|---|---|" + "---|" * len(heads) + "---|---|---|---|---|",
    ]
    for recorder, group in sorted(groups.items()):
        losses = [line["lost_ms"] for line in group]
        resumed = [line["resumed_ms"] for line in group if line.get("resumed_ms") is not None]
        cells = [str(n) if n else "" for n in lines.columns(losses, EDGES)]
        shown = [statistics.median(losses), percentile(losses, 0.99), max(losses)]
        figures = " | ".join(f"{each / 1000:.2f} s" for each in shown)
        missing = [line["missing_ms"] for line in group if "missing_ms" in line]
        gone = f"{max(missing) / 1000:.2f} s" if missing else "–"
        last = f"{statistics.median(resumed) / 1000:.1f} s" if resumed else "–"
        out.append(f"| {recorder} | {len(group)} | " + " | ".join(cells) + f" | {figures} | {gone} | {last} |")
    return "\n".join(out)


if __name__ == "__main__":
    print(table(lines.read(OUT)))
