"""`python3 -m rig shell`: a bash in a restored guest."""
from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from pathlib import Path
from typing import Sequence

from .errors import CommandFailed
from .guest import Guest
from .process import Process

#: A developer may go to lunch.
LIMIT = 24 * 3600.0


def shell(files: Sequence[Path], forwards: Sequence[str], cameras: int) -> int:
    """Runs it; returns bash's exit status."""
    with Guest.restore(files=files, forwards=forwards) as guest:
        for forward in forwards:
            say(f"guest port {forward} is 127.0.0.1:{guest.port(forward)} here")
        if cameras:
            for name, node in guest.vivid(cameras).items():
                say(f"{node} is {name}")
        return interactive(guest) if sys.stdin.isatty() else piped(guest)


def piped(guest: Guest) -> int:
    """Commands from a file or a pipe."""
    bash = guest.spawn(["bash"], limit=LIMIT, stdin=True, sink=show)
    feed(bash)
    bash.close_stdin()
    return bash.wait(LIMIT).rc


def interactive(guest: Guest) -> int:
    """A terminal in the guest; the one here passes everything through."""
    say("bash in the guest; exit or ctrl-D ends it")
    columns, lines = shutil.get_terminal_size()
    # script makes the pseudo-terminal the agent does not have.
    start = f"stty cols {columns} rows {lines}; exec bash -i"
    bash = guest.spawn(["script", "-qfec", start, "/dev/null"], limit=LIMIT, stdin=True,
                       sink=show, env={"TERM": os.environ.get("TERM", "dumb")})
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        feed(bash)
        return bash.wait(LIMIT).rc
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def feed(bash: Process) -> None:
    """Passes our stdin on until it ends or bash does."""
    while bash.running:
        readable, _, _ = select.select([sys.stdin], [], [], 0.2)
        if readable:
            data = os.read(sys.stdin.fileno(), 65536)
            if not data:
                return
            try:
                bash.write(data)
            except CommandFailed:
                return


def show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    print(f"rig: {text}", file=sys.stderr, flush=True)
