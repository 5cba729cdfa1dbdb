"""Every fault that can be injected, and what a viewer notices of it.

Those of vivid are its controls; those of vh264 its module parameters (hw-tests/vh264/README.md).
"""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from .stand import Stand
from .viewer import Kind, Order
from .viewer import order as order_of

Act = Callable[[Stand], None]

#: Where vh264 takes its orders.
PARAMETERS = "/sys/module/vh264/parameters"
#: A fault that is neither mended nor over by then is a failure. Emulation included.
MENDED_WITHIN = 45.0
#: A gap between pictures up to this is no interruption: three frame intervals and some jitter.
UNNOTICED = 0.45


@dataclass(frozen=True)
class Fault:
    """One class of faults."""

    name: str
    inject: Act
    #: Ends what does not end by itself; recovery counts from here.
    lift: Act | None = None
    #: How long it lasts before it is lifted.
    seconds: float = 0.0
    #: Must leave a trace, in the pictures or in the counters: an injection that leaves none was none.
    stops: bool = True
    #: Takes so long that once is enough where time is short.
    slow: bool = False
    #: Only where a V4L2 encoder codes.
    hardware: bool = False


def control(name: str, words: str, undo: str = "", **more: Any) -> Fault:
    """A fault by vivid's controls."""
    lift: Act | None = (lambda stand: stand.control(undo)) if undo else None
    return Fault(name, lambda stand: stand.control(words), lift, **more)


def order(value: str) -> Act:
    """Writes module parameters of vh264: `fault_stall_after=1 fault_late_ms=0`."""
    def act(stand: Stand) -> None:
        writes = [
            f"echo {number} > {PARAMETERS}/{name}"
            for name, number in (word.split("=") for word in value.split())
        ]
        stand.guest.run("set -e; " + "; ".join(writes), 15, check=True)
    return act


def encoder(name: str, words: str, undo: str = "", **more: Any) -> Fault:
    """A fault of the encoder."""
    return Fault(name, order(words), order(undo) if undo else None, hardware=True, **more)


#: What the sensor and its driver may do.
CAMERA_FAULTS = [
    control("buffer flagged ERROR", "inject_v4l2_buf_flag_error=1", stops=False),
    control("QBUF refused once", "inject_vidioc_qbuf_error=1", stops=False),
    control("stream dead (DQBUF EIO)", "inject_fatal_streaming_error=1"),
    control("stream dead, then STREAMON refused", "inject_vidioc_streamon_error=1,inject_fatal_streaming_error=1"),
    control("device says it is gone", "disconnect=1"),
    control("device gone, then REQBUFS refused", "inject_vidioc_reqbufs_error=1,disconnect=1"),
    control("no frames for 4 s", "percentage_of_dropped_buffers=100", "percentage_of_dropped_buffers=0",
            seconds=4.0),
    control("half of the frames dropped", "percentage_of_dropped_buffers=50", "percentage_of_dropped_buffers=0",
            seconds=2.0, stops=False),
    # From the next start of the stream: sequence numbers wrap after 128 frames, time stamps after 16 s.
    control("sequence numbers and time stamps wrap",
            "wrap_sequence_number=1,wrap_timestamp=1,inject_fatal_streaming_error=1",
            "wrap_sequence_number=0,wrap_timestamp=0", seconds=18.0, slow=True),
    Fault("unplugged for 3 s", Stand.unplug, Stand.plug, seconds=3.0),
]

#: What the encoder and its driver may do.
ENCODER_FAULTS = [
    encoder("encoder: QBUF says EINVAL for ever", "fault_qbuf_einval_after=2"),
    encoder("encoder: swallows every second picture", "fault_swallow_every=2", "fault_swallow_every=0",
            seconds=2.0, stops=False),
    encoder("encoder: every second buffer flagged ERROR", "fault_error_every=2", "fault_error_every=0",
            seconds=2.0, stops=False),
    encoder("encoder: every picture 300 ms late", "fault_late_ms=300", "fault_late_ms=0",
            seconds=2.0, stops=False),
    encoder("encoder: stalls until streamed off", "fault_stall_after=2"),
    encoder("encoder: stalls until closed", "fault_stall_hard=2"),
    encoder("encoder: STREAMON refused once", "fault_streamon=1 fault_stall_after=2"),
    encoder("encoder: STREAMON refused three times", "fault_streamon=3 fault_stall_after=2"),
    encoder("encoder: STREAMON takes 4 s", "fault_streamon_block_ms=4000 fault_stall_after=2"),
    encoder("encoder: another size than asked for", "fault_sfmt_size=1 fault_stall_hard=2", "fault_sfmt_size=0",
            seconds=5.0, slow=True),
    # Of the bars, a key frame that is not raw would nearly fit.
    encoder("encoder: coded buffers too small", "raw=1 fault_small_capture=1 fault_stall_hard=2",
            "fault_small_capture=0 raw=0", seconds=5.0, slow=True),
    encoder("encoder: coded buffers of 0 bytes", "fault_bytesused=1", "fault_bytesused=0", seconds=2.0),
    encoder("encoder: coded buffers longer than they are", "fault_bytesused=2", "fault_bytesused=0", seconds=2.0),
    encoder("encoder: counts backwards", "fault_sequence=1", "fault_sequence=0", seconds=2.0, stops=False),
    encoder("encoder: time stamps of 0", "fault_timestamp=1", "fault_timestamp=0", seconds=2.0, stops=False),
    encoder("encoder: unrelated time stamps", "fault_timestamp=2", "fault_timestamp=0", seconds=2.0, stops=False),
    # Refused from the next opening on: pictures go on as copies.
    encoder("encoder: refuses to import", "fault_refuse_import=1 fault_stall_hard=2", "fault_refuse_import=0",
            seconds=5.0, slow=True),
]


