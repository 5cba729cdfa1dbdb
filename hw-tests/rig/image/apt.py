"""What this machine's apt knows: where Debian 12 comes from, and its newest 6.12 kernel.

Sources are taken from apt itself instead of from files under /etc/apt: apt
knows both file formats, and which of the files it ignores.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .. import host
from ..errors import BuildFailed

SUITES = ("bookworm", "bookworm-updates", "bookworm-security")

#: The meta package in bookworm-security that follows the 6.12 kernels. Not
#: the -cloud- one: those kernels have no media drivers at all.
KERNEL_META = "linux-image-6.12-amd64"

#: Settings of the machine without which its mirror may not be usable.
CARRIED_SETTINGS = re.compile(
    r'^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy\S*) ".+";$'
)


@dataclass(frozen=True)
class Kernel:
    """An exact kernel package."""

    package: str
    version: str

    @property
    def release(self) -> str:
        """As `uname -r` says it."""
        return self.package.removeprefix("linux-image-")

    def __str__(self) -> str:
        return f"{self.package}={self.version}"


def sources() -> list[str]:
    """One-line apt sources for Debian 12, as this machine has them."""
    form = "$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
    listing = host.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    found: dict[str, str] = {}
    for line in listing.splitlines():
        codename, uri, release, component, key = line.split("|")
        if codename in SUITES and component == "main":
            # apt leaves the placeholder as it is where no key is named.
            option = f"[signed-by={key}] " if key.startswith("/") else ""
            found.setdefault(codename, f"deb {option}{uri} {release} main")
    absent = [suite for suite in SUITES if suite not in found]
    if absent:
        raise BuildFailed(
            f"apt has no package lists of {', '.join(absent)} (component main): "
            "add them to its sources and run `apt-get update`"
        )
    return [found[suite] for suite in SUITES]


def settings() -> list[str]:
    """apt options of this machine that the guest's installation needs too."""
    dump = host.run(["apt-config", "dump"]).splitlines()
    return [line.rstrip(";") for line in dump if CARRIED_SETTINGS.match(line)]


def newest_kernel() -> Kernel:
    """The kernel the meta package stands for today."""
    text = host.run(["apt-cache", "show", "--no-all-versions", KERNEL_META])
    match = re.search(r"^Depends:.*?(linux-image-6\.12\.\S+-amd64) \(= ([^)]+)\)", text, re.M)
    if match is None:
        raise BuildFailed(f"apt knows no usable {KERNEL_META}: run `apt-get update`")
    return Kernel(*match.groups())


def download(kernel: Kernel, folder: Path) -> Path:
    """Fetches the kernel package without installing it; root is not needed."""
    folder.mkdir(parents=True, exist_ok=True)
    host.run(["apt-get", "download", str(kernel)], cwd=folder, timeout=600)
    return next(folder.glob("linux-image-*.deb"))
