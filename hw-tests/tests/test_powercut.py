"""The power is cut while two cameras are recorded; what was answered before holds after the next start.

`make soak-powercut N=500` does many cuts. Each leaves its losses in target/bench/powercut.jsonl.
"""
from __future__ import annotations

import os
import time

import pytest

from campaign import losses, powercut
from campaign.powercut import Cut, Disk, Memory, Peer, Run, Told
from campaign.volatile import Log

LONG = os.environ.get("CAMPAIGN", "short") == "long"
CUTS = int(os.environ.get("N", "500" if LONG else "20"))
#: Of the moments between two flushes of a run, so many are tried.
POINTS = int(os.environ.get("POINTS", "1000"))
#: What was told to be recorded and is gone after a cut: what had been written since the last flush, twice 0.3 s, and what was
#: written while that took.
MISSING_AT_MOST = 1500
#: All that is gone, up to the moment of the cut. On a real machine a second; an emulated one that shares its processors
#: writes a part a second or two late, which is no matter of flushes.
LOST_AT_MOST = 4000
#: From the first picture to the recording that goes on, half of the times: how long an emulated machine needs for its
#: first picture depends on what else its host does.
RESUMED_WITHIN = 10_000
SEED = int(os.environ.get("CAMPAIGN_SEED", time.time_ns() % 1_000_000))


def test_a_cut_costs_a_second_at_most_and_nothing_that_was_answered(image: None) -> None:
    print(f"CAMPAIGN_SEED={SEED}")
    disk, memory = Disk(), Memory()
    cuts: list[Cut] = []
    at = None
    try:
        for number in range(CUTS + 1):
            with Run(disk, memory, SEED + number) as run:
                if at is not None:
                    resumed = run.resumed()
                    for cut in run.losses(at, resumed):
                        losses.record(recorder="camera-service", **cut.__dict__)
                        cuts.append(cut)
                    run.holds()
                if number < CUTS:
                    run.record()
                    at = run.live(run.chance.uniform(2.0, 6.0))
                    assert run.trouble is None, run.trouble
            if number < CUTS:
                disk.check()
    finally:
        disk.close()
    print(losses.table([{"recorder": "camera-service", **cut.__dict__} for cut in cuts]))
    assert max(cut.missing_ms for cut in cuts) <= MISSING_AT_MOST, cuts
    assert max(cut.lost_ms for cut in cuts) <= LOST_AT_MOST, cuts
    behind = [cut.resumed_ms - cut.picture_ms for cut in cuts if cut.resumed_ms is not None]
    assert losses.percentile(behind, 0.5) <= RESUMED_WITHIN, cuts


