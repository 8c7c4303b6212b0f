"""The runs of a study: one folder for each method, seed and trial, and how far each has come."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.errors import RunError
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Recipe
from burnish.recipes.text import parse_yaml, read_text
from burnish.report.events import read_events
from burnish.study.load import dump_study, recipe_of
from burnish.study.schema import Study


@dataclass(frozen=True, eq=False)
class Job:
    """One run of a study.

    Attributes:
        label: its method.
        seed: its seed.
        trial: number of the trial from 0 while tuning, else None.
        folder: the run folder.
        words: `[RECIPE, key.sub=value, …]`, as `burnish train` reads them.
        recipe: what they resolve to.
    """

    label: str
    seed: int
    trial: int | None
    folder: Path
    words: list[str]
    recipe: Recipe

    @property
    def name(self) -> str:
        """As its folder is called."""
        return self.folder.name

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        return self.recipe.train.steps

    def command(self) -> list[str]:
        """What brings the run to its end from where it is; removes a folder without a checkpoint."""
        burnish = [sys.executable, "-m", "burnish"]
        if any((self.folder / "checkpoints").glob("step_*")):
            return [*burnish, "resume", str(self.folder)]
        if self.folder.exists():  # it ended before its first checkpoint: nothing is lost
            shutil.rmtree(self.folder)
        return [*burnish, "train", *self.words]


def trials(study: Study, out: Path) -> list[Job]:
    """The runs that tune: each trial of each method with each tuning seed."""
    return [
        _job(study, label, seed, number, overrides, out / "tuning" / f"{label}-{number}-{seed}")
        for seed in study.tuning_seeds
        for label in study.methods
        for number, overrides in enumerate(study.trials(label))
    ]


def runs(study: Study, out: Path, chosen: Mapping[str, list[str]]) -> list[Job]:
    """The runs that are compared, seed by seed; `chosen` are the overrides that tuning found."""
    return [
        _job(study, label, seed, None, chosen.get(label, []), out / "runs" / f"{label}-{seed}")
        for seed in study.seeds
        for label in study.methods
    ]


def _job(study: Study, label: str, seed: int, trial: int | None, overrides: list[str], folder: Path) -> Job:
    more = [*overrides, f"run.seed={seed}", f"run.dir={json.dumps(str(folder))}"]
    words = [study.recipe, *study.overrides, *study.methods[label], *more]
    return Job(label, seed, trial, folder, words, recipe_of(study, label, more))


def steps_done(folder: Path) -> int:
    """Training steps in the run's log so far; 0 where there is none."""
    try:
        return sum(event["kind"] == "train" for event in read_events(folder / "metrics.jsonl"))
    except RunError:
        return 0


def finished(job: Job) -> bool:
    """Whether the run reached its last step, or its alarm ended it, and it then exported and reported."""
    try:
        events = read_events(job.folder / "metrics.jsonl")
    except RunError:
        return False
    ends = [event for event in events if event["kind"] == "end"]
    ended = any(event["step"] == job.steps or "exported" in event for event in ends)
    report, log = job.folder / "report.html", job.folder / "metrics.jsonl"
    told = report.is_file() and report.stat().st_mtime_ns >= log.stat().st_mtime_ns
    return ended and told and (job.folder / "model").exists()


def claim(study: Study, out: Path) -> int:
    """Makes the study's folder, or makes sure that it is this study's and nobody is at work in it.

    Returns:
        A file descriptor: while this process or one that inherits it lives, the folder is taken.

    Raises:
        RunError: `out` holds something else, is taken, or cannot be written.
    """
    kept = out / "study.yaml"
    try:
        if kept.is_file():
            values = parse_yaml(read_text(kept), str(kept))
            name = values.get("name") if isinstance(values, dict) else None
            if name != study.name:
                raise RunError(f"{out} holds the study {name}, not {study.name}: choose another --out")
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out} is not empty and holds no study: choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RunError(f"{out} is taken: a study or one of its runs is still at work there") from None
        kept.write_text(dump_study(study), encoding="utf-8")
        return lock
    except OSError as problem:
        raise RunError(f"{out} cannot be written ({problem.strerror}): choose another --out") from None


def same(jobs: list[Job]) -> None:
    """Makes sure that runs that are there already have the settings that the study asks for.

    Raises:
        RunError: one differs; the sentence names the first differing key.
    """
    for job in jobs:
        path = job.folder / "recipe.yaml"
        if path.is_file():
            there, asked = (dict(_flat(r.dump())) for r in (load_recipe(str(path)), job.recipe))
            for key in sorted(asked.keys() | there.keys()):
                if key != "run.dir" and there.get(key) != asked.get(key):
                    raise RunError(
                        f"{job.folder} was run with {key} {there.get(key)}, but the study says "
                        f"{asked.get(key)}: delete that folder to run it anew, or choose another --out"
                    )


def ready(jobs: list[Job]) -> None:
    """Makes sure, before anything is written, that the models of the runs to come are there.

    Raises:
        ModelError: one is not; the sentence says what to give.
    """
    from burnish.policies.load import folder_of

    for path in sorted({job.recipe.model.path for job in jobs if not finished(job)}):
        folder_of(path)


def _flat(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(values, dict):
        yield prefix, values
        return
    for key, inner in values.items():
        yield from _flat(inner, f"{prefix}.{key}".lstrip("."))
