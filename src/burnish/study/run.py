"""A study from its plan to its page: tune if asked, run what is missing, write what was found."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from burnish.engine.devices import cards
from burnish.study.files import write_files
from burnish.study.load import recipe_of
from burnish.study.page import html
from burnish.study.plan import claim, finished, ready, runs, same, trials
from burnish.study.pool import Failure, Pool, cores
from burnish.study.readme import drawings, markdown
from burnish.study.record import Record, record
from burnish.study.schema import Study
from burnish.study.tuning import choose


@dataclass(frozen=True)
class Outcome:
    """Where the page is (None if tuning is incomplete), what it answers, and the runs that failed."""

    page: Path | None
    answers: list[str]
    failures: list[Failure]


def at_a_time(study: Study, jobs: int | None = None) -> int:
    """Parallel runs: as asked, as the study says, one a card, or cores // threads."""
    return jobs or study.jobs or len(shared(study)) or max(1, cores() // study.threads)


def shared(study: Study) -> list[str]:
    """The cards that the runs share; none where there are none or the study names another device."""
    return cards() if recipe_of(study, study.baseline).run.device in ("auto", "cuda") else []


def conduct(
    study: Study, out: Path, *, command: str, jobs: int | None = None, file: TextIO | None = None
) -> Outcome:
    """Runs a study in `out`; runs that are finished are kept, interrupted ones resumed.

    Args:
        study: what to run.
        out: its folder.
        command: what was typed, for the page.
        jobs: parallel runs, in place of the study's.
        file: for the line of progress; standard output if None.

    Raises:
        ModelError: a model is not there.
        RunError: `out` belongs to something else, or a run there has other settings.
        KeyboardInterrupt: after the runs have stopped; call it again to go on.
    """
    tuning, untuned = trials(study, out), runs(study, out, {})
    ready([*tuning, *untuned])
    lock = claim(study, out)
    try:
        same(tuning or untuned)
        found = []
        pool = Pool(at_a_time(study, jobs), study.threads, out / "logs", shared(study), (lock,), file)
        if tuning:
            failures = pool.run(tuning, f"{study.name}, tuning")
            if failures:
                return Outcome(None, [], failures)
            found = choose(study, tuning)
        planned = runs(study, out, {trial.label: trial.overrides for trial in found if trial.chosen})
        same(planned)
        failures = pool.run(planned, study.name)
        done = [job for job in planned if finished(job)]
        said = [str(failure) for failure in failures]
        told = record(study, command, done, len(planned), said, found)
        return Outcome(write(told, out), told.answers, failures)
    finally:
        os.close(lock)


def write(told: Record, out: Path) -> Path:
    """Writes `study.json`, `README.md`, `figures/` and `index.html`; returns the last.

    Raises:
        RunError: the folder cannot be written.
    """
    files = {
        "study.json": json.dumps(told.as_dict(), indent=2, ensure_ascii=False) + "\n",
        **drawings(told),
        "README.md": markdown(told),
        "index.html": html(told),
    }
    write_files(out, files)
    return out / "index.html"
