from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from burnish.engine import checkpoint
from burnish.errors import CheckpointError

FULL = "No space left on device"


def _tensors(step: int = 0) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "parameters": {"layer.weight": torch.arange(6.0).reshape(2, 3) + step, "layer.bias": torch.ones(3)},
        "optimizer": {"0.step": torch.tensor(float(step))},
        "ema": {},
    }


def _save(folder: Path, *steps: int, keep: int = 9) -> list[Path]:
    return [checkpoint.save(folder, step, _tensors(step), {"seen": step * 10}, keep=keep) for step in steps]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _is_step(found: checkpoint.Checkpoint, step: int) -> None:
    assert found.step == step
    assert found.state["seen"] == step * 10
    assert torch.equal(found.tensors["parameters"]["layer.weight"], torch.arange(6.0).reshape(2, 3) + step)


def test_round_trip_of_every_kind_of_tensor(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "parameters": {
            "bfloat16": torch.randn(3, 5).bfloat16(),
            "half": torch.randn(2).half(),
            "double": torch.randn(2, dtype=torch.float64),
            "transposed": base.T,
            "column": base[:, 1],
            "expanded": torch.tensor([1.0, 2.0])[:, None].expand(2, 3),
            "trained": torch.nn.Parameter(torch.randn(2)),
        },
        "counters.of.steps": {"int64": torch.tensor([2**40, -1]), "scalar": torch.tensor(7)},
        "flags": {"bool": torch.tensor([True, False]), "byte": torch.tensor([255], dtype=torch.uint8)},
        "shared": {"one": base, "two": base},
        "empty": {},
        "hollow": {"nothing": torch.zeros(0, 4)},
    }
    state = {"name": "Grün", "list": [1, 2.5, None, True], "big": 2**70, "deep": {"a": {"b": "c"}}}
    path = checkpoint.save(tmp_path / "a" / "b", 12, tensors, state)
    assert path.name == "step_00000012"
    found = checkpoint.latest(tmp_path / "a" / "b")
    assert (found.step, found.path, found.skipped) == (12, path, [])
    assert found.state == {"step": 12, **state}
    assert found.tensors.keys() == tensors.keys()
    for group, members in tensors.items():
        assert found.tensors[group].keys() == members.keys()
        for name, value in members.items():
            torch.testing.assert_close(found.tensors[group][name], value.detach(), rtol=0, atol=0)


def test_a_folder_holds_nothing_pickled_and_a_manifest_of_all(tmp_path: Path) -> None:
    (path,) = _save(tmp_path, 3)
    names = {"parameters.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json"}
    assert set(_names(path)) == {*names, "manifest.json"}
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["format"], manifest["step"], set(manifest["files"])) == (1, 3, names)


def test_the_newest_is_found_and_old_ones_are_pruned(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2, 10, keep=9)
    assert _names(tmp_path) == ["step_00000001", "step_00000002", "step_00000010"]
    _is_step(checkpoint.latest(tmp_path), 10)
    _save(tmp_path, 11, keep=2)
    assert _names(tmp_path) == ["step_00000010", "step_00000011"]
    _save(tmp_path, 12, keep=1)
    assert _names(tmp_path) == ["step_00000012"]


def test_pruning_never_takes_the_one_just_written(tmp_path: Path) -> None:
    """After a fall back to step 1 damaged newer folders remain; they must not push out the good one."""
    _, second, third = _save(tmp_path, 1, 8, 9)
    for path in (second, third):
        (path / "state.json").write_text("{}")
    (written,) = _save(tmp_path, 2, keep=1)
    assert written.is_dir()
    found = checkpoint.latest(tmp_path)
    _is_step(found, 2)
    assert len(found.skipped) == 2


def test_saving_a_step_twice_replaces_it(tmp_path: Path) -> None:
    _save(tmp_path, 4)
    checkpoint.save(tmp_path, 4, _tensors(5), {"seen": 1})
    found = checkpoint.latest(tmp_path)
    assert found.step == 4
    assert found.state["seen"] == 1
    assert found.tensors["optimizer"]["0.step"].item() == 5
    assert _names(tmp_path) == ["step_00000004"]


def test_state_cannot_change_the_step(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 4, _tensors(), {"step": 99, "seen": 40})
    assert checkpoint.latest(tmp_path).state == {"step": 4, "seen": 40}


