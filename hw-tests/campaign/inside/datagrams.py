#!/usr/bin/env python3
"""Runs in the guest: carries datagrams that come framed over TCP to a UDP port, and back.

    datagrams.py TCP_PORT UDP_PORT

QEMU's restricted network drops what the guest answers over UDP. One TCP connection is one client.
"""

import select
import socket
import struct
import sys
import threading


def whole(stream, size):
    data = b""
    while len(data) < size:
        piece = stream.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve(stream, port):
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    datagrams.connect(("127.0.0.1", port))
    try:
        while True:
            for ready in select.select([stream, datagrams], [], [])[0]:
                if ready is stream:
                    (size,) = struct.unpack(">H", whole(stream, 2))
                    datagrams.send(whole(stream, size))
                else:
                    data = datagrams.recv(65535)
                    stream.sendall(struct.pack(">H", len(data)) + data)
    except (EOFError, OSError):
        stream.close()
        datagrams.close()


def main():
    door = socket.create_server(("0.0.0.0", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        stream, _ = door.accept()
        threading.Thread(target=serve, args=(stream, int(sys.argv[2])), daemon=True).start()


if __name__ == "__main__":
    main()
