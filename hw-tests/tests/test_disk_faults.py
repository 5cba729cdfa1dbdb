"""The recordings' disk fails in a real kernel: writes that fail, a file system that gives up, a disk that is pulled.

Recording goes on in the fallback and returns when the disk is well, and only then health is good.
"""
from __future__ import annotations

import os
from typing import Iterator

import pytest

from campaign.bad_media import RECORDINGS, SPARE, Box, Mapper
from camera_box import BINARIES
from rig import Guest

#: What is lost of the file that was written, and what the emulated machine needs to begin another. Never assert speed
#: here; the figures are printed.
HOLE_AT_MOST = 5.0
#: The last pictures are in memory: what is lost of the file is in another, but for a part.
MISSING_AT_MOST = 0.3
FALLBACK = f"{SPARE}/recordings"
#: The disk that is pulled stands for the others every day.
LONG = pytest.mark.skipif(os.environ.get("CAMPAIGN", "short") != "long", reason="in the long campaigns")


@pytest.fixture
def machine(image: None) -> Iterator[Guest]:
    with Guest.restore(files=BINARIES, forwards=[8002, 8003]) as guest:
        guest.vivid()
        guest.run(f"mkdir -p {RECORDINGS} {SPARE}", check=True)
        yield guest


def mount(guest: Guest, device: str, options: str = "errors=remount-ro") -> None:
    guest.run(f"mount -t ext4 -o noatime,{options} {device} {RECORDINGS}", check=True)


def goes_elsewhere(box: Box, kept: float, codes: set[str]) -> None:
    """The recording grows in the fallback, and everybody who asks is told why."""
    box.service.wait_for("health names the disk", lambda: bool(box.faults().keys() & codes), 30)
    box.grows(True, 2)
    faults = box.faults()
    print(f"kept before the fault: {kept:.1f} s; health: {faults}")
    assert any(FALLBACK in cause for cause in faults.values()), faults
    assert box.rpc.call("get_storage_info")["extensions"]["fallback"]["in_use"] is True


def comes_back(box: Box, kept: float) -> None:
    """The recording is on the disk again, whole, and health is good."""
    box.service.wait_for("it can be reached", lambda: "run" in box.names(), 30)
    box.grows(False, 2)
    box.service.wait_for("health is good", lambda: not box.faults(), 30)
    assert box.length("run") >= kept, "something is lost that had been flushed"
    holes, missing = box.stop()
    print(f"holes: {[round(hole, 2) for hole in holes]} s, {missing:.2f} s missing, in {sorted(box.names())}")
    assert all(hole < HOLE_AT_MOST for hole in holes), holes
    assert missing <= MISSING_AT_MOST, f"{missing:.2f} s are in no file"
    box.service.wait_for("no empty file", lambda: not box.empty(f"{RECORDINGS} {SPARE}"), 30)


@LONG
def test_writes_that_fail_for_a_while(machine: Guest) -> None:
    """EIO for some seconds on a file system without a journal, as USB sticks have; then well again by itself."""
    disk = Mapper(machine, "/dev/vdc")
    machine.run(f"mke2fs -q -t ext4 -O ^has_journal {disk.device}", check=True)
    mount(machine, disk.device, "errors=continue")
    box = Box(machine)
    kept = box.record()
    disk.fail_writes()
    goes_elsewhere(box, kept, {"storage_failing", "storage_read_only"})
    # It does not return while the disk fails.
    box.grows(True, 6)
    assert box.faults(), "health is good, and the disk is not"
    disk.heal()
    comes_back(box, kept)


@LONG
def test_a_file_system_that_gives_up(machine: Guest) -> None:
    """EIO in the journal: ext4 becomes read-only for good, and well again when it is repaired and mounted anew."""
    disk = Mapper(machine, "/dev/vdc")
    machine.run(f"mke2fs -q -t ext4 {disk.device}", check=True)
    mount(machine, disk.device)
    box = Box(machine)
    kept = box.record()
    disk.fail_writes()
    goes_elsewhere(box, kept, {"storage_failing", "storage_read_only"})
    # The commit that fails is the journal's end; the kernel would come to it within five seconds.
    gone = f"sync -f {RECORDINGS}; ! touch {RECORDINGS}/.touched"
    box.service.wait_for("ext4 gives up", lambda: machine.run(gone).rc == 0, 60)
    disk.heal()
    box.grows(True, 8)
    assert box.faults(), "health is good, and the file system is not"
    # Nobody holds it: it can be repaired.
    unmounted = lambda: machine.run(f"umount {RECORDINGS}").rc == 0  # noqa: E731
    try:
        box.service.wait_for("it can be unmounted", unmounted, 30)
    except AssertionError:
        held = machine.run(f"ls -l /proc/[0-9]*/fd /proc/[0-9]*/cwd 2>/dev/null | grep {RECORDINGS}").stdout
        raise AssertionError(f"the disk is held: {held}") from None
    assert machine.run(f"find {RECORDINGS} -mindepth 1", check=True).stdout == "", "written beneath the mount point"
    assert machine.run(f"e2fsck -fy {disk.device}").rc in (0, 1)
    mount(machine, disk.device)
    comes_back(box, kept)


def test_a_disk_that_is_pulled(machine: Guest) -> None:
    """The device is gone while it is mounted, then unmounted as an automounter does; later it is back."""
    machine.run("mke2fs -q -t ext4 /dev/vdc", check=True)
    mount(machine, "/dev/vdc")
    box = Box(machine)
    kept = box.record()
    machine.run("echo 1 > /sys/block/vdc/device/../remove", check=True)
    goes_elsewhere(box, kept, {"storage_failing", "storage_read_only", "storage_gone"})
    machine.run(f"umount -l {RECORDINGS}", check=True)
    box.service.wait_for("it is missed", lambda: "storage_gone" in box.faults(), 30)
    assert "run" not in box.names()
    box.grows(True, 3)
    assert machine.run(f"find {RECORDINGS} -mindepth 1", check=True).stdout == "", "written beneath the mount point"
    machine.run("echo 1 > /sys/bus/pci/rescan", check=True)
    found = "ls /dev/vd[c-z] | tail -n 1"
    box.service.wait_for("the disk is back", lambda: machine.run(found).stdout.strip() != "", 30)
    mount(machine, machine.run(found, check=True).stdout.strip())
    comes_back(box, kept)
