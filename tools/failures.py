#!/usr/bin/env python3
"""What the failed tests of one log say, as far as a reader follows, and the names of all of them.

cargo test and pytest gather both at one place. Of any other runner, and of a build that fails, the end of the log tells.
"""

import re
import sys

WORDS = 150
END = 60


def names(text: str) -> list[str]:
    """The failed tests of cargo, which names them for each binary apart; pytest ends with its own list."""
    return re.findall(r"^test (\S+) \.\.\. FAILED$", text, re.MULTILINE)


def words(text: str) -> list[str]:
    """The lines in which they say why."""
    told: list[str] = []
    telling = False
    for line in text.splitlines():
        if line == "failures:" or re.fullmatch(r"=+ FAILURES =+", line):
            telling = True
        # A backtrace is for whoever opens the log.
        if telling and not re.match(r"\s+(\d+: |at )", line):
            told.append(line)
        if line.startswith("test result: "):
            telling = False
    if not told:
        return text.splitlines()[-END:]
    # Why it failed is near the end of what it says, and the first that failed is mostly the cause of the others.
    if len(told) > WORDS:
        told = told[: WORDS // 2] + [f"[{len(told) - WORDS} lines more]"] + told[-(WORDS // 2) :]
    return told


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        text = log.read()
    print(*words(text), *(f"FAILED {name}" for name in names(text)), sep="\n")
