"""A test rig: Debian in QEMU with virtual cameras, ready within a second.

    from rig import Guest

    with Guest.restore(files=[binary], forwards=[8554]) as guest:
        cameras = guest.vivid()
        print(guest.run("v4l2-ctl --list-devices").stdout)
"""
from .errors import (
    AgentSilent, CommandFailed, CommandTimeout, GuestDied, GuestError, GuestPanicked, NotBuilt,
    RigError,
)
from .guest import Guest
from .process import Process, Result
from .vm import End

__all__ = [
    "AgentSilent", "CommandFailed", "CommandTimeout", "End", "Guest", "GuestDied", "GuestError",
    "GuestPanicked", "NotBuilt", "Process", "Result", "RigError",
]
