"""What a study is: methods, seeds and measures as strict types that import neither torch nor numpy.

Every method is the same recipe with its own overrides; what is measured is chosen beforehand.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from burnish.recipes.schema import Section

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
ALL = "all"
"""In a grid: every method without a grid of its own."""


class Measure(Section):
    """One score on one evaluation set."""

    set: str = Field(default="scenes:test", description="As evaluation.prompts or one of evaluation.also.")
    metric: str = Field(default="scenes_strict", description="As in evaluation.reward.")

    def __str__(self) -> str:
        return f"{self.metric} on {self.set}"


class Gap(Section):
    """A score that can be cheated beside one that cannot."""

    proxy: Measure
    truth: Measure


class Study(Section):
    """Methods compared under equal budgets."""

    name: str
    question: str = Field(description="One sentence.")
    recipe: str = Field(default="scenes", description="A bundled name, a YAML file or a run folder.")
    overrides: list[str] = Field(default=[], description="key.sub=value, for every method.")
    methods: dict[str, list[str]] = Field(min_length=2, description="label: its own overrides.")
    baseline: str = Field(description="The label that the others are tested against.")
    budget: Literal["rollouts", "evaluations"] = Field(
        default="rollouts",
        description="What is equal: rollouts drawn, or evaluations of the network (a forward counts 1, a "
        "forward and backward 3).",
    )
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    measures: list[Measure] = Field(min_length=1, description="The first is the one that decides.")
    gaps: list[Gap] = Field(default=[], description="Has the proxy run ahead of the truth?")
    grid: dict[str, dict[str, list[Any]]] | None = Field(
        default=None, description="label, or all: the values tried of each key; as many trials a method."
    )
    tuning_seeds: list[int] = Field(default=[], description="Seeds of the trials; none of the study's.")
    jobs: int | None = Field(
        default=None, ge=1, description="Runs at a time; null: one a card, or cores // threads."
    )
    threads: int = Field(default=1, ge=1, description="Threads of a run (OMP_NUM_THREADS).")

    @property
    def primary(self) -> Measure:
        """The measure that decides."""
        return self.measures[0]

    @property
    def others(self) -> list[str]:
        """The labels besides the baseline."""
        return [label for label in self.methods if label != self.baseline]

    def trials(self, label: str) -> list[list[str]]:
        """The overrides of each trial of a method: every combination of its grid; empty without one."""
        grid = (self.grid or {}).get(label) or (self.grid or {}).get(ALL) or {}
        if not grid:
            return []
        return [
            [f"{key}={value}" for key, value in zip(grid, values, strict=True)]
            for values in itertools.product(*([_written(v) for v in each] for each in grid.values()))
        ]

    @field_validator("question")
    @classmethod
    def _one_line(cls, question: str) -> str:
        return " ".join(question.split())

    @model_validator(mode="after")
    def _sound(self) -> Study:
        for sentence in (*self._of_names(), *self._of_seeds(), *self._of_tuning()):
            raise ValueError(sentence)
        return self

    def _of_names(self) -> list[str]:
        found = [
            f"{what} {name!r} must be a short name of letters, digits, . _ + and -, as it names a folder"
            for what, name in [("name", self.name), *(("the method", label) for label in self.methods)]
            if not LABEL.fullmatch(name) or name == ALL
        ]
        if self.baseline not in self.methods:
            there = ", ".join(self.methods)
            found.append(
                f"baseline is {self.baseline!r}, which is no method of the study: take one of {there}"
            )
        for label, words in self.methods.items():
            for word in (*self.overrides, *words):
                if word.partition("=")[0].strip() in ("run.seed", "run.dir"):
                    found.append(f"{word!r} of {label}: seeds and folders are the study's own; remove it")
        return found

    def _of_seeds(self) -> list[str]:
        found = []
        for key, seeds in (("seeds", self.seeds), ("tuning_seeds", self.tuning_seeds)):
            if any(seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
                found.append(f"{key} {seeds} must be distinct whole numbers from 0")
        shared = sorted({*self.seeds} & {*self.tuning_seeds})
        if shared:
            found.append(
                f"seeds and tuning_seeds share {', '.join(map(str, shared))}: a method tuned on the seeds it "
                "is tested on looks better than it is; take others"
            )
        return found

    def _of_tuning(self) -> list[str]:
        if self.grid is None:
            return (
                ["tuning_seeds without a grid: remove them, or say what is tried"]
                if self.tuning_seeds
                else []
            )
        if not self.tuning_seeds:
            return ["grid without tuning_seeds: name seeds for the trials, none of the study's own"]
        unknown = sorted({*self.grid} - {*self.methods, ALL})
        if unknown:
            return [f"grid names {unknown[0]!r}, which is no method of the study"]
        counts = {label: len(self.trials(label)) for label in self.methods}
        if len(set(counts.values())) > 1 or 0 in counts.values():
            listed = ", ".join(f"{label} {count}" for label, count in counts.items())
            return [
                f"grid gives the methods unequal numbers of trials ({listed}): a method tuned with more "
                "effort looks better than it is; give each as many combinations"
            ]
        return []


def _written(value: Any) -> str:
    """A value as an override writes it: YAML in one line."""
    return value if isinstance(value, str) else json.dumps(value)
