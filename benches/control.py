"""The control plane under load, beside a bare WebSocket echo and a jsonrpsee server.

    tools/bench control [--rounds 3] [--seconds 3] [--most 10000] [--only ask,hold,flood]

The echo (fastwebsockets) is the ceiling: no server that parses anything can be cheaper. What counts is the server's
CPU per answer: on few cores the rate is shared with the generator, the CPU is not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

sys.path.insert(0, str(Path(__file__).parent))
import box

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", box.ROOT / "target"))
PROGRAMS = TARGET / "control-bench/release"
OUT = TARGET / "bench/control.jsonl"
CONNECTIONS = (1, 50, 1000)
METHODS = ("ping", "get_camera_list", "list_recordings")
#: Bounds of the service that are no part of what is measured.
UNBOUNDED = {
    "CAMERA_SERVICE_SERVER_MAX_CONNECTIONS": "0",
    "CAMERA_SERVICE_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "0",
    "CAMERA_SERVICE_SERVER_MAX_UNAUTHENTICATED_PER_ADDRESS": "0",
    "CAMERA_SERVICE_SECURITY_RATE_LIMIT_REQUESTS": "0",
    "CAMERA_SERVICE_SECURITY_RATE_LIMIT_FAILED_LOGINS": "0",
}


def request(method: str, **params: Any) -> str:
    """One call as text."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


class Served:
    """A server to be loaded."""

    def __init__(self, name: str, pid: int, port: int, path: str, login: list[str]) -> None:
        self.name, self.pid, self.port, self.path, self.login = name, pid, port, path, login

    def command(self, *what: str, connections: int, seconds: float, first: list[str] | None = None) -> list[str]:
        """The generator's command line."""
        line = [str(PROGRAMS / "load"), "--target", f"127.0.0.1:{self.port}", "--path", self.path, "--pid", str(self.pid),
                "--connections", str(connections), "--seconds", str(seconds)]
        for text in self.login if first is None else first:
            line += ["--first", text]
        return line + list(what)

    def load(self, *what: str, connections: int, seconds: float, first: list[str] | None = None) -> dict[str, Any]:
        """What the generator measured."""
        line = self.command(*what, connections=connections, seconds=seconds, first=first)
        done = subprocess.run(line, capture_output=True, text=True, timeout=seconds * 4 + 180, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)


@contextlib.contextmanager
def service(size: str = "160x120", fps: int = 2, **bounds: str) -> Iterator[tuple[Served, box.Demo]]:
    """The service with a camera so small that it costs nothing."""
    os.environ.update(UNBOUNDED | bounds)
    with box.Demo(size, fps) as demo:
        port = int(demo.card["ws"].rsplit(":", 1)[1].split("/")[0])
        login = request("authenticate", auth_token=demo.card["tokens"]["operator"])
        yield Served("camera-service", demo.pid, port, "/ws", [login]), demo


