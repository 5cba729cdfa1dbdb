"""Runs in the guest: asks a camera box over its WebSocket and prints the answers, a JSON text a line.

    python3 ask.py PORT TOKEN '[["get_video", {"device": "camera0"}], ...]'
"""
from __future__ import annotations

import base64
import json
import os
import socket
import sys
from typing import Any, BinaryIO


def send(stream: BinaryIO, text: str) -> None:
    """One text frame, masked as clients must (RFC 6455, 5.2)."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    stream.write(b"\x81" + size + mask + masked)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next text frame; the box sends whole messages."""
    while True:
        head = stream.read(2)
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        data = stream.read(size)
        if head[0] == 0x81:
            return json.loads(data)


def main(port: str, token: str, calls: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port)), 10) as connection:
        stream = connection.makefile("rwb")
        key = base64.b64encode(os.urandom(16)).decode()
        stream.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        stream.flush()
        while stream.readline().strip():
            pass
        for number, (method, params) in enumerate([["authenticate", {"auth_token": token}], *json.loads(calls)]):
            send(stream, json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
            while (answer := receive(stream)).get("id") != number:
                pass  # a notification
            if number:
                print(json.dumps(answer.get("result", answer.get("error"))))


main(*sys.argv[1:])
