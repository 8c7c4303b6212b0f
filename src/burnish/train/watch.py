"""Keeps every prompt's scores through a run and asks at each evaluation whether reward and truth part.

All it remembers stands in the run folder: `scores.jsonl` (one line an evaluation) and the `watch` events of
`metrics.jsonl`. Both are wound back with the run, so a resumed run goes on with the same memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import RecipeError
from burnish.evaluate import alarm
from burnish.recipes.schema import Recipe
from burnish.report.events import EventLog, read_events
from burnish.rewards.reward import Scores

SHOWN = 4
"""Prompts shown as evidence."""


def check_count(recipe: Recipe, prompts: int) -> None:
    """Makes sure that an alarm could ring on `prompts` prompts.

    Raises:
        RecipeError: they are too few for its level.
    """
    settings = recipe.evaluation
    least = alarm.least(alarm.share(_looks(recipe, 0), len(settings.held_out)))
    if settings.held_out and settings.alarm != "off" and prompts < least:
        raise RecipeError(
            f"evaluation.held_out is watched on {prompts} prompts, but over {_looks(recipe, 0)} evaluations "
            f"the alarm cannot ring on fewer than {least}: raise evaluation.count, or set "
            "evaluation.alarm to off"
        )


class Watch:
    """The training reward beside the recipe's held-out rewards, on the main evaluation set.

    Args:
        recipe: the whole recipe.
        folder: the run.
        start: the step that this stretch of the run begins from.
    """

    def __init__(self, recipe: Recipe, folder: Path, start: int):
        settings = recipe.evaluation
        labels = {reward.name: reward.label for reward in settings.reward}
        self.names = [labels[name] for name in settings.held_out]
        self.weights = {reward.label: reward.weight for reward in recipe.rewards if reward.weight != 0}
        self.action = settings.alarm
        self.log = EventLog(folder / "scores.jsonl")
        self.log.rewind(start or -1)
        self.steps: list[int] = []
        self.proxy: list[np.ndarray] = []
        self.truth: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        for row in read_events(self.log.path) if self.log.path.exists() else []:
            self._take(row)
        metrics = read_events(folder / "metrics.jsonl") if (folder / "metrics.jsonl").exists() else []
        rang = [e for e in metrics if e["kind"] == "watch" and e["step"] <= start and e.get("rings")]
        self.fired = {e["held_out"]: e["step"] for e in rang if e["held_out"] in self.names}
        looked = sum(step > 0 for step in self.steps)
        self.level = alarm.share(looked + _looks(recipe, start), len(self.names))

    @property
    def ended(self) -> bool:
        """The alarm has rung, and the recipe wants the run to end there."""
        return self.action == "stop" and bool(self.fired)

    @property
    def kept(self) -> set[int]:
        """Evaluations whose checkpoints a stop may need: the best of every held-out reward so far."""
        return {self.best(name) for name in self.names} if self.action == "stop" and self.steps else set()

    def best(self, name: str | None = None) -> int:
        """The step at which a held-out reward was best; without a name, of the one that rang first."""
        return self.steps[alarm.best(np.stack(self.truth[name or next(iter(self.fired))]))]

    def look(self, step: int, scores: Scores) -> list[dict[str, Any]]:
        """Takes an evaluation's scores and judges; fields of one `watch` event for each held-out reward."""
        if not self.names:
            return []
        total = sum(weight * scores.by_name[name] for name, weight in self.weights.items())
        held_out = {name: scores.by_name[name] for name in self.names}
        self.log.append("scores", step, proxy=total, held_out=held_out)
        self._take({"step": step, "proxy": total, "held_out": held_out})
        return [self._verdict(step, name) for name in self.names]

    def examples(self, name: str, among: int) -> tuple[list[int], list[int], list[list[str]]]:
        """The prompts that tell most of the first `among`, the steps to show, and their scores in words."""
        proxy_KN, truth_KN = np.stack(self.proxy)[:, :among], np.stack(self.truth[name])[:, :among]
        since = alarm.best(np.stack(self.truth[name])[:-1])
        which = alarm.telling(proxy_KN, truth_KN, since, SHOWN)
        rows = sorted({0, since, len(self.steps) - 1})
        words = [[f"reward {proxy_KN[k, n]:.3g}\n{name} {truth_KN[k, n]:.3g}" for k in rows] for n in which]
        return which, [self.steps[k] for k in rows], words

    def _take(self, row: dict[str, Any]) -> None:
        if self.proxy and len(row["proxy"]) != len(self.proxy[-1]):  # other prompts: a new beginning
            self.steps, self.proxy, self.truth = [], [], {name: [] for name in self.names}
        if all(name in row["held_out"] for name in self.names):  # one that was named meanwhile has no past
            self.steps.append(row["step"])
            self.proxy.append(np.array(row["proxy"], dtype=float))  # null is NaN
            for name in self.names:
                self.truth[name].append(np.array(row["held_out"][name], dtype=float))

    def _verdict(self, step: int, name: str) -> dict[str, Any]:
        proxy_KN, truth_KN = np.stack(self.proxy), np.stack(self.truth[name])
        fields: dict[str, Any] = {
            "held_out": name,
            "proxy": _since_base(proxy_KN),
            "truth": _since_base(truth_KN),
        }
        found = alarm.look(proxy_KN, truth_KN, self.level)
        if found is None or self.action == "off":
            return fields
        rings = found.state == "hacking" and name not in self.fired
        if rings:
            self.fired[name] = step
        return {
            **fields,
            "state": found.state,
            "rings": rings,
            "since": self.steps[found.since],
            "level": self.level,
            "rise": list(found.proxy[:3]),
            "fall": list(found.truth[:3]),
        }


def _looks(recipe: Recipe, start: int) -> int:
    """Evaluations after step `start`."""
    every, steps = recipe.evaluation.every, recipe.train.steps
    return sum(step % every == 0 or step == steps for step in range(start + 1, steps + 1))


def _since_base(score_KN: np.ndarray) -> dict[str, float]:
    """Newest mean, and the change since the base in spreads of the base, with the paired standard error."""
    known = (score_KN[-1] - score_KN[0])[np.isfinite(score_KN[-1] - score_KN[0])] / alarm.spread(score_KN)
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.nan
    newest = score_KN[-1][np.isfinite(score_KN[-1])]
    return {
        "mean": float(newest.mean()) if len(newest) else np.nan,
        "gain": float(known.mean()) if len(known) else np.nan,
        "gain_se": error,
    }
