"""Viewers stay: whatever happens to camera and encoder, nobody who watches has to press play again.

One reader watches through all of it; it sees the slate while there is no picture, and the camera's
own colours again afterwards. `make soak` does the long form.
"""
from __future__ import annotations

import os
import time
from typing import Iterator

import pytest

from campaign import faults
from campaign.stand import Stand, stand
from campaign.viewer import Kind
from rig import Process
from rig.colours import assert_bars, bar_means

#: hardware, copy or software.
ROUTE = os.environ.get("CAMPAIGN_ROUTE", "hardware")
LONG = os.environ.get("CAMPAIGN", "short") == "long"
UNPLUGS = 50 if LONG else 5
ENCODER_RESTARTS = 20 if LONG else 3
#: Each of these needs the encoder stopped and started, or opened anew.
RESTARTERS = [fault for fault in faults.ENCODER_FAULTS if fault.name in (
    "encoder: QBUF says EINVAL for ever",
    "encoder: stalls until streamed off",
    "encoder: stalls until closed",
)]


@pytest.fixture(scope="module")
def watched(image: None) -> Iterator[Stand]:
    """One service and one reader for all tests of this file."""
    with stand(ROUTE) as made:
        yield made


def assert_watched_on(watched: Stand) -> None:
    """The reader of the beginning is the reader of the end, and sees the camera's own colours."""
    assert watched.disconnects() == []
    assert_bars(bar_means(watched.viewer.picture, 640, 480, "yuv420p"), "yuv", tolerance=4)


def held_open(watched: Stand) -> Process:
    """A program in the guest that has the camera's node open now."""
    holder = watched.guest.spawn(f"exec 3< {watched.node} && echo held && exec sleep 60")
    holder.wait_for("held", timeout=10)
    return holder


def test_a_viewer_outlives_every_unplug_and_sees_the_slate_in_between(watched: Stand) -> None:
    viewer = watched.viewer
    numbers = set()
    for nth in range(UNPLUGS):
        # Every third time something else holds the old node open, so that the kernel gives the
        # camera another number.
        holder = held_open(watched) if nth % 3 == 2 else None
        begun = time.monotonic()
        watched.unplug()
        viewer.wait(
            "the slate",
            lambda: any(f.kind is Kind.SLATE for f in viewer.frames(begun)),
            10,
        )
        watched.plug()
        if holder is not None:
            holder.kill()
        numbers.add(watched.node)
        plugged = time.monotonic()
        viewer.wait("the camera's picture", lambda: viewer.flowing(plugged), faults.MENDED_WITHIN)
        assert_watched_on(watched)
    assert len(numbers) > 1, "the camera always came back under its old number: that was not tried"
    assert watched.lies() == []


def test_a_viewer_outlives_every_restart_of_the_encoder(watched: Stand) -> None:
    if ROUTE == "software":
        pytest.skip("no encoder to restart")
    if watched.status()["extensions"]["route"].startswith("software"):
        pytest.fail("this service does not use the encoder: nothing to restart")
    for nth in range(ENCODER_RESTARTS):
        faults.run(watched, RESTARTERS[nth % len(RESTARTERS)])
        assert_watched_on(watched)
    assert watched.lies() == []
