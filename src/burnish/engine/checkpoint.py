"""Checkpoints that are complete or absent: written aside, hashed, synced, then renamed into place.

`CHECKPOINTS/step_00000020/` holds one safetensors file a group of tensors, `state.json`, and
`manifest.json` with the size and SHA-256 of each. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.errors import CheckpointError

FORMAT = 1


@dataclass
class Checkpoint:
    """A verified checkpoint, loaded.

    Attributes:
        step: training steps done.
        tensors: tensors by group and name.
        state: everything that is not a tensor.
        path: its folder.
        skipped: newer checkpoints that were damaged, a sentence each.
    """

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]
    path: Path
    skipped: list[str] = field(default_factory=list)


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int = 2,
) -> Path:
    """Writes `folder/step_…` atomically, then removes all but the newest `keep`.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    final = folder / f"step_{step:08d}"
    aside = folder / f"{final.name}.tmp-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob("step_*.tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)
        aside.mkdir()
        for group, members in tensors.items():
            contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in members.items()}
            save_file(contiguous, aside / f"{group}.safetensors")
        (aside / "state.json").write_text(json.dumps({"step": step, **state}), encoding="utf-8")
        files = {
            path.name: {"size": path.stat().st_size, "sha256": _digest(path)} for path in aside.iterdir()
        }
        manifest = {"format": FORMAT, "step": step, "files": files}
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in (*aside.iterdir(), aside):
            _sync(path)
        if final.exists():
            shutil.rmtree(final)
        os.replace(aside, final)
        _sync(folder)
    except Exception as problem:
        shutil.rmtree(aside, ignore_errors=True)
        if not isinstance(problem, OSError) and "SafetensorError" not in type(problem).__name__:
            raise
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder} ({problem}); "
            "free some space or mend the permissions, then `burnish resume`: older checkpoints are intact"
        ) from problem
    for old in sorted(_complete(folder))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load(path: Path) -> Checkpoint:
    """Reads and verifies one checkpoint.

    Raises:
        CheckpointError: a file is missing, of another size, or altered; the message names it.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        files = manifest["files"]
        known = manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise CheckpointError(f"{path} has no readable manifest.json ({type(problem).__name__})") from problem
    if not known:
        raise CheckpointError(f"{path} has format {manifest['format']}; this burnish reads format {FORMAT}")
    for name, fact in files.items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{path} is damaged: {name} is missing")
        if file.stat().st_size != fact["size"] or _digest(file) != fact["sha256"]:
            raise CheckpointError(f"{path} is damaged: {name} is not what was written")
    tensors = {Path(name).stem: load_file(path / name) for name in files if name.endswith(".safetensors")}
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    return Checkpoint(manifest["step"], tensors, state, path)


def latest(folder: Path) -> Checkpoint:
    """The newest checkpoint that verifies; damaged newer ones are named in `skipped`, never deleted.

    Raises:
        CheckpointError: there is none.
    """
    skipped: list[str] = []
    for path in sorted(_complete(folder), reverse=True):
        try:
            found = load(path)
        except CheckpointError as problem:
            skipped.append(str(problem))
            continue
        found.skipped = skipped
        return found
    reason = f"; damaged: {'; '.join(skipped)}" if skipped else ""
    raise CheckpointError(f"{folder} holds no complete checkpoint{reason}")


def _complete(folder: Path) -> list[Path]:
    return [path for path in folder.glob("step_*") if path.is_dir() and ".tmp-" not in path.name]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
