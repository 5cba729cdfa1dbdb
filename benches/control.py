"""The control plane under load, beside a bare WebSocket echo and a jsonrpsee server, and what the load does to the rest.

    tools/bench control [--rounds 3] [--seconds 5] [--idle 35] [--most 10000] [--only ask,hold,flood,auth,health,video]
    tools/bench control --short                one round of everything, as `make bench` runs it

ask     requests a second, times, and the server's CPU per answer: on few cores the rate is shared with the generator,
        the CPU is not. The echo (fastwebsockets) is the ceiling: no server that parses anything can be cheaper.
hold    idle sockets: how fast they come, memory, CPU, and one event to all of them.
flood   good clients' pings, and memory, while a thousand others misbehave; limits as they are by default.
auth    MediaMTX's question "may this one read?", asked 200 times a second, while a thousand clients ask.
health  /health/ready and /health likewise; then with MediaMTX stopped.
video   from a frame's capture until the kernel took its last byte for MediaMTX, as the service counts it; at rest, and
        beside idle and active clients.

Clients that load are nicer (nice 10) than what is measured: on a box they would be other machines.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

sys.path.insert(0, str(Path(__file__).parent))
import box

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", box.ROOT / "target"))
PROGRAMS = TARGET / "control-bench/release"
OUT = TARGET / "bench/control.jsonl"
CONNECTIONS = (1, 50, 1000)
METHODS = ("ping", "get_camera_list", "list_recordings")
#: All clients come from one machine here, so what counts by address is off.
ONE_ADDRESS = {
    "CAMERA_SERVICE_SERVER_MAX_CONNECTIONS": "0",
    "CAMERA_SERVICE_SERVER_MAX_CONNECTIONS_PER_ADDRESS": "0",
    "CAMERA_SERVICE_SERVER_MAX_UNAUTHENTICATED_PER_ADDRESS": "0",
    "CAMERA_SERVICE_SECURITY_RATE_LIMIT_FAILED_LOGINS": "0",
}
#: Bounds of the service that are no part of what is measured.
UNBOUNDED = ONE_ADDRESS | {"CAMERA_SERVICE_SECURITY_RATE_LIMIT_REQUESTS": "0"}
#: Clients who are active at the same time.
ACTIVE = 1000
#: Addresses that a flood comes from: so many that the bounds of one address can stay as they are.
SOURCES = 50
#: Seconds after which everything that the service calls recent happened under the present load.
RECENT = 62.0
#: Signs the tokens of this run.
SECRET = secrets.token_hex(32)


def request(method: str, **params: Any) -> str:
    """One call as text."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def token(user: str, role: str) -> str:
    """A token as another program would mint it (RFC 7519, HS256)."""
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    now = int(time.time())
    claims = {"user_id": user, "role": role, "iat": now, "exp": now + 4 * 3600}
    body = ".".join(part(json.dumps(piece).encode()) for piece in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{body}.{part(hmac.digest(SECRET.encode(), body.encode(), hashlib.sha256))}"


@contextlib.contextmanager
def viewers(count: int) -> Iterator[Path]:
    """A file with the logins of so many viewers: each has an allowance of his own."""
    with tempfile.NamedTemporaryFile("w", suffix=".logins") as file:
        for n in range(count):
            file.write(request("authenticate", auth_token=token(f"viewer{n}", "viewer")) + "\n")
        file.flush()
        yield Path(file.name)


class Served:
    """A server to be loaded."""

    def __init__(self, name: str, pid: int, port: int, path: str, login: list[str]) -> None:
        self.name, self.pid, self.port, self.path, self.login = name, pid, port, path, login

    def command(self, *what: str, connections: int = 1, seconds: float = 1, first: list[str] | None = None, logins: Path | None = None,
                sources: int = 0, target: str = "", path: str = "", nice: bool = False) -> list[str]:
        """The generator's command line."""
        line = [str(PROGRAMS / "load"), "--target", target or f"127.0.0.1:{self.port}", "--path", path or self.path,
                "--pid", str(self.pid), "--connections", str(connections), "--seconds", str(seconds), "--sources", str(sources)]
        if logins:
            line += ["--logins", str(logins)]
        for text in self.login if first is None else first:
            line += ["--first", text]
        return (["nice", "-n", "10"] if nice else []) + line + list(what)

    def load(self, *what: str, seconds: float = 1, **how: Any) -> dict[str, Any]:
        """What the generator measured."""
        line = self.command(*what, seconds=seconds, **how)
        done = subprocess.run(line, capture_output=True, text=True, timeout=seconds * 4 + 180, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One call's result."""
        return self.load("call", request(method, **params))["result"]

    @contextlib.contextmanager
    def meanwhile(self, *what: str, **how: Any) -> Iterator[subprocess.Popen]:
        """A generator beside what is measured. It ends by itself, or with the block."""
        process = subprocess.Popen(self.command(*what, nice=True, **how), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            box.end(process)


@contextlib.contextmanager
def service(size: str = "160x120", fps: int = 2, bounds: dict[str, str] | None = None) -> Iterator[tuple[Served, box.Demo]]:
    """The service, with a camera so small that it costs nothing unless told otherwise."""
    bounds = UNBOUNDED if bounds is None else bounds
    with box.Demo(size, fps, CAMERA_SERVICE_JWT_SECRET=SECRET, **bounds) as demo:
        port = int(demo.card["ws"].rsplit(":", 1)[1].split("/")[0])
        login = request("authenticate", auth_token=demo.card["tokens"]["operator"])
        yield Served("camera-service", demo.pid, port, "/ws", [login]), demo


@contextlib.contextmanager
def peer(name: str) -> Iterator[Served]:
    """One of the peers; five nice steps behind and with the same runtime's settings, as the service is."""
    process = subprocess.Popen(["nice", "-n", "5", PROGRAMS / name], stdout=subprocess.PIPE, text=True)
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


def hold(rounds: int, idle: float, most: int) -> None:
    """Idle sockets that are logged in: memory, CPU, how fast they come, and one event to all of them."""
    print("| server | sockets | connects/s | bytes per socket | idle, share of a core | event to all: p50 ms | p99 ms | "
          "from the call: p99 ms | lost |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("camera-service", "echo"):
        runs = []
        for _ in range(rounds):
            with service() if name == "camera-service" else peer(name) as made:
                server = made[0] if isinstance(made, tuple) else made
                if name == "echo":
                    runs.append(server.load("hold", connections=most, seconds=idle))
                    continue
                subscribe = request("subscribe_events", topics=["snapshot.taken"])
                runs.append(server.load("hold", "--trigger", request("take_snapshot", device="camera0"),
                                        connections=most, seconds=idle, first=[*server.login, subscribe]))
        figures = {key: middle(runs, key) for key in ("connects_per_s", "bytes_per_connection", "idle_cores")}
        event = {"event_p50_ms": middle(runs, "event", "p50_ms"), "event_p99_ms": middle(runs, "event", "p99_ms"),
                 "event_from_call_p99_ms": middle(runs, "event_from_call", "p99_ms"),
                 "event_lost": middle(runs, "event_lost")} if "event" in runs[0] else {}
        record(bench="hold", server=name, connections=most, rounds=rounds, idle_s=idle, **figures, **event)
        told = [f"{event[k]:.0f}" if k in event else "–"
                for k in ("event_p50_ms", "event_p99_ms", "event_from_call_p99_ms", "event_lost")]
        print(f"| {name} | {most} | {figures['connects_per_s']:.0f} | {figures['bytes_per_connection']:.0f} | "
              f"{figures['idle_cores']:.4f} | {' | '.join(told)} |", flush=True)


def flood(rounds: int, seconds: float) -> None:
    """Good clients while a thousand others misbehave. All limits are the default ones, but the number of connections."""
    print("| flood of 1,000 | good pings p50 ms | p99 ms | RSS before, most, after MiB | grown by MiB | thrown out | server cores | "
          "generator late, p99 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for manner in ("none", "garbage", "never-read", "trickle", "hoard"):
        runs = []
        for _ in range(rounds):
            with service(bounds={"CAMERA_SERVICE_SERVER_MAX_CONNECTIONS": "2000"}) as (server, demo):
                before = box.rss_mib(server.pid)
                # Who never reads has logged in: then his answers are long.
                first = [request("authenticate", auth_token=demo.card["tokens"]["viewer"])] if manner == "never-read" else []
                def bad() -> contextlib.AbstractContextManager[subprocess.Popen | None]:
                    if manner == "none":
                        return contextlib.nullcontext()
                    return server.meanwhile("flood", manner, connections=ACTIVE, seconds=seconds + 2.5, first=first, sources=SOURCES)

                # They are there before the flood: beyond the memory cap nobody new is let in, good or bad.
                line = server.command("pace", request("ping"), "--rate", "9", "--after", "2.5", connections=10, seconds=seconds)
                pings = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                time.sleep(1)
                with bad() as process:
                    good = report(pings, seconds)
                    done = json.loads(process.communicate(timeout=seconds * 4 + 60)[0]) if process else {
                        "rss_most": box.rss_mib(server.pid) * 2**20, "thrown_out": 0, "server_cores": good["server_cores"]}
                time.sleep(2)
                runs.append(good | {"before": before, "most": done["rss_most"] / 2**20, "after": box.rss_mib(server.pid),
                                    "thrown_out": done["thrown_out"], "cores": done["server_cores"]})
        figures = {"p50_ms": middle(runs, "latency", "p50_ms"), "p99_ms": middle(runs, "latency", "p99_ms"),
                   "refused": middle(runs, "refused"), "generator_late_p99_ms": middle(runs, "generator_late", "p99_ms"),
                   "rss_before_mib": middle(runs, "before"), "rss_most_mib": middle(runs, "most"),
                   "rss_after_mib": middle(runs, "after"), "grown_mib": max(r["most"] - r["before"] for r in runs),
                   "thrown_out": middle(runs, "thrown_out"), "server_cores": middle(runs, "cores")}
        record(bench="flood", manner=manner, rounds=rounds, **figures)
        print(f"| {manner} | {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} | {figures['rss_before_mib']:.1f}, "
              f"{figures['rss_most_mib']:.1f}, {figures['rss_after_mib']:.1f} | {figures['grown_mib']:.1f} | "
              f"{figures['thrown_out']:.0f} | {figures['server_cores']:.2f} | "
                  f"{figures['generator_late_p99_ms']:.2f} |", flush=True)


#: What active clients do: requests in turn, and how many a second each of them sends.
BUSY = {
    "none": ([], 0.0),
    "1/s": ([request("get_camera_list")], 1.0),
    # Ten pings a second are free, five other requests are a viewer's allowance.
    "at their limits": ([request("ping"), request("ping"), request("get_camera_list")], 15.0),
}


@contextlib.contextmanager
def busy(server: Served, what: str, logins: Path, seconds: float) -> Iterator[subprocess.Popen | None]:
    """A thousand viewers who ask for a while, from before the block until after it."""
    requests, rate = BUSY[what]
    if not requests:
        yield None
        return
    with server.meanwhile("pace", *requests, "--rate", str(rate), connections=ACTIVE, seconds=seconds + 3,
                          first=[], logins=logins) as process:
        time.sleep(2.5)
        yield process


def report(process: subprocess.Popen | None, seconds: float) -> dict[str, Any] | None:
    """What a generator measured that ran meanwhile."""
    if process is None:
        return None
    out, err = process.communicate(timeout=seconds + 60)
    if process.returncode:
        raise RuntimeError(err.strip())
    return json.loads(out)


def by_http(server: Served, name: str, what: dict[str, tuple[list[str], dict[str, str]]], rounds: int, seconds: float,
            rate: float, logins: Path, before: Callable[[], None] = lambda: None, **more: Any) -> None:
    """The times of HTTP requests beside each kind of load; one table row each."""
    for load in BUSY:
        for label, (words, where) in what.items():
            runs, beside = [], []
            for _ in range(rounds):
                with busy(server, load, logins, seconds) as process:
                    before()
                    runs.append(server.load("http", *words, "--rate", str(rate), seconds=seconds, first=[], **where))
                    beside += [told] if (told := report(process, seconds)) else []
            figures = {"p50_ms": middle(runs, "latency", "p50_ms"), "p99_ms": middle(runs, "latency", "p99_ms"),
                       "max_ms": max(r["latency"]["max_ms"] for r in runs), "generator_late_p99_ms": middle(runs, "generator_late", "p99_ms"),
                       "active_per_s": middle(beside, "per_s") if beside else 0.0,
                       "active_refused": middle(beside, "refused") if beside else 0}
            statuses: dict[str, int] = {}
            for run in runs:
                for status, count in run["statuses"].items():
                    statuses[status] = statuses.get(status, 0) + count
            record(bench=name, what=label, active=ACTIVE if beside else 0, load=load, rounds=rounds, per_s=rate, statuses=statuses,
                   **figures, **more)
            answers = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
            print(f"| {label} | {load} | {figures['active_per_s']:.0f} | {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} | "
                  f"{figures['max_ms']:.1f} | {figures['generator_late_p99_ms']:.2f} | {answers} |", flush=True)


HEAD = ("| what | 1,000 clients ask | answered/s | p50 ms | p99 ms | worst ms | generator late, p99 ms | answers |\n"
        "|---|---|---|---|---|---|---|---|")


def auth(rounds: int, seconds: float) -> None:
    """MediaMTX's question whether somebody may read, each on a connection of its own, as MediaMTX asks."""
    print(HEAD)
    with service("640x480", 30, ONE_ADDRESS) as (server, demo), viewers(ACTIVE) as logins:
        config = (Path(demo.card["state_dir"]) / "run/mediamtx.yml").read_text(encoding="utf-8")
        address = next(line for line in config.splitlines() if line.startswith("authHTTPAddress:")).split(" ", 1)[1].strip('"')
        target, path = address.removeprefix("http://").split("/", 1)
        question = {"ip": "127.0.0.1", "user": "", "password": "", "action": "read", "path": "camera0",
                    "protocol": "webrtc", "id": "{id}", "query": ""}
        yes = json.dumps(question | {"token": demo.card["tokens"]["viewer"]})
        no = json.dumps(question | {"token": "nobody's"})
        where = {"target": target, "path": f"/{path}"}
        what = {"yes": (["--body", yes], where), "no": (["--body", no], where)}
        by_http(server, "auth", what, rounds, seconds, 200, logins)


def health(rounds: int, seconds: float) -> None:
    """What a probe waits for, with MediaMTX in order and with MediaMTX stopped."""
    print(HEAD)
    for mediamtx in ("runs", "stopped"):
        with service("640x480", 30, ONE_ADDRESS) as (server, demo), viewers(ACTIVE) as logins:
            target = demo.card["health"].removeprefix("http://").split("/")[0]
            paths = ("/health/ready", "/health")
            named = {f"{path}, MediaMTX {mediamtx}": ([], {"target": target, "path": path}) for path in paths}

            def stop() -> None:
                """The service replaces a MediaMTX that is silent for long: the present one is meant."""
                deadline = time.monotonic() + 20
                while True:
                    with contextlib.suppress(RuntimeError, OSError):
                        return os.kill(demo.mediamtx, signal.SIGSTOP)
                    if time.monotonic() > deadline:
                        raise RuntimeError("no MediaMTX to stop")
                    time.sleep(0.05)

            before = stop if mediamtx == "stopped" else lambda: None
            # The service ends a stopped one with SIGKILL.
            by_http(server, "health", named, rounds, seconds, 50, logins, before, mediamtx=mediamtx)


def video(rounds: int, most: int, harsher: bool) -> None:
    """How late the pictures of a 640x480@30 camera reach the wire. Each row is a minute."""
    print("| 640x480@30 beside | captured to sent: p50 ms | p95 | p99 | worst | p99 grown by ms | waited for a processor, ms a picture | "
          "pictures | answered/s | refused | clients' p99 ms | generator late, p99 ms | service, cores |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    rows: dict[str, list[dict[str, Any]]] = {}

    def waited(server: Served) -> float:
        """Milliseconds that the camera's thread has waited for a processor so far, by the scheduler's account."""
        for task in Path(f"/proc/{server.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "camera0":
                return int((task / "schedstat").read_text().split()[1]) / 1e6
        raise RuntimeError("no thread camera0")

    def minute(server: Served, name: str, *words: str, logins: Path | None = None) -> None:
        before, delay, begun = box.cpu_seconds(server.pid), waited(server), time.monotonic()
        told = None
        if words:
            told = server.load(*words, connections=ACTIVE, seconds=RECENT, first=[] if logins else None, logins=logins, nice=True)
        else:
            time.sleep(RECENT)
        span = time.monotonic() - begun
        latency = server.call("get_camera_status", device="camera0")["extensions"]["latency"]
        rows.setdefault(name, []).append(latency | {
            "told": told, "cores": (box.cpu_seconds(server.pid) - before) / span, "waited": (waited(server) - delay) / (30 * span)})

    idle = f"{most:,} idle"
    for _ in range(rounds):
        with service("640x480", 30, ONE_ADDRESS) as (server, _), viewers(ACTIVE) as logins:
            minute(server, "nobody")
            with server.meanwhile("hold", connections=most, seconds=RECENT * 4):
                time.sleep(most / 1000 + 2)
                for name in list(BUSY)[1:]:
                    requests, rate = BUSY[name]
                    minute(server, f"{idle}, 1,000 {name}", "pace", *requests, "--rate", str(rate), logins=logins)
        if harsher:
            with service("640x480", 30, UNBOUNDED) as (server, _):
                with server.meanwhile("hold", connections=most, seconds=RECENT * 2):
                    time.sleep(most / 1000 + 2)
                    minute(server, f"{idle}, 1,000 as fast as answers come, no limits", "ask", request("get_camera_list"))
    rest = statistics.median(run["captured_to_sent"]["p99_ms"] for run in rows["nobody"])
    for name, runs in rows.items():
        stages = {f"{stage}_{p}": statistics.median(run[stage][p] for run in runs)
                  for stage in ("captured_to_dequeued", "dequeued_to_encoded", "encoded_to_sent", "captured_to_sent")
                  for p in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
        told = [run["told"] for run in runs if run["told"]]
        found = {"grown_ms": stages["captured_to_sent_p99_ms"] - rest, "pictures": sum(run["captured_to_sent"]["frames"] for run in runs),
                 "per_s": middle(told, "per_s") if told else 0.0,
                 "refused": middle(told, "refused") if told and "refused" in told[0] else 0,
                 "clients_p99_ms": middle(told, "latency", "p99_ms") if told else 0.0,
                 "late_p99_ms": middle(told, "generator_late", "p99_ms") if told and "generator_late" in told[0] else 0.0,
                 "cores": middle(runs, "cores"), "waited_ms": middle(runs, "waited")}
        record(bench="video", beside=name, rounds=rounds, **stages, **found)
        times = " | ".join(f"{stages[f'captured_to_sent_{p}']:.2f}" for p in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
        print(f"| {name} | {times} | {found['grown_ms']:+.2f} | {found['waited_ms']:.3f} | "
              f"{found['pictures']} | {found['per_s']:.0f} | {found['refused']:.0f} | {found['clients_p99_ms']:.2f} | {found['late_p99_ms']:.2f} | {found['cores']:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--idle", type=float, default=35.0, help="seconds of doing nothing; the service pings each socket every 30")
    parser.add_argument("--most", type=int, default=10_000, help="idle sockets")
    parser.add_argument("--only", default="ask,hold,flood,auth,health,video")
    parser.add_argument("--short", action="store_true", help="one round, shorter spans")
    wanted = parser.parse_args()
    if wanted.short:
        wanted.rounds, wanted.seconds, wanted.idle = 1, 2.0, 12.0
    cargo = ["--release", "--locked", "--manifest-path", str(box.ROOT / "benches/control/Cargo.toml")]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET / "control-bench")}
    subprocess.run(["cargo", "build", *cargo], env=environment, check=True)
    # Its own arithmetic first.
    subprocess.run(["cargo", "test", "--quiet", "--lib", *cargo], env=environment, check=True, stdout=subprocess.DEVNULL)
    parts = {
        "ask": lambda: ask(wanted.rounds, wanted.seconds),
        "hold": lambda: hold(wanted.rounds, wanted.idle, wanted.most),
        "flood": lambda: flood(wanted.rounds, wanted.seconds),
        "auth": lambda: auth(wanted.rounds, wanted.seconds),
        "health": lambda: health(wanted.rounds, wanted.seconds),
        "video": lambda: video(wanted.rounds, wanted.most, harsher=not wanted.short),
    }
    for name in wanted.only.split(","):
        print(f"\n{name}\n", flush=True)
        parts[name]()


if __name__ == "__main__":
    main()