@contextlib.contextmanager
def peer(name: str) -> Iterator[Served]:
    """One of the peers."""
    process = subprocess.Popen([PROGRAMS / name], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Served(name, process.pid, int(process.stdout.readline()), "/", [])
    finally:
        box.end(process)


def record(**figures: Any) -> None:
    """One line for programs."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("a", encoding="utf-8") as out:
        out.write(json.dumps(figures) + "\n")


def middle(runs: list[dict[str, Any]], *keys: str) -> float:
    """The median of one figure over the rounds."""
    values = []
    for run in runs:
        value: Any = run
        for key in keys:
            value = value[key]
        values.append(float(value))
    return statistics.median(values)


def ask(rounds: int, seconds: float) -> None:
    """Requests per second, latency and CPU per answer; all servers in each round, so that all see the same machine."""
    print("| method | connections | server | answers/s | p50 ms | p99 ms | server µs per answer | of the echo's | generator µs |")
    print("|---|---|---|---|---|---|---|---|---|")
    with service() as (ours, _), peer("echo") as echo, peer("jsonrpsee") as rival:
        for method in METHODS:
            for connections in CONNECTIONS:
                runs: dict[str, list[dict[str, Any]]] = {}
                for _ in range(rounds):
                    for server in (ours, echo, rival):
                        run = server.load("ask", request(method), connections=connections, seconds=seconds)
                        runs.setdefault(server.name, []).append(run)
                ceiling = middle(runs["echo"], "server_us")
                for name, found in runs.items():
                    cost = middle(found, "server_us")
                    figures = {
                        "per_s": middle(found, "per_s"), "p50_ms": middle(found, "latency", "p50_ms"),
                        "p99_ms": middle(found, "latency", "p99_ms"), "server_us": cost, "of_echo": cost / ceiling,
                        "generator_us": middle(found, "generator_us"),
                    }
                    record(bench="rpc", method=method, connections=connections, server=name, rounds=rounds, **figures)
                    print(f"| {method} | {connections} | {name} | {figures['per_s']:.0f} | {figures['p50_ms']:.2f} | "
                          f"{figures['p99_ms']:.2f} | {cost:.1f} | {cost / ceiling:.2f} | {figures['generator_us']:.1f} |", flush=True)


def hold(rounds: int, seconds: float, most: int) -> None:
    """Idle sockets that are logged in: memory, CPU, how fast they come, and one event to all of them."""
    print("| server | sockets | connects/s | bytes per socket | idle, share of a core | event to all: p50 ms | p99 ms | lost |")
    print("|---|---|---|---|---|---|---|---|")
    for name in ("camera-service", "echo"):
        runs = []
        for _ in range(rounds):
            with service() if name == "camera-service" else peer(name) as made:
                server = made[0] if isinstance(made, tuple) else made
                if name == "echo":
                    runs.append(server.load("hold", connections=most, seconds=seconds))
                    continue
                subscribe = request("subscribe_events", topics=["snapshot.taken"])
                runs.append(server.load("hold", "--trigger", request("take_snapshot", device="camera0"),
                                        connections=most, seconds=seconds, first=[*server.login, subscribe]))
        figures = {key: middle(runs, key) for key in ("connects_per_s", "bytes_per_connection", "idle_cores")}
        event = {"event_p50_ms": middle(runs, "event", "p50_ms"), "event_p99_ms": middle(runs, "event", "p99_ms"),
                 "event_lost": middle(runs, "event_lost")} if "event" in runs[0] else {}
        record(bench="hold", server=name, connections=most, rounds=rounds, **figures, **event)
        told = [f"{event[k]:.0f}" if k in event else "–" for k in ("event_p50_ms", "event_p99_ms", "event_lost")]
        print(f"| {name} | {most} | {figures['connects_per_s']:.0f} | {figures['bytes_per_connection']:.0f} | "
              f"{figures['idle_cores']:.3f} | {' | '.join(told)} |", flush=True)


def flood(seconds: float) -> None:
    """Good clients while a thousand others misbehave."""
    print("| flood of 1,000 | good pings p50 ms | p99 ms | RSS before MiB | most MiB | thrown out |")
    print("|---|---|---|---|---|---|")
    for manner in ("none", "garbage", "never-read", "trickle"):
        # Bounds as they are by default, but for the address, which all share here.
        with service(CAMERA_SERVICE_SERVER_MAX_UNAUTHENTICATED_PER_ADDRESS="1000") as (server, _):
            before, bad = box.rss_mib(server.pid), None
            if manner != "none":
                line = server.command("flood", manner, connections=1000, seconds=seconds * 1.5 + 1, first=[])
                bad = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
            good = server.load("ask", request("ping"), connections=10, seconds=seconds)
            done = json.loads(bad.communicate(timeout=seconds * 4 + 60)[0]) if bad else {"rss_most": before * 2**20, "thrown_out": 0}
            figures = {"p50_ms": good["latency"]["p50_ms"], "p99_ms": good["latency"]["p99_ms"], "rss_before_mib": before,
                       "rss_most_mib": done["rss_most"] / 2**20, "thrown_out": done["thrown_out"]}
            record(bench="flood", manner=manner, **figures)
            print(f"| {manner} | {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} | {before:.1f} | {figures['rss_most_mib']:.1f} | "
                  f"{figures['thrown_out']} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--most", type=int, default=10_000, help="idle sockets")
    parser.add_argument("--only", default="ask,hold,flood")
    wanted = parser.parse_args()
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--manifest-path", str(box.ROOT / "benches/control/Cargo.toml")],
        env=os.environ | {"CARGO_TARGET_DIR": str(TARGET / "control-bench")}, check=True,
    )
    only = wanted.only.split(",")
    if "ask" in only:
        ask(wanted.rounds, wanted.seconds)
    if "hold" in only:
        hold(wanted.rounds, wanted.seconds, wanted.most)
    if "flood" in only:
        flood(wanted.seconds)


if __name__ == "__main__":
    main()
