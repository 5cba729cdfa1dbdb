"""What recordings cost: to index and to list many of them, beside MediaMTX on the same tree, and to have growing ones flushed.

    tools/bench recordings [--recordings 100000] [--rounds 7] [--passes 3] [--seconds 20] [--only lists,start,snapshots,flush]
    tools/bench recordings --short             10,000 recordings and one short pass, as `make bench` runs it

lists   `cargo bench --bench index` makes the tree and measures the index by itself: lost, intact, each question. Then MediaMTX
        and after it the service are started on that tree and asked over loopback, until the last byte of the answer. Each
        kind of question finds a MediaMTX that has just been started, so that memory belongs to it.
start   `start_recording` on a test camera, until the answer says that the file is on the disk.
snapshots  `take_snapshot` on a test camera, and what a viewer of it sees meanwhile.
flush   `cargo bench --bench flush`: what is left of the throughput where growing recordings are flushed.

Everything lies in a folder beneath target/bench, removed at the end: a folder for temporary files may be memory.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib.parse import urlencode

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "hw-tests")]
import box  # noqa: E402
from campaign.rpc import Rpc  # noqa: E402

BENCH = box.ROOT / "target/bench"
OUT = BENCH / "recordings.jsonl"
MEDIAMTX = Path(os.environ.get("MEDIAMTX", box.ROOT / "target/mediamtx/mediamtx"))
CAMERA = "camera0"
PAGE = 50
#: The service answers so much faster that a few questions would be less than a tick of the kernel's account.
OURS_PER_ROUND = 50


def record(**figures: Any) -> dict[str, Any]:
    """One line for programs."""
    line = {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
    with OUT.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    return line


def cargo_bench(name: str, *words: str) -> list[dict[str, Any]]:
    """Runs one of the benches in Rust; the lines that it has added to its file."""
    figures = BENCH / f"{name}.jsonl"
    before = figures.stat().st_size if figures.exists() else 0
    subprocess.run(["cargo", "bench", "--quiet", "--locked", "--bench", name, "--", *words], cwd=box.ROOT, check=True, stdout=subprocess.DEVNULL)
    with figures.open(encoding="utf-8") as lines:
        lines.seek(before)
        return [json.loads(line) for line in lines]


def index(count: int, tree: Path) -> None:
    """The index by itself, without JSON and network."""
    print("\n| the index by itself | until then | CPU | written | resident, most so far |\n|---|---|---|---|---|")
    times = []
    for line in cargo_bench("index", str(count), str(tree)):
        record(bench="index", **line)
        if "seconds" in line:
            print(f"| {line['what']} | {line['seconds']:.2f} s | {line['cpu_seconds']:.2f} s | {line['written_bytes'] / 1e6:.1f} MB | "
                  f"{line['rss_mib']:.0f}, {line['rss_most_so_far_mib']:.0f} MiB |")
        elif "p50_ms" in line:
            times.append(line)
        elif "bytes" in line:
            print(f"| bytes of the index | | | {line['bytes'] / 1e6:.1f} MB | |")
    print("\n| the index by itself | p50 ms | p99 ms | worst ms |\n|---|---|---|---|")
    for line in times:
        print(f"| {line['what']} | {line['p50_ms']:.3f} | {line['p99_ms']:.3f} | {line['max_ms']:.3f} |")
    sys.stdout.flush()


def peak_mib(pid: int) -> float:
    """The most memory that a process has had."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")) / 1024


#: One question: sends it, gives the seconds until its last byte, its bytes, and the answer.
Ask = Callable[[], tuple[float, int, Any]]


