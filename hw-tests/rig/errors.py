"""What can go wrong. Every message is meant to be read without opening a log."""
from __future__ import annotations


class RigError(Exception):
    """Base of all errors the rig raises on purpose."""


class MissingTool(RigError):
    """A host program is not installed; the message names its Debian package."""


class BuildFailed(RigError):
    """A step of the image build ended with an error."""


class NotBuilt(RigError):
    """There is no image for the present sources; `python3 -m rig build` makes one."""


class CommandFailed(RigError):
    """A command in the guest ended with another status than 0, or could not start."""


class GuestError(RigError):
    """Something is wrong with the guest itself. Carries the end of its console."""


class CommandTimeout(GuestError):
    """A command ran out of time and was killed in the guest."""


class AgentSilent(GuestError):
    """The guest runs but its agent did not answer: a hung kernel, most likely."""


class GuestDied(GuestError):
    """The virtual machine ended while something was still expected of it."""


class GuestPanicked(GuestDied):
    """It ended by a kernel panic."""
