"""Fixtures for tests that need a guest. Being here puts `rig` on the path."""
from __future__ import annotations

from typing import Iterator

import pytest

from rig import Guest, NotBuilt, cache, saved
from rig.image import build


@pytest.fixture(scope="session")
def image() -> None:
    """Image and saved state are there; the first run on a machine makes them."""
    try:
        folder = cache.find_image()
    except NotBuilt:
        folder = build.build()
    saved.ensure(folder)


@pytest.fixture
def guest(image: None) -> Iterator[Guest]:
    """A fresh guest without files or ports."""
    with Guest.restore() as restored:
        yield restored
