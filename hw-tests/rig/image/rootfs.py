"""The root file system: Debian packages, the pruned modules, the agent; as squashfs.

Nothing is unpacked on the host. mmdebstrap makes a tar stream, with the rig's
own files laid over it by a hook, and mksquashfs reads that stream: owners and
device nodes stay right even when a normal user builds.
"""
from __future__ import annotations

import getpass
import io
import os
import subprocess
import tarfile
from pathlib import Path

from .. import host, lists
from ..errors import BuildFailed
from . import apt

PACKAGES = Path(__file__).with_name("packages.txt")
INSIDE = Path(__file__).parents[1] / "inside"
UNITS = "etc/systemd/system"

#: Half of a plain ffmpeg installation is a 3D stack (the LLVM of Mesa alone
#: is 100 MB) that is opened only when a window is.
EXCLUDED = (
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
    "/usr/share/icons/*", "/usr/share/fonts/*", "/usr/share/lintian/*",
    "/usr/share/pocketsphinx/*",
    "/usr/lib/x86_64-linux-gnu/dri/*", "/usr/lib/x86_64-linux-gnu/libLLVM*",
)

#: Units that cost boot time or write where tests look. The getty would mix
#: "login:" into the console.
MASKED = (
    "serial-getty@ttyS0.service", "getty@tty1.service", "apt-daily.timer",
    "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "systemd-timesyncd.service",
)

#: How long a mirror may take; a good one needs 30 s.
INSTALL_LIMIT = 1800


def build(modules: Path, release: str, work: Path, target: Path) -> None:
    """Installs the packages and writes the squashfs image."""
    overlay = work / "overlay.tar"
    write_overlay(overlay, modules, release)
    source_list = work / "sources.list"
    source_list.write_text("\n".join(apt.sources()) + "\n")
    install = [*mmdebstrap(), "--variant=minbase", "--architectures=amd64", "--format=tar",
               "--include=" + ",".join(lists.read(PACKAGES)),
               '--aptopt=APT::Install-Recommends "false"',
               *(f"--aptopt={line}" for line in apt.settings()),
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
               f"--customize-hook=tar-in {overlay} /",
               # GStreamer looks at all its plugins before its first use: 20 s in the guest.
               '--customize-hook=chroot "$1" env HOME=/root gst-inspect-1.0 > /dev/null 2>&1',
               # The guest must not carry the mirror or the settings of the builder.
               '--customize-hook=rm -rf "$1"/etc/apt/sources.list* "$1"/etc/apt/apt.conf.d/99*',
               "bookworm", "-", str(source_list)]
    squash = [host.find("mksquashfs"), "-", str(target), "-tar", "-comp", "zstd",
              "-Xcompression-level", "9", "-noappend", "-quiet", "-no-progress"]
    pipe_through(install, squash, work / "install.log")


def mmdebstrap() -> list[str]:
    """The way to run mmdebstrap that works for this user."""
    program = host.find("mmdebstrap")
    if os.geteuid() == 0:
        return [program, "--mode=root"]
    if can_unshare():
        return [program, "--mode=unshare"]
    print("no user namespaces for this user: running mmdebstrap by sudo")
    return [host.find("sudo"), program, "--mode=root"]


def can_unshare() -> bool:
    """Whether this user may map a range of ids (package uidmap, /etc/subuid)."""
    if host.locate("newuidmap") is None:
        return False
    for table in (Path("/etc/subuid"), Path("/etc/subgid")):
        if not table.exists() or f"{getpass.getuser()}:" not in table.read_text():
            return False
    # Some distributions and most containers forbid it altogether.
    attempt = subprocess.run(
        [host.find("unshare"), "--user", "true"], capture_output=True, check=False
    )
    return attempt.returncode == 0


def write_overlay(path: Path, modules: Path, release: str) -> None:
    """A tar of the rig's own files, everything owned by root."""
    with tarfile.open(path, "w") as tar:
        def own(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            return entry

        def text(name: str, content: str) -> None:
            entry = own(tarfile.TarInfo(name))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))

        def link(name: str, to: str) -> None:
            entry = own(tarfile.TarInfo(name))
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            tar.addfile(entry)

        # Never through /lib: that is a link in Debian, and tar would replace it.
        tar.add(modules, f"usr/lib/modules/{release}", filter=own)
        for file in sorted(INSIDE.glob("*.py")):
            tar.add(file, f"usr/lib/rig/{file.name}", filter=own)
        tar.add(INSIDE / "rig-agent.service", f"{UNITS}/rig-agent.service", filter=own)
        link(f"{UNITS}/multi-user.target.wants/rig-agent.service", "../rig-agent.service")
        for unit in MASKED:
            link(f"{UNITS}/{unit}", "/dev/null")
        text("etc/hostname", "rig\n")
        text("etc/fstab", "")
        # Empty means "make one at boot"; a missing file would mean a first boot.
        text("etc/machine-id", "")
        folder = own(tarfile.TarInfo("in"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)


def pipe_through(producer: list[str], consumer: list[str], log: Path) -> None:
    """producer | consumer, both successful or an error with the end of the log."""
    with log.open("wb") as errors:
        first = subprocess.Popen(
            producer, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        second = subprocess.Popen(
            consumer, stdin=first.stdout, stdout=errors, stderr=errors
        )
        assert first.stdout is not None
        first.stdout.close()  # so that the first one notices if the second one dies
        try:
            statuses = [process.wait(INSTALL_LIMIT) for process in (second, first)]
        except subprocess.TimeoutExpired:
            raise BuildFailed(f"no root file system after {INSTALL_LIMIT} s") from None
        finally:
            for process in (first, second):
                process.terminate()
    if any(statuses):
        end = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise BuildFailed(f"{producer[0]} | {consumer[0]} failed:\n{end}")
