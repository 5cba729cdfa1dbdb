"""Asks health again and again, and holds every "healthy" against what the viewer got."""
from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from .viewer import Viewer

#: A picture that stands still is to be called so within two seconds.
SILENCE = 2.0
#: The way of a picture from the service to the viewer, and of an answer, through an emulated machine.
TRANSIT = 0.7


class Answer(NamedTuple):
    """One answer: when it was asked for and had, and what it said."""

    asked: float
    had: float
    status: str
    faults: list[Any]


class HealthWatch:
    """Polls `/health` until it is closed. A context manager."""

    def __init__(self, port: int, pause: float = 0.15) -> None:
        self._url = f"http://127.0.0.1:{port}/health"
        self._pause = pause
        self._stop = threading.Event()
        self.answers: list[Answer] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "HealthWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def between(self, begin: float, end: float) -> list[Answer]:
        """The answers to questions asked in a span."""
        return [a for a in list(self.answers) if begin <= a.asked <= end]

    def lies(self, viewer: Viewer, since: float = 0.0) -> list[str]:
        """Answers that said "healthy" while the viewer had no picture for too long, and got none soon."""
        answers = list(self.answers)
        found = [] if any(a.asked >= since for a in answers) else ["health answered nothing at all"]
        for answer in answers:
            if answer.asked < since or answer.status != "healthy":
                continue
            last = viewer.last_camera(answer.had)
            if not last:
                continue  # a reader that has only begun cannot tell
            silent = answer.asked - last
            # What is on its way already is no silence.
            if silent > SILENCE + TRANSIT and not viewer.shows(answer.asked, answer.had + TRANSIT):
                found.append(f'"healthy" at {answer.asked:.2f}, {silent:.2f} s after the last picture')
        return found

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            asked = time.monotonic()
            try:
                with urllib.request.urlopen(self._url, timeout=5) as reply:
                    body = json.load(reply)
            except urllib.error.HTTPError as error:
                body = json.load(error)
            except (OSError, ValueError):
                continue  # `lies` sees that nothing was answered
            faults = body.get("extensions", {}).get("faults", [])
            self.answers.append(Answer(asked, time.monotonic(), body["status"], faults))
