"""The saved state: a guest is booted once, and every test starts from there."""
from __future__ import annotations

import time
from pathlib import Path

from . import cache
from .errors import AgentSilent, BuildFailed, RigError
from .machine import GUEST_ADDRESS, Machine
from .vm import Vm
from .workdir import Workdir

#: A quiet machine needs 12 s.
BOOT_LIMIT = 300.0
MIGRATE_LIMIT = 60.0

#: Loaded once so that loading it again is quick: what vivid needs stays in.
#: The watchdog is named because Debian keeps udev from loading such drivers.
MODULES = "i6300esb virtio_net virtio_rng ext4 uvcvideo vivid"

PREPARE = f"""
set -e
# 1 stands for "degraded", which is judged below, by name.
systemctl is-system-running --wait || true
test -z "$(systemctl list-units --state=failed --plain --no-legend | tee /dev/stderr)"
modprobe -a {MODULES}
udevadm settle --timeout=60
rmmod vivid
ip link set lo up
ip address add {GUEST_ADDRESS} dev eth0
ip link set eth0 up
sync
echo 3 > /proc/sys/vm/drop_caches
"""

#: Read again after caches were dropped: what nearly every test runs. It costs
#: a few MiB of state and saves each test the emulated unpacking.
WARM = "v4l2-ctl --version; modprobe --show-depends vivid; udevadm settle; ip link; ls /dev"


def ensure(image: Path) -> Path:
    """The state file of this image for this QEMU; makes it if need be."""
    final = cache.state_file(image)
    if final.exists():
        return final
    with cache.lock():
        if not final.exists():
            for stale in image.glob("state-*"):
                stale.unlink()
            partial = image / f"{cache.PARTIAL}{final.name}"
            make(image, partial)
            partial.rename(final)
    return final


def make(image: Path, target: Path) -> None:
    """Boots, prepares, saves."""
    started = time.monotonic()
    print("saving a booted guest (about 20 s, once)", flush=True)
    with boot(image) as vm:
        vm.run(PREPARE, BOOT_LIMIT, check=True)
        vm.run(WARM, check=True)
        save(vm, target)
    print(f"saved {target.stat().st_size >> 20} MiB in {time.monotonic() - started:.1f} s")


def boot(image: Path) -> Vm:
    """A guest started cold, once its agent has announced itself."""
    workdir = Workdir()
    try:
        machine = Machine(
            image, workdir.path / "console.log", workdir.input_disk(), [workdir.data_disk()]
        )
        vm = Vm(machine, workdir, incoming=False)
    except BaseException:
        workdir.close()
        raise
    try:
        if not vm.channel.ready.wait(BOOT_LIMIT):
            raise vm.error(AgentSilent, f"not up after {BOOT_LIMIT:g} s")
        if vm.channel.closed:
            raise vm.death("the guest ended while booting")
    except BaseException:
        vm.close()
        raise
    return vm


def save(vm: Vm, target: Path) -> None:
    """Writes the machine's state; it does not run on after this.

    Must come when the agent waits for a frame: what is in flight on the
    control port at this moment is lost.
    """
    monitor = vm.qemu.monitor
    monitor.execute("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
    # The default is that of a network: 128 MiB/s.
    monitor.execute("migrate-set-parameters", max_bandwidth=10**10)
    monitor.execute("stop")
    with target.open("wb") as file:
        monitor.execute("getfd", fd=file.fileno(), fdname="state")
        monitor.execute("migrate", uri="fd:state")
        try:
            monitor.wait_migrated(MIGRATE_LIMIT)
        except RigError as error:
            raise BuildFailed(f"state not saved: {error}\n{vm.qemu.report()}") from None


def restore(vm: Vm, state: Path) -> None:
    """Loads a state into a machine started with `incoming`, and lets it run."""
    monitor = vm.qemu.monitor
    monitor.execute("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
    with state.open("rb") as file:
        monitor.execute("getfd", fd=file.fileno(), fdname="state")
        monitor.execute("migrate-incoming", uri="fd:state")
        monitor.wait_migrated(MIGRATE_LIMIT)
    monitor.execute("cont")
    vm.wake()