class Rows:
    """The table of what was asked over loopback."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def measure(self, who: str, what: str, pid: int, ask: Ask, listed: Callable[[Any], int], expected: int, rounds: int) -> None:
        """Asks so often. A wrong count voids the comparison, so it is an error."""
        rss, cpu = box.rss_mib(pid), box.cpu_seconds(pid)
        asked = []
        answer = None
        for _ in range(rounds):
            took, size, answer = ask()
            asked.append((took * 1000, size))
        cpu = box.cpu_seconds(pid) - cpu
        found = listed(answer)
        if found != expected:
            raise RuntimeError(f"{who}, {what}: {found} recordings instead of {expected}")
        self.lines.append({
            "bench": "wire", "who": who, "what": what, "recordings_told": found, "rounds": rounds,
            "median_ms": statistics.median(took for took, _ in asked), "worst_ms": max(took for took, _ in asked),
            "answer_bytes": asked[-1][1], "cpu_ms_per_question": cpu / rounds * 1000,
            "rss_before_mib": rss, "rss_after_mib": box.rss_mib(pid), "rss_most_mib": peak_mib(pid),
        })

    def show(self) -> None:
        """All of them, with the ratios to a page of the service. Of a busy machine believe the ratio of CPU: who needs longer
        is interrupted more often."""
        page = next(line for line in self.lines if line["what"] == f"list_recordings limit={PAGE}")
        print("\n| asked over loopback | recordings told | median ms | worst ms | of the service's page | answer | "
              "CPU ms per question | of the service's page | resident before, after, most |\n|---|---|---|---|---|---|---|---|---|")
        for line in self.lines:
            ratio = line["median_ms"] / page["median_ms"]
            cpu_ratio = line["cpu_ms_per_question"] / page["cpu_ms_per_question"] if page["cpu_ms_per_question"] else None
            line = record(**line, median_ratio_to_our_page=ratio, cpu_ratio_to_our_page=cpu_ratio)
            memory = ", ".join(f"{line[f'rss_{when}_mib']:.0f}" for when in ("before", "after", "most"))
            print(f"| {line['who']}: {line['what']} | {line['recordings_told']} | {line['median_ms']:.2f} | {line['worst_ms']:.2f} | "
                  f"{ratio:.2f} | {line['answer_bytes'] / 1000:.1f} kB | {line['cpu_ms_per_question']:.2f} | "
                  f"{cpu_ratio or 0:.2f} | {memory} MiB |", flush=True)


@contextlib.contextmanager
def mediamtx(tree: Path, cameras: list[str]) -> Iterator[tuple[int, int, int]]:
    """A MediaMTX on the tree: its process, the port of its API, and that of its playback server."""
    api, playback = box.free_port(), box.free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "mediamtx.yml"
        # It deletes what is older than a day unless told otherwise. Paths by their names: it looks for those with less work
        # than for whatever may lie there. The time to answer is ten seconds unless told otherwise.
        config.write_text(
            f"api: yes\napiAddress: 127.0.0.1:{api}\nplayback: yes\nplaybackAddress: 127.0.0.1:{playback}\nwriteTimeout: 120s\n"
            "rtsp: no\nrtmp: no\nhls: no\nwebrtc: no\nsrt: no\nmoq: no\nlogLevel: warn\n"
            f"pathDefaults:\n  recordPath: {tree}/%path/%path_%Y-%m-%d_%H-%M-%S-%f\n  recordFormat: fmp4\n  recordDeleteAfter: 0s\n"
            "paths:\n" + "".join(f"  {camera}:\n" for camera in cameras), encoding="utf-8")
        with box.LOG.open("a", encoding="utf-8") as log:
            # It takes the times in names for local ones; ours are UTC.
            process = subprocess.Popen([MEDIAMTX, config], env=os.environ | {"TZ": "UTC"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 20
            for port, path in ((api, "/v3/info"), (playback, "/")):
                while True:
                    with contextlib.suppress(OSError):
                        get(port, path)()
                        break
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"MediaMTX does not answer; {box.LOG} says why")
                    time.sleep(0.05)
            yield process.pid, api, playback
        finally:
            box.end(process)


def get(port: int, path: str, may_fail: bool = True) -> Ask:
    """A question by HTTP, on one connection for all of them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)

    def ask() -> tuple[float, int, Any]:
        begin = time.perf_counter()
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        took = time.perf_counter() - begin
        if reply.status != 200 and not may_fail:
            raise RuntimeError(f"{path}: {reply.status} {body[:300]!r}")
        return took, len(body), json.loads(body) if reply.status == 200 else None

    return ask


