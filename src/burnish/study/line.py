"""One line on how far a study is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO

from burnish.report.progress import clock
from burnish.study.plan import Job, finished, steps_done

REFRESH, LINE = 1.0, 30.0
"""Seconds between two states on a terminal, and between two lines elsewhere."""


class Line:
    """Overwritten on a terminal, now and then a new one elsewhere.

    Args:
        jobs: all runs.
        waiting: those that are not finished.
        title: what the line begins with.
        file: where it is printed.
    """

    def __init__(self, jobs: Sequence[Job], waiting: Sequence[Job], title: str, file: TextIO):
        self.jobs, self.title, self.file = list(jobs), title, file
        self.kept = len(jobs) - len(waiting)
        self.to_do = sum(job.steps for job in waiting)
        self.before = {job.name: steps_done(job.folder) for job in waiting}
        self.open = {job.name: job for job in waiting}
        self.began = self.shown = time.monotonic()
        self.terminal = file.isatty()
        self.text = ""

    def show(self, running: Sequence[Job], failed: int, *, last: bool = False) -> None:
        """Prints the line if it is time."""
        now = time.monotonic()
        if not last and now - self.shown < (REFRESH if self.terminal else LINE):
            return
        self.shown = now
        text = self.words(running, failed, now - self.began)
        if self.terminal:
            print(f"\r\x1b[2K{text}", end="\n" if last else "", file=self.file, flush=True)
        elif text != self.text:
            print(text, file=self.file, flush=True)
        self.text = text

    def words(self, running: Sequence[Job], failed: int, seconds: float) -> str:
        """Runs done and running, steps a minute over all of them, time left."""
        still = {job.name for job in running}
        done = self.kept + sum(finished(job) for name, job in self.open.items() if name not in still)
        steps = {name: steps_done(job.folder) for name, job in self.open.items()}
        gained = sum(max(0, count - self.before[name]) for name, count in steps.items())
        parts = [f"{self.title}: {done} of {len(self.jobs)} runs done", f"{len(running)} running"]
        if failed:
            parts.append(f"{failed} failed")
        if gained and seconds > 0:
            left = (self.to_do - sum(steps.values())) * seconds / gained
            parts += [f"{60 * gained / seconds:.1f} steps/min", f"left {clock(left)}"]
        return ", ".join(parts)

    def say(self, sentence: str) -> None:
        """A line of its own."""
        print(f"\r\x1b[2K{sentence}" if self.terminal else sentence, file=self.file, flush=True)
