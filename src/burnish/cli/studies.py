"""study: methods compared under equal budgets."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.cli.words import Interrupted, UsageError, at_least, parser_of, print_table

if TYPE_CHECKING:
    from burnish.study.schema import Study


def study(rest: list[str]) -> None:
    """Compare methods under equal budgets over seeds: a bundled study (quick, slas …) or a YAML file.

    Finished runs are kept and interrupted ones resumed: the same command goes on where it stopped.
    """
    usage = "NAME_OR_FILE [--out DIR] [--jobs N] [--seeds 0,1,2] [--dry-run] | --list"
    parser = parser_of(study, usage)
    parser.add_argument("name", nargs="?", metavar="NAME_OR_FILE")
    parser.add_argument("--out", type=Path, help="folder (default: runs/study-NAME)")
    parser.add_argument(
        "--jobs", type=at_least(1), help="runs at a time (default: the study's, or one a card or core)"
    )
    parser.add_argument("--seeds", type=_seeds, help="in place of the study's, such as 0,1,2")
    parser.add_argument("--dry-run", action="store_true", help="print the runs and their rollouts, and stop")
    parser.add_argument("--list", action="store_true", help="print the bundled studies")
    options = parser.parse_intermixed_args(rest)
    from burnish.study.load import bundled, checked, load_study

    if options.list:
        rows = [(found.name, found) for found in map(load_study, bundled())]
        cells = [[n, str(len(s.methods)), str(len(s.seeds)), s.question] for n, s in rows]
        print_table("", ["study", "methods", "seeds", "question"], cells)
        return
    if not options.name:
        raise UsageError(
            "name a study, such as quick, or a YAML file; burnish study --list shows the bundled"
        )
    asked = load_study(options.name)
    if options.seeds:
        asked = checked({**asked.model_dump(), "seeds": options.seeds}, f"{options.name} --seeds")
    out = options.out or Path("runs") / f"study-{asked.name}"
    if options.dry_run:
        _show(asked, out)
        return
    _run(asked, out, options.jobs, shlex.join(["burnish", "study", *rest]))


def _show(asked: Study, out: Path) -> None:
    from burnish.study.budget import rollouts
    from burnish.study.plan import finished, runs, steps_done, trials

    jobs = [*trials(asked, out), *runs(asked, out, {})]
    rows = []
    for job in jobs:
        state = "finished" if finished(job) else f"step {done}" if (done := steps_done(job.folder)) else "new"
        own = " ".join(job.words[1 + len(asked.overrides) : -2]) or "-"
        rows.append([str(job.folder), str(job.steps), f"{rollouts(job.recipe)}", state, own])
    print_table("", ["run", "steps", "rollouts", "state", "its own settings"], rows)
    total = sum(rollouts(job.recipe) for job in jobs)
    print(f"{len(jobs)} runs, at most {total:,} rollouts in all; evaluations are not counted")


def _run(asked: Study, out: Path, jobs: int | None, command: str) -> None:
    from burnish.study.run import at_a_time, conduct

    print(f"{asked.question}\nin {out}, {at_a_time(asked, jobs)} runs at a time", flush=True)
    try:
        outcome = conduct(asked, out, command=command, jobs=jobs)
    except KeyboardInterrupt:
        raise Interrupted(command) from None
    if outcome.page:
        print("\n".join([*outcome.answers, f"page: {outcome.page}"]))
    for failure in outcome.failures:
        print(f"error: {failure}", file=sys.stderr)
    if outcome.failures:
        print(f"the same command tries again: {command}", file=sys.stderr)
        raise SystemExit(1)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from None
