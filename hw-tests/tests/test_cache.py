"""The cache in unusual states. No guest needed."""
from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from rig import NotBuilt, cache, host, workdir
from rig.errors import MissingTool
from rig.image import apt, build


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    return tmp_path


def complete(root: Path, name: str, inputs: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"inputs": inputs, "kernel": "k"}))
    return folder


def test_an_empty_cache_says_what_to_do(root: Path) -> None:
    with pytest.raises(NotBuilt, match="python3 -m rig build"):
        cache.find_image()


def test_images_of_other_sources_and_half_built_ones_do_not_count(root: Path) -> None:
    complete(root, "other", "some other digest")
    complete(root, f"{cache.PARTIAL}half", cache.image_inputs())
    with pytest.raises(NotBuilt):
        cache.find_image()
    mine = complete(root, "mine", cache.image_inputs())
    assert cache.find_image() == mine


def test_a_sweep_clears_leftovers_and_old_images(root: Path) -> None:
    complete(root, f"{cache.PARTIAL}half", "x")
    for age, name in enumerate(["new", "newer", "old"]):
        os.utime(complete(root, name, "x"), (1000 - age, 1000 - age))
    (root / "new" / f"{cache.PARTIAL}state").touch()
    os.utime(root / "new", (2000, 2000))
    cache.sweep()
    assert sorted(path.name for path in root.iterdir()) == ["new", "newer"]
    assert [path.name for path in (root / "new").iterdir()] == ["manifest.json"]


def test_a_failed_build_leaves_no_image(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path, newest: apt.Kernel) -> None:
        folder.mkdir()
        (folder / "kernel").touch()
        raise RuntimeError("disk full")

    monkeypatch.setattr(apt, "newest_kernel", lambda: apt.Kernel("linux-image-x", "1"))
    monkeypatch.setattr(build, "fill", fails)
    for _ in range(2):  # the second one must not stumble over the first one's remains
        with pytest.raises(RuntimeError):
            build.build()
    with pytest.raises(NotBuilt):
        cache.find_image()


def test_another_qemu_means_another_state(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = complete(root, "image", "x")
    monkeypatch.setattr(cache, "qemu_version", lambda: "QEMU emulator version 7.2.22")
    before = cache.state_file(image)
    monkeypatch.setattr(cache, "qemu_version", lambda: "QEMU emulator version 10.0.2")
    assert cache.state_file(image) != before


def test_two_builders_take_turns(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns: list[str] = []

    def second() -> None:
        with cache.lock():
            turns.append("second")

    with cache.lock():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        turns.append("first")
    thread.join(10)
    assert turns == ["first", "second"]
    assert "waiting for another rig build" in capsys.readouterr().out


def test_a_missing_program_is_reported_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "locate", lambda program: None)
    with pytest.raises(MissingTool, match="apt-get install qemu-system-x86"):
        host.find("qemu-system-x86_64")


def test_folders_of_killed_runs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned, young = tmp_path / "rig-abandoned", tmp_path / "rig-young"
    held = workdir.Workdir()
    for folder in (abandoned, young):
        folder.mkdir()
        (folder / "lock").touch()
    for folder in (abandoned, held.path):
        os.utime(folder, (0, 0))
    workdir.remove_abandoned()
    assert sorted(tmp_path.iterdir()) == sorted([held.path, young])
    held.close()
