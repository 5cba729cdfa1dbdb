"""The rig does what tests rely on, and its failures say what happened."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig import (
    AgentSilent, CommandFailed, CommandTimeout, Guest, GuestDied, GuestError,
    GuestPanicked, RigError,
)

RIG_DIR = Path(__file__).parents[1]


def test_a_restored_guest_runs_a_command(guest: Guest) -> None:
    result = guest.run("echo out; echo err >&2; exit 7")
    assert (result.rc, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert guest.run(["printf", "%s", "a b$c"]).stdout == "a b$c"
    assert guest.run("cat", stdin=b"\0\xff" * 300_000).stdout_bytes == b"\0\xff" * 300_000
    with pytest.raises(CommandFailed, match="exit status 2"):
        guest.run("ls /absent", check=True)
    with pytest.raises(CommandFailed, match="No such file"):
        guest.run(["/absent"])


def test_the_clock_is_set_and_no_unit_has_failed(guest: Guest) -> None:
    assert abs(float(guest.run("date +%s.%N").stdout) - time.time()) < 5
    assert guest.run("systemctl is-system-running").stdout == "running\n"


def test_commands_run_at_the_same_time(guest: Guest) -> None:
    slow = guest.spawn("read line; echo got $line", stdin=True)
    assert guest.run("echo quick").stdout == "quick\n"
    assert slow.running
    slow.write(b"word\n")
    assert slow.wait_for("got word").endswith("got word\n")
    assert slow.wait().rc == 0


def test_a_spawned_command_takes_signals(guest: Guest) -> None:
    process = guest.spawn("sleep 60")
    # For a moment it is the shell that is about to become it.
    name = f"/proc/{process.pid}/comm"
    became = guest.run(f"for i in $(seq 100); do grep -qx sleep {name} && exit; sleep 0.1; done; cat {name}; exit 1")
    assert became.rc == 0, became
    process.kill(signal.SIGINT)
    assert process.wait(10).rc == -signal.SIGINT


def test_a_daemon_left_behind_does_not_hold_up_its_parent(guest: Guest) -> None:
    started = time.monotonic()
    assert guest.run("sleep 60 & echo parent", timeout=30).stdout == "parent\n"
    assert time.monotonic() - started < 15


def test_a_timeout_is_reported_with_console_and_command_line(guest: Guest) -> None:
    guest.run("echo '<1>rig was here' > /dev/kmsg")
    with pytest.raises(CommandTimeout) as caught:
        guest.run("echo before; sleep 60", timeout=1)
    text = str(caught.value)
    for part in ("echo before; sleep 60", "before\n", "rig was here", "qemu-system-x86_64"):
        assert part in text
    # The time limit took the children along, and the guest goes on.
    assert guest.run("pgrep -x sleep").rc == 1


def test_a_panic_is_an_error_and_not_a_success(guest: Guest) -> None:
    with pytest.raises(GuestPanicked) as caught:
        guest.run("echo c > /proc/sysrq-trigger")
    assert "Kernel panic - not syncing: sysrq triggered crash" in str(caught.value)
    assert guest.wait_end(5).reason == "panic"
    with pytest.raises(GuestDied):
        guest.run("true")


def test_a_hung_guest_is_reported_by_the_host(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rig.vm.GRACE", 1.0)
    guest.qemu.monitor.execute("stop")
    with pytest.raises(AgentSilent, match="no end within 2 s: true"):
        guest.run("true", timeout=1)


def test_an_unfed_watchdog_resets_the_guest(guest: Guest) -> None:
    # wdctl sets the time; opening starts the count, and the shell never feeds it.
    guest.spawn("wdctl -s 2 /dev/watchdog0; exec 7> /dev/watchdog0; sleep 60")
    assert guest.wait_end(30).reason == "watchdog"


def test_files_come_in_on_a_disk_and_go_both_ways(image: None, tmp_path: Path) -> None:
    blob = os.urandom(16 << 20)
    source, back = tmp_path / "sixteen.bin", tmp_path / "back.bin"
    source.write_bytes(blob)
    source.chmod(0o755)
    with Guest.restore(files=[source], extra_modules=tmp_path) as guest:
        guest.run("cmp /in/sixteen.bin /in/modules/sixteen.bin", check=True)
        guest.push(source, "/tmp/deep/pushed.bin")
        guest.run("test -x /tmp/deep/pushed.bin && cmp /in/sixteen.bin /tmp/deep/pushed.bin",
                  check=True)
        guest.pull("/tmp/deep/pushed.bin", back)
        assert back.read_bytes() == blob
        guest.push(b"", "/tmp/empty")
        assert guest.pull("/tmp/empty") == b""
        with pytest.raises(CommandFailed, match="No such file"):
            guest.pull("/absent")
    with pytest.raises(RigError, match="no such file to hand in"):
        Guest.restore(files=[tmp_path / "absent"])


def test_the_data_disk_is_blank_and_has_a_volatile_cache(guest: Guest) -> None:
    guest.run("mkfs.ext4 -q /dev/vdc && mount /dev/vdc /mnt && cp /bin/ls /mnt && sync", check=True)
    assert guest.run("cat /sys/block/vdc/queue/write_cache").stdout == "write back\n"


def test_the_data_disk_of_the_caller_outlives_a_power_cut(image: None, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(256 << 20)
    node = f"driver=file,filename={disk}"
    with Guest.restore(data_disk=node) as guest:
        guest.run("mkfs.ext4 -q /dev/vdc && mount /dev/vdc /mnt && echo kept > /mnt/f && sync",
                  check=True)
        guest.power_cut()
    with Guest.restore(data_disk=node) as guest:
        assert guest.run("mount /dev/vdc /mnt && cat /mnt/f").stdout == "kept\n"


def test_a_port_of_the_guest_is_reachable(image: None) -> None:
    with Guest.restore(forwards=[8000, "9000/udp"]) as guest:
        server = guest.spawn("cd /in && python3 -u -m http.server 8000")
        server.wait_for("Serving HTTP")
        with urllib.request.urlopen(f"http://127.0.0.1:{guest.port(8000)}/", timeout=10) as page:
            assert b"lost+found" in page.read()
        assert guest.port("9000/udp") > 0
        with pytest.raises(ValueError, match="was not in"):
            guest.port(1)


def test_a_disk_qemu_cannot_open_is_reported_in_its_words(image: None) -> None:
    with pytest.raises(GuestError, match="absent.img': No such file or directory"):
        Guest.restore(data_disk="driver=file,filename=/absent.img")


def test_two_guests_live_side_by_side(image: None, tmp_path: Path) -> None:
    def restore(name: str) -> Guest:
        file = tmp_path / name
        file.write_text(name)
        return Guest.restore(files={"name": file}, forwards=[8554])

    # Restored by threads that end at once: the guests must survive them.
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(restore, ["first", "second"])
    with first, second:
        assert first.port(8554) != second.port(8554)
        first.run("mkfs.ext4 -q /dev/vdc", check=True)
        assert second.run("blkid /dev/vdc").rc == 2
        assert [guest.run("cat /in/name").stdout for guest in (first, second)] == [
            "first", "second"
        ]
        # The state is shared, randomness must not be.
        uuids = [guest.run("cat /proc/sys/kernel/random/uuid").stdout for guest in (first, second)]
        assert uuids[0] != uuids[1]


def test_no_guest_outlives_a_killed_test_run(image: None) -> None:
    script = (
        "from rig import Guest; guest = Guest.restore();"
        "print(guest.qemu.pid, flush=True); guest.run('sleep 60', 60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=RIG_DIR, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert Path(f"/proc/{pid}/comm").read_text().startswith("qemu")
        owner.kill()
        owner.wait()
        until = time.monotonic() + 10
        while running(pid):
            assert time.monotonic() < until, f"QEMU {pid} still runs"
            time.sleep(0.05)


def running(pid: int) -> bool:
    """A zombie counts as ended: reaping it is up to the machine's first process."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