def ask_mediamtx(rows: Rows, tree: Path, stems: dict[str, list[str]], rounds: int) -> int:
    """Each of its lists; gives how many recordings a camera has in the newest day."""
    everything, own = sum(map(len, stems.values())), stems[CAMERA]
    moments = [datetime.datetime.strptime(stem.split("_", 1)[1], "%Y-%m-%d_%H-%M-%S-%f") for stem in own]
    newest = max(moments)
    first = newest - datetime.timedelta(days=1)
    # Neither end may fall into a recording, which would be told as a part of itself.
    span = {"start": f"{first + datetime.timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}", "end": f"{newest + datetime.timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"}
    day = sum(moment > first for moment in moments)
    playback = "/list?" + urlencode({"path": CAMERA})
    kinds: list[tuple[str, bool, str, Callable[[Any], int], int]] = [
        ("/v3/recordings/list?itemsPerPage=50", False, "/v3/recordings/list?itemsPerPage=50",
         lambda told: sum(len(item["segments"]) for item in told["items"]), everything),
        (f"/v3/recordings/get/{CAMERA}", False, f"/v3/recordings/get/{CAMERA}", lambda told: len(told["segments"]), len(own)),
        (f"playback {playback}", True, playback, len, len(own)),
        (f"playback {playback}, one day", True, f"{playback}&{urlencode(span)}", len, day),
    ]
    for what, played, path, listed, expected in kinds:
        with mediamtx(tree, sorted(stems)) as (pid, api, player):
            rows.measure("MediaMTX", what, pid, get(player if played else api, path, may_fail=False), listed, expected, rounds)
    return day


class Client(Rpc):
    """Knows when the last frame had come, and how long it was."""

    arrived, size = 0.0, 0

    def _receive(self) -> tuple[int, bytes]:
        kind, body = super()._receive()
        self.arrived, self.size = time.perf_counter(), len(body)
        return kind, body

    def ask(self, method: str, **params: Any) -> Ask:
        """A question, to be sent as often as it is called."""
        def ask() -> tuple[float, int, Any]:
            begin = time.perf_counter()
            answer = self.call(method, **params)
            return self.arrived - begin, self.size, answer
        return ask


def until_still(pid: int, seconds: float = 180) -> None:
    """Until a process works no more than its camera needs: the service looks into recordings behind its first answers."""
    deadline = time.monotonic() + seconds
    calm = 0
    while calm < 3:
        [(percent, _)] = box.usage([pid], 1)
        calm = calm + 1 if percent < 10 else 0
        if time.monotonic() > deadline:
            raise RuntimeError(f"the service still works after {seconds:.0f} s")


def known(tree: Path, state: Path, stem: str) -> None:
    """Makes the tree that of a box which has been at work before: its evidence chain has begun. Else the service would begin
    one with all that it finds, and seal each recording, before it rests."""
    with tempfile.TemporaryDirectory(prefix="first-", dir=tree.parent) as folder:
        first = Path(folder)
        (first / CAMERA).mkdir()
        os.link(tree / CAMERA / f"{stem}.mp4", first / CAMERA / f"{stem}.mp4")
        with box.Demo("160x120", 2, state, CAMERA_SERVICE_STORAGE_RECORDINGS_DIR=str(first)):
            deadline = time.monotonic() + 60
            while not any('"seal"' in piece.read_text(encoding="utf-8") for piece in (first / ".evidence").glob("chain-*")):
                if time.monotonic() > deadline:
                    raise RuntimeError("the service does not seal its first recording")
                time.sleep(0.2)
        (first / ".evidence").rename(tree / ".evidence")


