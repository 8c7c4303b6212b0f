"""Checkpoints that are complete or absent: written aside, hashed, synced, then renamed into place.

`CHECKPOINTS/step_00000020/` holds one safetensors file a group of tensors, `state.json`, and
`manifest.json` with the size and SHA-256 of each. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
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
    spare: Collection[int] = (),
) -> Path:
    """Writes `folder/step_…` atomically, then removes older ones so that `keep` remain with it.

    The steps in `spare` are never removed, and not counted. A step saved before is replaced; its old folder
    is only renamed until the new one is in place.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    final = folder / f"step_{step:08d}"
    aside = folder / f"{final.name}.tmp-{uuid.uuid4().hex[:8]}"
    retired = folder / f"{final.name}.old-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob("step_*.tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)
        aside.mkdir()
        for group, members in tensors.items():
            contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in members.items()}
            save_file(contiguous, aside / f"{group}.safetensors")
        (aside / "state.json").write_text(json.dumps({**state, "step": step}), encoding="utf-8")
        files = {
            path.name: {"size": path.stat().st_size, "sha256": _digest(path)} for path in aside.iterdir()
        }
        manifest = {"format": FORMAT, "step": step, "files": files}
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in (*aside.iterdir(), aside):
            _sync(path)
        if final.exists():
            os.replace(final, retired)
        os.replace(aside, final)
        _sync(folder)
    except Exception as problem:
        shutil.rmtree(aside, ignore_errors=True)
        if retired.exists() and not final.exists():
            with contextlib.suppress(OSError):  # `latest` finds it under either name
                os.replace(retired, final)
        if not isinstance(problem, OSError) and "SafetensorError" not in type(problem).__name__:
            raise
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder} ({problem}); "
            "free some space or mend the permissions, then `burnish resume`: older checkpoints are intact"
        ) from problem
    found = _complete(folder)
    spared = {f"step_{each:08d}" for each in spare}
    older = [path for path in found if path.name < final.name and path.name not in spared]
    replaced = [path for path in found if path.name.startswith(f"{final.name}.old-")]
    for old in (*older[: max(0, len(older) + 1 - keep)], *replaced):
        shutil.rmtree(old, ignore_errors=True)
    return final


def load(path: Path) -> Checkpoint:
    """Reads and verifies one checkpoint.

    Raises:
        CheckpointError: a file is missing, of another size, or altered; the message names it.
    """
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        step, known = manifest["step"], manifest["format"] == FORMAT
        files = {name: (fact["size"], fact["sha256"]) for name, fact in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CheckpointError(f"{path} has no readable manifest.json ({type(problem).__name__})") from problem
    if not known:
        raise CheckpointError(f"{path} has format {manifest['format']}; this burnish reads format {FORMAT}")
    for name in sorted({*files, "state.json"}):
        file = path / name
        if name not in files or not file.is_file():
            raise CheckpointError(f"{path} is damaged: {name} is missing")
        try:
            same = (file.stat().st_size, _digest(file)) == files[name]
        except OSError as problem:
            raise CheckpointError(f"{path} is damaged: {name} cannot be read ({problem})") from problem
        if not same:
            raise CheckpointError(f"{path} is damaged: {name} is not what was written")
    tensors = {Path(name).stem: load_file(path / name) for name in files if name.endswith(".safetensors")}
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    if state.get("step") != step:  # the manifest has no hash of its own
        raise CheckpointError(f"{path} is damaged: manifest.json is not what was written")
    return Checkpoint(step, tensors, state, path)


def latest(folder: Path) -> Checkpoint:
    """The newest checkpoint that verifies; damaged newer ones are named in `skipped`, never deleted.

    Raises:
        CheckpointError: there is none.
    """
    skipped: list[str] = []
    for path in reversed(_complete(folder)):
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
    """Folders of checkpoints, oldest first; a replaced one (`.old-`) comes before its replacement."""
    paths = [path for path in folder.glob("step_*") if path.is_dir() and ".tmp-" not in path.name]
    return sorted(paths, key=lambda path: (path.name.partition(".")[0], "." not in path.name))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
