"""The service's JSON-RPC over a WebSocket, in as few lines as asking needs."""
from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from typing import Any

RATE_LIMITED = -32040
#: Who is told for so long to ask less often asks too often, and fails.
PATIENCE = 10.0


class Rpc:
    """One connection, logged in. Questions one at a time."""

    def __init__(self, port: int, token: str, timeout: float = 20) -> None:
        self._login = (port, token, timeout)
        self._connect(port, token, timeout)

    def _connect(self, port: int, token: str, timeout: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._rest = b""
        self._number = 0
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            (f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()
        )
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"no WebSocket: {head[:200]!r}")
        self._call("authenticate", auth_token=token)

    def __enter__(self) -> "Rpc":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, **params: Any) -> Any:
        """The result; an error raises. Connects anew where the service has given up a silent client."""
        try:
            return self._call(method, **params)
        except ConnectionError:
            self._socket.close()
            self._connect(*self._login)
            return self._call(method, **params)

    def _call(self, method: str, **params: Any) -> Any:
        until = time.monotonic() + PATIENCE
        while "error" in (answer := self._answer(method, params)):
            error = answer["error"]
            if error["code"] != RATE_LIMITED or time.monotonic() > until:
                raise RuntimeError(f"{method}: {error}")
            # As every client should: it says how long to wait.
            time.sleep(error["data"]["retry_after_ms"] / 1000)
        return answer["result"]

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        question = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self._send(1, json.dumps(question).encode())
        while True:
            kind, body = self._receive()
            if kind == 9:
                self._send(10, body)
            elif kind == 8:
                raise ConnectionResetError(f"the service closed the connection: {body[2:]!r}")
            elif kind == 1:
                answer = json.loads(body)
                if answer.get("id") == self._number:
                    return answer

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the service closed the connection")
        self._rest += data

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._more()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _send(self, kind: int, body: bytes) -> None:
        mask = os.urandom(4)
        size = len(body)
        head = bytes([0x80 | kind])
        head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
        self._socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body)))

    def _receive(self) -> tuple[int, bytes]:
        first, size = self._take(2)
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return first & 15, self._take(size)
