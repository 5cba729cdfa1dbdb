"""What recoveries took: JSON lines for programs, a table with a histogram for people."""
from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from . import lines

OUT = lines.file("recovery")

#: Upper edges of the histogram's columns in milliseconds; the last has none.
EDGES = (250, 500, 1000, 2000, 4000, 8000)


def record(**figures: Any) -> None:
    """Adds one recovery."""
    lines.add(OUT, figures)


def table(told: list[dict[str, Any]]) -> str:
    """A Markdown table: a row for each fault, its times in columns."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in told:
        groups[line["route"], line["fault"]].append(line)
    heads = [f"≤ {edge / 1000:g} s" for edge in EDGES] + ["more"]
    out = [
        "| route | fault | n | not noticed | " + " | ".join(heads) + " | median | worst | mended by |",
        "|---|---|---|---|" + "---|" * len(heads) + "---|---|---|",
    ]
    for (route, fault), group in sorted(groups.items()):
        times = [line["recovery_ms"] for line in group if line["recovery_ms"] is not None]
        rungs = sorted({line["rung"] for line in group if line.get("rung")})
        cells = [str(n) if n else "" for n in lines.columns(times, EDGES)]
        median = f"{statistics.median(times) / 1000:.2f} s" if times else "–"
        worst = f"{max(times) / 1000:.2f} s" if times else "–"
        out.append(
            f"| {route} | {fault} | {len(group)} | {len(group) - len(times) or ''} | " + " | ".join(cells)
            + f" | {median} | {worst} | {', '.join(rungs) or '–'} |"
        )
    return "\n".join(out)


if __name__ == "__main__":
    print(table(lines.read(OUT)))
