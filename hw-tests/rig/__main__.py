"""Command line of the rig: build, modules, shell, doctor."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import modules, saved
from .doctor import doctor
from .errors import RigError
from .image import build
from .shell import shell

DESCRIPTION = """\
A Debian guest in QEMU with virtual cameras, for tests of the real service.
The guest is built once (about a minute), booted once, and from then on
restored within a second."""


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="python3 -m rig", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build the guest image and save its booted state")
    commands.add_parser("prepare", help="build what needs no running guest: image and kernel modules")
    sub = commands.add_parser(
        "modules", help="build the virtual encoders' kernel modules for the guest's kernel",
        description="Compiles vh264, vicodec and what they need; prints the folder of .ko files.",
    )
    sub.add_argument("arch", nargs="?", default="amd64", choices=modules.ARCHITECTURES)
    commands.add_parser("doctor", help="say what is missing and what is cached")
    sub = commands.add_parser(
        "shell", help="bash in a restored guest; commands may come by a pipe",
        description="Opens bash in a restored guest, or runs the commands given on stdin.",
    )
    sub.add_argument("--file", type=Path, action="append", default=[], metavar="PATH",
                     help="put a file or folder into the guest's /in (repeatable)")
    sub.add_argument("--forward", action="append", default=[], metavar="PORT[/udp]",
                     help="make a port of the guest reachable from here (repeatable)")
    sub.add_argument("--cameras", type=int, default=1, metavar="N",
                     help="virtual cameras to load (default: 1)")
    return main


def main() -> int:
    arguments = parser().parse_args()
    try:
        if arguments.command == "build":
            image = build.build()
            state = saved.ensure(image)
            print(f"ready: {state}")
            return 0
        if arguments.command == "prepare":
            print(build.build())
            for arch in modules.ARCHITECTURES:
                print(modules.ensure(arch))
            return 0
        if arguments.command == "modules":
            print(modules.ensure(arguments.arch))
            return 0
        if arguments.command == "doctor":
            return doctor()
        return shell(arguments.file, arguments.forward, arguments.cameras)
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