def _fail(problem: Exception, after: int = 0, inner: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Works `after` times, then raises."""
    calls = [0]

    def broken(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise problem
        assert inner is not None
        return inner(*args, **kwargs)

    return broken


PLACES = [
    ("os.replace", os.replace, 0),
    ("_sync", checkpoint._sync, 0),
    ("_sync", checkpoint._sync, 3),
    ("save_file", checkpoint.save_file, 0),
    ("save_file", checkpoint.save_file, 2),
    ("json.dumps", json.dumps, 0),
    ("json.dumps", json.dumps, 1),
    ("_digest", checkpoint._digest, 1),
]


@pytest.mark.parametrize(("place", "inner", "after"), PLACES)
def test_a_full_disk_is_one_sentence_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, inner: Callable[..., Any], after: int
) -> None:
    _save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(f"burnish.engine.checkpoint.{place}", _fail(OSError(28, FULL), after, inner))
        with pytest.raises(
            CheckpointError,
            match=rf"checkpoint of step 2 could not be written to .*{FULL}.*older checkpoints are intact",
        ):
            _save(tmp_path, 2, keep=1)
    assert _names(tmp_path) == ["step_00000001"]
    _is_step(checkpoint.latest(tmp_path), 1)
    _save(tmp_path, 2)
    _is_step(checkpoint.latest(tmp_path), 2)


@pytest.mark.parametrize(("place", "inner", "after"), [*PLACES, ("os.replace", os.replace, 1)])
def test_a_failed_replacement_keeps_the_checkpoint_of_that_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, inner: Callable[..., Any], after: int
) -> None:
    _save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(f"burnish.engine.checkpoint.{place}", _fail(OSError(28, FULL), after, inner))
        with pytest.raises(CheckpointError, match=FULL):
            checkpoint.save(tmp_path, 1, _tensors(7), {"seen": 70})
    _is_step(checkpoint.latest(tmp_path), 1)
    assert not list(tmp_path.glob("*.tmp-*"))
    checkpoint.save(tmp_path, 1, _tensors(7), {"seen": 70})
    assert checkpoint.latest(tmp_path).state["seen"] == 70
    assert _names(tmp_path) == ["step_00000001"]


def test_a_process_killed_between_the_two_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A BaseException stands for the kill: no clean-up runs."""
    _save(tmp_path, 1)
    with monkeypatch.context() as patch:
        broken = _fail(KeyboardInterrupt(), 1, os.replace)  # type: ignore[arg-type]
        patch.setattr("burnish.engine.checkpoint.os.replace", broken)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, 1, _tensors(7), {"seen": 70})
    assert len(_names(tmp_path)) == 2  # the old one under another name, the new one without its own
    _is_step(checkpoint.latest(tmp_path), 1)
    _save(tmp_path, 2, keep=1)
    assert _names(tmp_path) == ["step_00000002"]


def test_a_replacement_is_preferred_to_what_it_replaces(tmp_path: Path) -> None:
    (path,) = _save(tmp_path, 1)
    shutil.copytree(path, tmp_path / "step_00000001.old-0123abcd")
    assert checkpoint.latest(tmp_path).path == path
    (path / "state.json").write_text("{}")
    found = checkpoint.latest(tmp_path)
    _is_step(found, 1)
    assert len(found.skipped) == 1


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="checkpoint of step 1 could not be written"):
        _save(tmp_path / "file", 1)


@pytest.mark.parametrize("place", ["os.replace", "_sync", "save_file", "json.dumps"])
def test_a_mistake_in_the_program_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    _save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(f"burnish.engine.checkpoint.{place}", _fail(RuntimeError("a bug")))
        with pytest.raises(RuntimeError, match=r"^a bug$") as caught:
            _save(tmp_path, 2)
    assert not isinstance(caught.value, CheckpointError)
    assert _names(tmp_path) == ["step_00000001"]


