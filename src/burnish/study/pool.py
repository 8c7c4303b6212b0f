"""Several runs at a time, each in a process of its own: what crashes there, crashes alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from burnish.engine.signals import graceful
from burnish.study.line import Line
from burnish.study.plan import Job, finished

PAUSE = 0.5
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Failure:
    """A run that ended before its time: its folder, its log, and the last thing it said."""

    job: Job
    log: Path
    code: int
    reason: str

    def __str__(self) -> str:
        return f"{self.job.folder} failed (exit code {self.code}): {self.reason}; its log is {self.log}"


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass(frozen=True)
class Pool:
    """Where and how runs are made.

    Attributes:
        at_a_time: processes.
        threads: of each (OMP_NUM_THREADS).
        logs: folder for what they print.
        cards: a run sees that one which fewest others use (CUDA_VISIBLE_DEVICES); empty: whatever is there.
        inherit: file descriptors that they keep open.
        file: for the line of progress; standard output if None.
    """

    at_a_time: int
    threads: int
    logs: Path
    cards: Sequence[str] = ()
    inherit: Sequence[int] = ()
    file: TextIO | None = None

    def run(self, jobs: Sequence[Job], title: str) -> list[Failure]:
        """Brings every run to its end; finished ones are kept, interrupted ones resumed.

        The first interrupt asks the runs to finish their step and save, the second ends them at once.

        Returns:
            Those that failed; the others went on regardless.

        Raises:
            KeyboardInterrupt: after the runs have stopped.
        """
        waiting = [job for job in jobs if not finished(job)]
        progress = Line(jobs, waiting, title, self.file or sys.stdout)
        running: dict[Job, subprocess.Popen[bytes]] = {}
        card_of: dict[Job, str | None] = {}
        failures: list[Failure] = []
        with graceful() as stop, _no_survivors(running):
            while (waiting and not stop.stop) or running:
                while waiting and len(running) < self.at_a_time and not stop.stop:
                    job = waiting.pop(0)
                    used = [card_of[other] for other in running]
                    card_of[job] = min(self.cards, key=used.count, default=None)
                    running[job] = self._start(job, card_of[job])
                for job in [job for job, process in running.items() if process.poll() is not None]:
                    code = running.pop(job).returncode
                    if not finished(job) and not stop.stop:
                        failures.append(_failure(job, self._log(job), code))
                progress.show(list(running), len(failures))
                if stop.stop:
                    _ask_to_stop(running, progress)
                if running:
                    time.sleep(PAUSE)
            progress.show([], len(failures), last=True)
        if stop.stop:
            raise KeyboardInterrupt
        return failures

    def _log(self, job: Job) -> Path:
        return self.logs / job.folder.parent.name / f"{job.name}.log"

    def _start(self, job: Job, card: str | None) -> subprocess.Popen[bytes]:
        """A process in a session of its own: an interrupt from the keyboard reaches it through us alone."""
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads)}
        if card is not None:
            environment["CUDA_VISIBLE_DEVICES"] = card
        self._log(job).parent.mkdir(parents=True, exist_ok=True)
        with self._log(job).open("ab") as file:
            return subprocess.Popen(  # noqa: S603  our own command, no shell
                job.command(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=self.inherit,
            )


def _ask_to_stop(running: dict[Job, subprocess.Popen[bytes]], progress: Line) -> None:
    """Interrupts the runs once and waits until they have saved."""
    progress.say("stopping: the runs finish their step and save (interrupt again to end them at once)")
    for process in running.values():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    for process in running.values():
        process.wait()
    running.clear()


@contextlib.contextmanager
def _no_survivors(running: dict[Job, subprocess.Popen[bytes]]) -> Iterator[None]:
    """However the block is left, no process outlives it."""
    try:
        yield
    finally:
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _failure(job: Job, log: Path, code: int) -> Failure:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = next((line for line in reversed(lines) if line), "it said nothing")
    return Failure(job, log, code, said.removeprefix("error: ")[:300])