def ask_service(rows: Rows, tree: Path, stems: dict[str, list[str]], day: int, rounds: int) -> None:
    """The service on the same tree, over its own wire; its camera is so small that it costs nothing."""
    everything, own = sum(map(len, stems.values())), stems[CAMERA]
    state = tree.parent / "state"
    known(tree, state, own[0])
    with box.Demo("160x120", 2, state, CAMERA_SERVICE_STORAGE_RECORDINGS_DIR=str(tree),
                  CAMERA_SERVICE_SECURITY_RATE_LIMIT_REQUESTS="0") as demo:
        port = int(demo.card["ws"].rsplit(":", 1)[1].split("/")[0])
        with Client(port, demo.card["tokens"]["viewer"]) as client:
            until_still(demo.pid)
            line = record(bench="service", what="at rest", recordings=everything, rss_mib=box.rss_mib(demo.pid),
                          rss_most_mib=peak_mib(demo.pid), cpu_seconds_so_far=box.cpu_seconds(demo.pid))
            print(f"\nThe service on {everything} recordings, at rest after its start: resident {line['rss_mib']:.0f} MiB, at most "
                  f"{line['rss_most_mib']:.0f} MiB; {line['cpu_seconds_so_far']:.2f} s of CPU so far, camera included")
            ask = client.ask
            _, _, told = ask("list_recordings", limit=PAGE)()
            if told["total"] != everything:
                raise RuntimeError(f"the service knows {told['total']} recordings instead of {everything}")
            many = rounds * OURS_PER_ROUND
            # The service keeps its last answer for whoever asks the same again: two pages in turn are never that.
            turns = itertools.cycle((0, 1))

            def page(limit: int) -> Ask:
                return lambda: ask("list_recordings", limit=limit, offset=next(turns))()

            def files(told: Any) -> int:
                return len(told["files"])

            for limit in (PAGE, day):
                rows.measure("camera-service", f"list_recordings limit={limit}", demo.pid, page(limit), files, limit, many)
            rows.measure("camera-service", f"list_recordings limit={PAGE}, the same again", demo.pid, ask("list_recordings", limit=PAGE),
                         files, PAGE, many)
            # Another one each time.
            step = max(1, len(own) // many)
            names = iter((own[::step] * many)[:many])

            def info() -> tuple[float, int, Any]:
                return client.ask("get_recording_info", filename=next(names))()

            rows.measure("camera-service", "get_recording_info", demo.pid, info, lambda told: int("duration" in told), 1, many)


def lists(count: int, rounds: int) -> None:
    """The index by itself, and everybody's lists of one tree."""
    with tempfile.TemporaryDirectory(prefix="recordings-", dir=BENCH) as folder:
        tree = Path(folder) / "tree"
        index(count, tree)
        stems = {camera.name: sorted(file.stem for file in camera.glob("*.mp4")) for camera in tree.glob("camera*")}
        rows = Rows()
        day = ask_mediamtx(rows, tree, stems, rounds)
        ask_service(rows, tree, stems, day, rounds)
        rows.show()


def start(times: int) -> None:
    """How long a camera waits for its recording to begin; a key frame is asked for, so no luck is needed."""
    took = []
    with box.Demo("640x480") as demo:
        port = int(demo.card["ws"].rsplit(":", 1)[1].split("/")[0])
        with Client(port, demo.card["tokens"]["operator"]) as client:
            for _ in range(times):
                seconds, _, _ = client.ask("start_recording", device=CAMERA)()
                took.append(seconds * 1000)
                # Each beginning falls elsewhere between two key frames.
                time.sleep(1.1)
                client.call("stop_recording", device=CAMERA)
    line = record(bench="start", times=times, median_ms=statistics.median(took), worst_ms=max(took))
    print(f"\nstart_recording, {times} times: median {line['median_ms']:.0f} ms, worst {line['worst_ms']:.0f} ms", flush=True)


def snapshots(times: int) -> None:
    """How long a snapshot takes, and what a viewer notices of them."""
    took: list[float] = []
    seen: dict[str, dict[str, Any]] = {}
    with box.Demo("1280x720") as demo:
        port = int(demo.card["ws"].rsplit(":", 1)[1].split("/")[0])
        with Client(port, demo.card["tokens"]["operator"]) as client:
            def take() -> None:
                for _ in range(times):
                    seconds, _, _ = client.ask("take_snapshot", device=CAMERA)()
                    took.append(seconds * 1000)
                    time.sleep(0.23)

            span = times * 0.28
            seen["alone"] = box.read(demo.rtsp(), "1280x720", span)
            taker = threading.Thread(target=take)
            taker.start()
            seen["beside"] = box.read(demo.rtsp(), "1280x720", span)
            taker.join()
    if len(took) < times:
        raise RuntimeError("a snapshot failed; target/bench/service.log says why")
    took.sort()
    line = record(bench="snapshots", times=times, median_ms=statistics.median(took), p95_ms=took[len(took) * 95 // 100],
                  worst_ms=took[-1], viewer=seen)
    print(f"\ntake_snapshot, 1280x720, {times} times: median {line['median_ms']:.0f} ms, p95 {line['p95_ms']:.0f} ms, worst {line['worst_ms']:.0f} ms")
    for what, told in seen.items():
        print(f"a viewer {what}: {told}", flush=True)


def flush(passes: int, seconds: int) -> None:
    """What flushing leaves of the throughput; with 0 the kernel writes when it likes."""
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="flush-", dir=BENCH) as folder:
        for _ in range(passes):
            lines += cargo_bench("flush", folder, "4", str(seconds))
    print("\n| four recordings grow | flush_interval_ms | MB/s | of that without flushes | write p99 ms | worst write ms | longest flush ms | "
          "written for a byte |\n|---|---|---|---|---|---|---|---|")
    for pace in dict.fromkeys(line["pace"] for line in lines):
        without = None
        for every in dict.fromkeys(line["flush_interval_ms"] for line in lines):
            own = [line for line in lines if (line["pace"], line["flush_interval_ms"]) == (pace, every)]
            rate = statistics.median(line["mb_per_s"] for line in own)
            without = rate if every == 0 else without
            told = [line["written_for_payload"] for line in own if line["written_for_payload"] is not None]
            line = record(
                bench="flush", pace=pace, flush_interval_ms=every, passes=passes, mb_per_s=rate,
                ratio_to_no_flush=rate / without if without else None,
                write_p99_ms=statistics.median(line["write_p99_us"] for line in own) / 1000,
                write_worst_ms=max(line["write_max_us"] for line in own) / 1000,
                longest_flush_ms=max(line["longest_flush_ms"] for line in own),
                written_for_payload=statistics.median(told) if told else None)
            written = "not told" if line["written_for_payload"] is None else f"{line['written_for_payload']:.2f}"
            print(f"| {pace} | {every} | {rate:.1f} | {line['ratio_to_no_flush'] or 0:.2f} | {line['write_p99_ms']:.1f} | "
                  f"{line['write_worst_ms']:.0f} | {line['longest_flush_ms']} | {written} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7, help="how often MediaMTX is asked each question")
    parser.add_argument("--passes", type=int, default=3, help="of the bench of flushing")
    parser.add_argument("--seconds", type=int, default=20, help="of each of its rows at a camera's pace")
    parser.add_argument("--only", default="lists,start,snapshots,flush")
    parser.add_argument("--short", action="store_true", help="10,000 recordings, three rounds, one short pass")
    wanted = parser.parse_args()
    if wanted.short:
        wanted.recordings, wanted.rounds, wanted.passes, wanted.seconds = 10_000, 3, 1, 5
    # The newest day must be whole.
    if wanted.recordings < 10_000:
        parser.error("fewer than 10,000 recordings do not fill a day")
    BENCH.mkdir(parents=True, exist_ok=True)
    OUT.write_text("", encoding="utf-8")
    parts = {
        "lists": lambda: lists(wanted.recordings, wanted.rounds),
        "start": lambda: start(10 if wanted.short else 20),
        "snapshots": lambda: snapshots(40 if wanted.short else 100),
        "flush": lambda: flush(wanted.passes, wanted.seconds),
    }
    for name in wanted.only.split(","):
        parts[name]()


if __name__ == "__main__":
    main()