@pytest.mark.skipif(not LONG, reason="a guest for each of some hundred moments")
def test_every_moment_between_two_flushes_of_one_run_is_a_good_moment_for_a_cut(image: None) -> None:
    """What a disk holds changes only when it is flushed, but for what it wrote back by itself: both are tried."""
    disk, memory, log = Disk(), Memory(), Log()
    cuts: list[Cut] = []
    try:
        # The first run leaves recordings behind that go on in the second.
        with Run(disk, memory, SEED) as run:
            run.record()
            run.live(4.0, busy=False)
        before = disk.keep("before")
        with Run(disk, memory, SEED + 1, log) as run:
            run.resumed()
            run.record()
            run.live(4.0, busy=False)
        growing = memory.growing
        moments = [*log.flushes(), log.entries[-1][0]]
        step = max(1, len(moments) // POINTS)
        print(f"{len(moments)} moments, of which each {step}. is tried")
        for flushes in range(SEED % step, len(moments), step):
            at = moments[flushes]
            before.replace(disk.image)
            before = disk.keep("before")
            log.replay(disk.image, flushes, keep=(flushes // step % 2) * 0.5, seed=SEED + flushes)
            disk.check()
            then = Memory(token=memory.token, aside=memory.aside)
            for camera, told in growing.items():
                said = [each for each in told.said if each[0] <= at]
                if said:
                    then.growing[camera] = Told(told.file, said)
            with Run(disk, then, SEED) as run:
                cuts += run.losses(at, {})
                run.settled()
                run.holds()
    finally:
        disk.close()
    for cut in cuts:
        losses.record(recorder="camera-service, every moment of a run", **cut.__dict__)
    assert cuts, "nothing was recorded in any of them"
    assert max(cut.missing_ms for cut in cuts) <= MISSING_AT_MOST, cuts


def test_without_flushes_a_cut_costs_more(image: None) -> None:
    """The control: the disk does forget, and it is the flushes that keep recordings."""
    disk, memory = Disk(), Memory()
    off = {"CAMERA_SERVICE_STORAGE_FLUSH_INTERVAL_MS": "0"}
    try:
        with Run(disk, memory, SEED, **off) as run:
            run.record()
            at = run.live(6.0, busy=False)
        with Run(disk, memory, SEED, **off) as run:
            cuts = run.losses(at, {})
            # What is left of them, if anything, plays all the same.
            run.plays({each["filename"] for each in run.all("list_recordings")})
            aside = run.rpc.call("get_storage_info")["extensions"]["durability"]["quarantined"]
    finally:
        disk.close()
    for cut in cuts:
        losses.record(recorder="the same without flushes", **cut.__dict__)
    assert all(cut.missing_ms > MISSING_AT_MOST for cut in cuts), cuts
    print(f"lost {[cut.lost_ms for cut in cuts]} ms, {aside} files put aside")


def test_a_disk_that_hangs_or_fails_is_told_and_nothing_else_waits_for_it(image: None) -> None:
    disk, memory = Disk(), Memory()
    try:
        with Run(disk, memory, SEED) as run:
            def faults() -> list[str]:
                found = run.box.health("")["extensions"]["faults"]
                return [fault["cause"] for fault in found if fault["code"] == "recording_unflushed"]

            run.record()
            assert faults() == []
            run.disk.answers.clear()
            run.box.wait_for("the hang is told", lambda: bool(faults()), 30)
            assert "has not taken a flush" in faults()[0]
            before = run.rpc.call("get_camera_status", device="camera0")["extensions"]["counters"]["sent"]
            began = time.monotonic()
            run.rpc.call("ping")
            assert time.monotonic() - began < 5, "the control plane waited for the disk"
            sent = lambda: run.rpc.call("get_camera_status", device="camera0")["extensions"]["counters"]["sent"]  # noqa: E731
            run.box.wait_for("pictures while the disk hangs", lambda: sent() > before + 10, 20)
            run.disk.answers.set()
            run.box.wait_for("the end of the hang is told", lambda: faults() == [], 30)
            name = run.running("camera0")[0]["filename"]
            grown = run.length(name)
            run.box.wait_for("the recording goes on", lambda: run.length(name) > grown + 1, 30)
            run.disk.fails = True
            run.box.wait_for("the failure is told", lambda: bool(faults()), 30)
            assert any("Input/output error" in cause for cause in faults()), faults()
            run.rpc.call("ping")
    finally:
        disk.close()


@pytest.mark.skipif(not LONG, reason="a figure for the documentation, and no claim of ours")
@pytest.mark.parametrize("seconds", [4.0, 12.0, 25.0, 45.0])
def test_what_mediamtx_by_itself_loses(image: None, seconds: float) -> None:
    disk, memory = Disk(), Memory()
    try:
        with Run(disk, memory, SEED) as run:
            peer = Peer(run)
            time.sleep(seconds)
            begun = peer.begun()
            now = float(run.guest.run("date +%s.%N", check=True).stdout)
            run.disk.cut()
            run.guest.power_cut()
        assert begun, "it had not written a file"
        with Run(disk, memory, SEED) as run:
            left = Peer.left(run.guest)
    finally:
        disk.close()
    for camera, begin in begun.items():
        losses.record(recorder="MediaMTX by itself", camera=camera, after_s=seconds,
                      lost_ms=round((now - begin - left[camera]) * 1000, 1))
