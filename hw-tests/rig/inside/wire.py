"""The frames on the control port. The same file runs on the host and in the guest.

A frame is two lengths, a JSON header, and raw bytes. The lengths come first so
that file contents and process output need no quoting, and so that a reader
always knows how much to wait for.
"""
from __future__ import annotations

import json
import struct
from typing import Any, Callable, Dict, Tuple

LENGTHS = struct.Struct("!II")
#: A header above this is a sign of lost framing, not of a long command.
MAX_HEADER = 1 << 20
#: Body bytes in one frame. Small enough that a long file does not hold up
#: the output of other commands for long.
CHUNK = 256 << 10

Header = Dict[str, Any]


class BrokenFrame(Exception):
    """The byte stream is not at a frame boundary."""


def pack(header: Header, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def unpack(read_exactly: Callable[[int], bytes]) -> Tuple[Header, bytes]:
    """Reads one frame; `read_exactly(n)` blocks for n bytes or raises."""
    header_length, body_length = LENGTHS.unpack(read_exactly(LENGTHS.size))
    if header_length > MAX_HEADER or body_length > CHUNK:
        raise BrokenFrame(f"header {header_length} bytes, body {body_length} bytes")
    header = json.loads(read_exactly(header_length))
    return header, read_exactly(body_length) if body_length else b""