@dataclass(frozen=True)
class Mended:
    """How one injection went."""

    fault: str
    #: Before and after.
    route: str
    route_after: str
    #: From the end of the fault (from its injection, if it ends by itself or the picture is back before)
    #: to the first picture after the longest gap. None: no gap that a viewer would notice.
    recovery_ms: float | None
    #: The longest span without a picture.
    gap_ms: float
    #: Pictures of the slate in between.
    slates: int
    #: Torn or wrongly coloured pictures.
    others: int
    #: Times vivid began to count anew, frames of it that never came, and how the service's counters moved.
    traces: dict[str, int]
    #: What get_camera_status says mended it.
    rung: str | None

    @property
    def left_a_trace(self) -> bool:
        return self.gap_ms > UNNOTICED * 1000 or bool(self.traces) or self.rung is not None

    def line(self) -> dict[str, Any]:
        """For recovery.jsonl."""
        return {**self.__dict__}


def run(stand: Stand, fault: Fault) -> Mended:
    """Injects, waits for the camera's pictures and says what it took. Raises when they do not come."""
    viewer = stand.viewer
    before = stand.status()
    begun = time.monotonic()
    fault.inject(stand)
    lifted = begun
    if fault.lift is not None:
        pause = max(0.0, fault.seconds - (time.monotonic() - begun))
        time.sleep(pause)
        lifted = time.monotonic()
        fault.lift(stand)
    # Pictures on their way still arrive: look only once the fault has had the time to show.
    settled = lifted + 0.8
    viewer.wait(f"pictures after: {fault.name}", lambda: viewer.flowing(settled), MENDED_WITHIN)
    end = time.monotonic()
    last, first = viewer.largest_gap(begun, end)
    gap = first - last
    # Injecting takes a while in the guest: no outage is longer than the gap in the pictures.
    took = min(first - (lifted if first > lifted else begun), gap)
    seen = viewer.frames(begun, end)
    noticed = gap > UNNOTICED
    after = stand.status()
    return Mended(
        fault=fault.name,
        route=str(before["extensions"].get("route", "?")),
        route_after=str(after["extensions"].get("route", "?")),
        recovery_ms=round(took * 1000, 1) if noticed else None,
        gap_ms=round(gap * 1000, 1),
        slates=sum(f.kind is Kind.SLATE for f in seen),
        others=sum(f.kind is Kind.OTHER for f in seen),
        traces=traces(before, after, order_of([f for f in seen if f.kind is Kind.CAMERA])),
        rung=rung(before, after),
    )


#: Counters that move without a fault.
NORMAL = ("captured", "encoded", "sent", "bytes_sent")


def traces(before: dict[str, Any], after: dict[str, Any], numbers: Order) -> dict[str, int]:
    """What an injection left behind: in the pictures' numbers and in the counters."""
    found = {"restarts": numbers.restarts, "missing": numbers.missing, "reordered": numbers.reordered}
    old, new = (status["extensions"].get("counters", {}) for status in (before, after))
    found |= {k: v - old.get(k, 0) for k, v in new.items() if k not in NORMAL and isinstance(v, int)}
    return {k: v for k, v in found.items() if v}


def rung(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Which rungs of the ladder mended which faults between two looks at the status."""
    old, new = (status["extensions"].get("recovery", {"mended": 0, "last": []}) for status in (before, after))
    fresh = new["last"][: new["mended"] - old["mended"]]
    return ", ".join(sorted({f"{each['rung']} ({each['fault']})" for each in fresh})) or None
