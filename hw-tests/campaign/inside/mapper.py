"""Runs in the guest: a device-mapper device whose table is changed while it is mounted, as dmsetup would.

    mapper.py create NAME "0 1000 linear /dev/vdc 0"     prints the device, such as /dev/dm-0
    mapper.py table NAME "0 1000 flakey /dev/vdc 0 0 3600 1 error_writes"

The layout is that of linux/dm-ioctl.h.
"""
import fcntl
import os
import struct
import sys

HEADER = struct.Struct("=3I I I I i I I I Q 128s 129s 7x")
TARGET = struct.Struct("=Q Q i I 16s")
CREATE, SUSPEND, LOAD = 3, 6, 9
#: Neither waits for what is on its way nor asks the file system for peace: the disk fails in the middle of its work.
SUSPENDED = 1 << 1 | 1 << 10 | 1 << 11


def ask(command: int, name: str, flags: int = 0, table: str = "") -> int:
    """Sends one command; the device's number."""
    body, targets = b"", 0
    if table:
        start, length, kind, parameters = table.split(maxsplit=3)
        text = parameters.encode() + b"\0"
        text += b"\0" * (-len(text) % 8)
        body = TARGET.pack(int(start), int(length), 0, TARGET.size + len(text), kind.encode()) + text
        targets = 1
    size = HEADER.size + len(body)
    head = HEADER.pack(4, 0, 0, size, HEADER.size, targets, 0, flags, 0, 0, 0, name.encode(), b"")
    buffer = bytearray(head + body)
    with open("/dev/mapper/control", "rb+", buffering=0) as control:
        fcntl.ioctl(control, 3 << 30 | HEADER.size << 16 | 0xFD << 8 | command, buffer)
    return HEADER.unpack_from(buffer)[10]


def main(action: str, name: str, table: str) -> None:
    if action == "create":
        ask(CREATE, name)
    ask(LOAD, name, table=table)
    if action == "table":
        ask(SUSPEND, name, SUSPENDED)
    device = ask(SUSPEND, name)
    minor = (device & 0xFF) | (device >> 12 & ~0xFF)
    print(f"/dev/dm-{minor}")


main(*sys.argv[1:])
