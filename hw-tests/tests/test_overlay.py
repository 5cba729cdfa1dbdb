"""What an image lays over its root file system, read by a real systemd."""
from __future__ import annotations

import time

from campaign import overlay
from rig import Guest

RECORDINGS = "/var/lib/camera-service/recordings"
MOUNT = "var-lib-camera\\x2dservice-recordings.mount"


def lay(guest: Guest) -> None:
    for unit in overlay.UNITS.iterdir():
        guest.push(unit, f"/etc/systemd/system/{unit.name}")
    guest.run("systemctl daemon-reload", check=True)
    guest.run(["systemctl", "enable", MOUNT], check=True)


def test_systemd_finds_nothing_wrong_with_the_units(guest: Guest) -> None:
    lay(guest)
    for unit in overlay.UNITS.iterdir():
        found = guest.run(["systemd-analyze", "verify", f"/etc/systemd/system/{unit.name}"])
        assert (found.rc, found.stderr) == (0, ""), unit.name


def test_recordings_are_mounted_when_their_partition_comes_and_nothing_waits_for_it(guest: Guest) -> None:
    lay(guest)
    assert guest.run(f"mountpoint -q {RECORDINGS}").rc != 0
    assert guest.run("systemctl is-system-running").stdout == "running\n", "something waits for a medium that is not there"
    guest.push(b"[Partition]\nType=linux-generic\nLabel=recordings\nFormat=ext4\n", "/tmp/repart/recordings.conf")
    guest.run("systemd-repart --definitions=/tmp/repart --empty=force --dry-run=no /dev/vdc", check=True, timeout=60)
    until = time.monotonic() + 30
    while guest.run(f"mountpoint -q {RECORDINGS}").rc != 0:
        assert time.monotonic() < until, guest.run(["systemctl", "status", MOUNT]).stdout
        time.sleep(0.2)
    options = guest.run(f"findmnt -no OPTIONS {RECORDINGS}", check=True).stdout.strip().split(",")
    wanted = overlay.mount_options(MOUNT).split(",")
    assert set(wanted) <= set(options), (wanted, options)
    assert "noatime" in wanted
