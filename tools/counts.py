#!/usr/bin/env python3
"""Adds up what the runners counted in one log: prints "passed failed skipped".

Known closing lines: cargo test (several, one per binary), node --test, pytest, unittest, tools/fuzz (one per target).
"""

import re
import sys


def counts(text: str) -> tuple[int, int, int]:
    """What the closing lines of all runners in `text` add up to."""
    passed = failed = skipped = 0
    for line in text.splitlines():
        cargo = re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", line)
        if cargo:
            passed += int(cargo[1])
            failed += int(cargo[2])
            skipped += int(cargo[3])
            continue
        node = re.match(r"(?:#|ℹ) (pass|fail|skipped) (\d+)$", line)
        if node:
            number = int(node[2])
            passed += number if node[1] == "pass" else 0
            failed += number if node[1] == "fail" else 0
            skipped += number if node[1] == "skipped" else 0
            continue
        if re.match(r"=*\s*\d+ (passed|failed|error|skipped).* in [\d.]+s", line):
            for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line):
                passed += int(number) if word == "passed" else 0
                failed += int(number) if word[:5] in ("faile", "error") else 0
                skipped += int(number) if word == "skipped" else 0
            continue
        fuzz = re.match(r"fuzz \w+: (ok|failed)\b", line)
        if fuzz:
            passed += fuzz[1] == "ok"
            failed += fuzz[1] == "failed"
            continue
        unittest = re.match(r"Ran (\d+) tests? in", line)
        if unittest:
            passed += int(unittest[1])
        trouble = re.match(r"FAILED \((.*)\)$", line)
        if trouble:
            bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", trouble[1]))
            passed -= bad
            failed += bad
    return passed, failed, skipped


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print(*counts(log.read()))
