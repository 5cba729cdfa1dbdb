"""The clock of a board without a battery is set again and again while it records.

Nothing may be missing from the recording that runs, nothing may be deleted, and when the clock is right, so is every time.
`CAMPAIGN=long` sets it twenty times and more.
"""
from __future__ import annotations

import os

from campaign.clock import RATE, SECOND, STEADY, ClockBox

LONG = os.environ.get("CAMPAIGN", "short") == "long"
DAY = 86_400 * SECOND
YEAR = 365 * DAY
#: Where the clock is set to, from where it should be, between two synchronisations.
ROUNDS = [
    # 2040: beyond 32 bits of seconds, and beyond NTP's first era.
    [14 * YEAR, -20 * YEAR],
]
if LONG:
    ROUNDS += [
        [3 * YEAR, 3600 * SECOND, -3600 * SECOND],
        [-1 * YEAR, 1 * YEAR, -40 * YEAR],
        [11 * YEAR + 60 * DAY, 40 * YEAR, 7 * SECOND],
        [-6 * SECOND, 2 * SECOND, 30 * DAY, -30 * DAY],
        [9 * YEAR, -55 * YEAR, 80 * YEAR, 100 * DAY, -1 * DAY],
    ]
#: Pictures that may be missing in a row: a part, which is 0.3 s, and the emulated machine's own lateness.
MISSING = RATE
RIGHT_WITHIN_MS = 50


def test_no_step_of_the_clock_costs_a_picture_a_file_or_a_true_time(image: None) -> None:
    with ClockBox() as box:
        box.rpc.call("set_retention_policy", policy_type="age", enabled=True, max_age_days=1)
        # Everything begins in 1970.
        steady = box.begin(STEADY)
        box.short(1.0)
        first = box.rpc.call("get_recording_info", filename=box.recordings[0].name)
        assert first["extensions"]["time"] == "uncertain", first
        steps = 0
        for targets in ROUNDS:
            box.synchronise()
            steps += 1
            box.hold()
            box.short(0.5)
            for place, away in enumerate(targets):
                if abs(away) == 3600 * SECOND:
                    zone = "Europe/Berlin" if away > 0 else "UTC"
                    box.guest.run(f"ln -sf /usr/share/zoneinfo/{zone} /etc/localtime")
                box.set(box.truth + away)
                steps += 1
                box.short(0.5 if place % 2 else 2.5)
                assert box.rpc.call("cleanup_old_files")["files_deleted"] == 0
        box.synchronise()
        steps += 1
        errors = box.hold()
        worst = max(abs(error) for error in errors)
        print(f"{steps} steps, {len(errors)} recordings, the worst time {worst:.1f} ms from what its pictures say")
        assert worst <= RIGHT_WITHIN_MS, errors

        stopped = box.end(STEADY, steady)
        assert len(stopped["extensions"]["files"]) == 1, stopped
        assert box.error_ms(steady, stopped["start_time"]) == 0, (steady, stopped, box.truth)
        numbers = box.numbers(STEADY, steady.name)
        missing = max(later - earlier for earlier, later in zip(numbers, numbers[1:])) - 1
        lasted = stopped["extensions"]["duration_ms"] / 1000
        print(f"one file of {lasted:.1f} s, {len(numbers)} pictures, {missing} missing in a row at most")
        assert missing <= MISSING, numbers
        info = box.rpc.call("get_recording_info", filename=steady.name)
        assert info["extensions"]["gaps"] == [], info
        assert abs(lasted - (numbers[-1] - numbers[0]) / RATE) < 1, (lasted, numbers[0], numbers[-1])
