"""The order of prompts: shuffled epochs, exactly resumable from two numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.errors import DataError


class PromptSampler:
    """Draws indices of `count` prompts in shuffled epochs.

    The order of an epoch depends on (seed, epoch) alone, so `state` is two integers. Draws of up to a
    third of `count` never repeat an index and every epoch covers every prompt: what the last third of an
    epoch holds is kept out of the first third of the next. Larger draws of up to `count` start a new
    epoch when the current one is too short; still larger ones must repeat.

    With `levels`, one number a prompt, every epoch goes from the lowest to the highest level, shuffled
    within a level: a curriculum.

    >>> sampler = PromptSampler(count=4, seed=0)
    >>> sorted(sampler.next(4)), sampler.state()
    ([0, 1, 2, 3], {'epoch': 1, 'position': 0})
    """

    def __init__(self, count: int, seed: int, levels: Sequence[float] | None = None):
        if count < 1:
            raise DataError("there are no prompts to draw from: add at least one")
        self.levels = levels
        self.count, self.seed = count, seed
        self._epoch, self._position = 0, 0
        self._order = self._shuffled(0)

    def next(self, n: int) -> list[int]:
        """The next `n` indices."""
        drawn: list[int] = []
        if self.count // 3 < n <= self.count < self._position + n:
            self._advance()
        while len(drawn) < n:
            part = self._order[self._position : self._position + n - len(drawn)]
            drawn += part.tolist()
            self._position += len(part)
            if self._position == self.count:
                self._advance()
        return drawn

    def state(self) -> dict[str, int]:
        """Where the sampler stands; `load` continues from there."""
        return {"epoch": self._epoch, "position": self._position}

    def load(self, state: Mapping[str, int]) -> None:
        """Continue from `state`, as if all earlier draws had been made."""
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position < self.count:
            raise DataError(
                f"the prompt position {position} of epoch {epoch} does not fit {self.count} prompts: "
                "resume with the prompt file the run began with"
            )
        self._epoch, self._position = epoch, position
        self._order = self._shuffled(epoch)

    def _advance(self) -> None:
        self._epoch, self._position = self._epoch + 1, 0
        self._order = self._shuffled(self._epoch)

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)

    def _shuffled(self, epoch: int) -> np.ndarray:
        """The epoch's permutation, its first third cleared of the previous epoch's last third by swaps
        with the middle third (so the last third of every epoch is that of the plain permutation)."""
        order = self._permutation(epoch)
        if self.levels is not None:
            return order[np.argsort(np.asarray(self.levels)[order], kind="stable")]
        third = self.count // 3
        if epoch == 0 or third == 0:
            return order
        recent = np.zeros(self.count, dtype=bool)
        recent[self._permutation(epoch - 1)[-third:]] = True
        clashing = np.flatnonzero(recent[order[:third]])
        middle = np.arange(third, self.count - third)
        free = middle[~recent[order[middle]]][: len(clashing)]
        order[clashing], order[free] = order[free], order[clashing]
        return order
