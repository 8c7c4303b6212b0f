"""Progress of a run: a live bar on a terminal, one plain line an update anywhere else."""

import math
import sys
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

_LABELS = {"reward": "reward", "held_out": "held-out"}


class Progress:
    """Use as a context manager; `start` is the step that a resumed run begins from."""

    def __init__(self, total: int, title: str, start: int = 0, file: TextIO | None = None) -> None:
        self.total, self.title, self.start, self.step = total, title, start, start
        self._file = file if file is not None else sys.stdout
        self._numbers: dict[str, float] = {}
        self._began = time.monotonic()
        self._bar: Bar | None = None
        if self._file.isatty():
            self._bar = Bar(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeElapsedColumn(),
                console=Console(file=self._file),
                expand=True,
            )
            self._task = self._bar.add_task(_plain_markup(title), total=total, completed=start, numbers="")

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self._bar is not None:
            self._bar.start()
        else:
            self._print(self.title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self) -> None:
        """The first step begins now: what went before, such as the base's evaluation, is not in the rate."""
        self._began = time.monotonic()

    def update(self, step: int, **numbers: float | None) -> None:
        """Report `step` as finished; numbers (`reward`, `held_out`) stay on show until they are replaced."""
        self.step = step
        self._numbers |= {name: value for name, value in numbers.items() if value is not None}
        if self._bar is not None:
            self._bar.update(self._task, completed=step, numbers="  ".join(self._parts()))
        else:
            self._print("  ".join([f"step {step}/{self.total}", *self._parts()]))

    def note(self, text: str) -> None:
        """One line of text between updates; a live bar stays below it."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            self._print(text)

    def _parts(self) -> list[str]:
        parts = [f"{_LABELS.get(name, name)} {value:.3f}" for name, value in self._numbers.items()]
        done = self.step - self.start
        if done > 0:
            rate = (time.monotonic() - self._began) / done
            parts += [f"{rate:.1f} s/step" if rate >= 0.1 else f"{rate * 1000:.0f} ms/step"]
            parts += [f"left {clock(rate * (self.total - self.step))}"]
        return parts

    def _print(self, text: str) -> None:
        print(text, file=self._file, flush=True)


def clock(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from one hour on: 139 → `2:19`."""
    whole = max(0, math.ceil(seconds - 0.5))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def _plain_markup(text: str) -> str:
    """Text in which rich finds no markup."""
    return text.replace("[", r"\[")