def test_a_state_that_is_not_json_is_a_mistake_in_the_program(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint.save(tmp_path, 1, {}, {"tensor": torch.ones(1)})
    assert _names(tmp_path) == []


def test_leftovers_of_a_killed_save_are_ignored_then_removed(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    stale = tmp_path / "step_00000009.tmp-0123abcd"
    shutil.copytree(tmp_path / "step_00000001", stale)
    _is_step(checkpoint.latest(tmp_path), 1)
    _save(tmp_path, 2)
    assert _names(tmp_path) == ["step_00000001", "step_00000002"]


def _flip(file: Path, position: float) -> None:
    data = bytearray(file.read_bytes())
    data[int(position * (len(data) - 1))] ^= 1
    file.write_bytes(bytes(data))


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


WEIGHTS = "parameters.safetensors"
ALTERED = "is damaged: {} is not what was written"
DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "flipped head": (lambda path: _flip(path / WEIGHTS, 0.0), ALTERED.format(WEIGHTS)),
    "flipped middle": (lambda path: _flip(path / WEIGHTS, 0.5), ALTERED.format(WEIGHTS)),
    "flipped end": (lambda path: _flip(path / WEIGHTS, 1.0), ALTERED.format(WEIGHTS)),
    "flipped state": (lambda path: _flip(path / "state.json", 0.9), ALTERED.format("state.json")),
    "truncated": (lambda path: _truncate(path / WEIGHTS), ALTERED.format(WEIGHTS)),
    "empty file": (lambda path: (path / WEIGHTS).write_bytes(b""), ALTERED.format(WEIGHTS)),
    "missing file": (lambda path: (path / WEIGHTS).unlink(), f"is damaged: {WEIGHTS} is missing"),
    "missing state": (lambda path: (path / "state.json").unlink(), "is damaged: state.json is missing"),
    "unlisted state": (
        lambda path: _edit(path, lambda m: m["files"].pop("state.json")),
        "is damaged: state.json is missing",
    ),
    "no manifest": (lambda path: (path / "manifest.json").unlink(), "has no readable manifest.json"),
    "bad JSON": (lambda path: _truncate(path / "manifest.json"), "has no readable manifest.json"),
    "not text": (
        lambda path: (path / "manifest.json").write_bytes(b"\xff\xfe{"),
        "no readable manifest.json",
    ),
    "a list": (lambda path: (path / "manifest.json").write_text("[]"), "no readable manifest.json"),
    "files a list": (lambda path: _edit(path, lambda m: m.update(files=[])), "no readable manifest.json"),
    "no files": (lambda path: _edit(path, lambda m: m.pop("files")), "no readable manifest.json"),
    "no hash": (
        lambda path: _edit(path, lambda m: m["files"][WEIGHTS].pop("sha256")),
        "no readable manifest.json",
    ),
    "no step": (lambda path: _edit(path, lambda m: m.pop("step")), "no readable manifest.json"),
    "other step": (lambda path: _edit(path, lambda m: m.update(step=3)), ALTERED.format("manifest.json")),
    "other format": (
        lambda path: _edit(path, lambda m: m.update(format=2)),
        "has format 2; this burnish reads format 1",
    ),
    "empty folder": (
        lambda path: [file.unlink() for file in path.iterdir()],
        "has no readable manifest.json",
    ),
}


@pytest.mark.parametrize("kind", list(DAMAGE))
def test_damage_is_named_and_the_older_checkpoint_serves(tmp_path: Path, kind: str) -> None:
    damage, sentence = DAMAGE[kind]
    _, path = _save(tmp_path, 1, 2)
    damage(path)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert sentence in str(caught.value)
    before = _names(path)
    found = checkpoint.latest(tmp_path)
    _is_step(found, 1)
    assert found.skipped == [str(caught.value)]
    assert _names(path) == before


def test_every_flipped_bit_of_the_manifest_is_caught_or_harmless(tmp_path: Path) -> None:
    """It has no hash of its own; a flip in it is an error in one sentence, or white space."""
    (path,) = _save(tmp_path, 2)
    file = path / "manifest.json"
    good = file.read_bytes()
    for index in range(len(good)):
        for bit in (0, 3, 5):
            changed = bytearray(good)
            changed[index] ^= 1 << bit
            file.write_bytes(bytes(changed))
            try:
                _is_step(checkpoint.load(path), 2)
            except CheckpointError:
                continue
            assert chr(good[index]).isspace(), (index, bit, chr(good[index]))


def test_an_unreadable_file_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = _save(tmp_path, 1)
    monkeypatch.setattr(checkpoint, "_digest", _fail(OSError(5, "Input/output error")))
    with pytest.raises(CheckpointError, match=r"is damaged: ema.safetensors cannot be read .*Input/output"):
        checkpoint.load(path)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=r"holds no complete checkpoint$"):
            checkpoint.latest(folder)


def test_only_damaged_checkpoints(tmp_path: Path) -> None:
    for path in _save(tmp_path, 1, 2):
        (path / WEIGHTS).unlink()
    with pytest.raises(
        CheckpointError, match=r"no complete checkpoint; damaged: .*step_00000002.*step_00000001"
    ):
        checkpoint.latest(tmp_path)
    assert _names(tmp_path) == ["step_00000001", "step_00000002"]


def test_saving_does_not_touch_the_tensors(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    checkpoint.save(tmp_path, 1, {"parameters": {"p": parameter}}, {})
    assert parameter.requires_grad
    loaded = checkpoint.latest(tmp_path).tensors["parameters"]["p"]
    loaded += 1  # a copy of its own, writable
    assert parameter.tolist() == [1, 1]
