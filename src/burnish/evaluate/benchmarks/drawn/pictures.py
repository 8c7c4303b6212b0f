"""The pictures of a drawn benchmark: `OUT/images/00012-3.png` is the fourth picture of the thirteenth prompt.

A picture's noise depends on the seed, the prompt's place in the file and the picture's number alone, so
pictures that are there already are kept, and two models that are drawn with one seed can be compared
picture by picture. `OUT/drawn.json` says what they were drawn with; another model or setting must not go on
with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from burnish.engine.rng import seed_of
from burnish.errors import RunError
from burnish.evaluate.benchmarks.results import write_json
from burnish.media import Picture

Job = tuple[int, int]
"""A prompt's place in its file, and the picture's number."""


class Folder:
    """Pictures that are drawn once.

    Args:
        out: folder of the benchmark.
        plan: everything that the pictures depend on, as JSON; not the number of pictures.

    Raises:
        RunError: the folder holds pictures of another plan.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any]):
        self.images, self.plan, self.file = out / "images", dict(plan), out / "drawn.json"
        if not self.file.is_file():
            if self.images.exists():
                raise RunError(f"{self.images} holds pictures of unknown origin; choose another --out")
            return
        try:
            there = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            there = {}
        for name, value in self.plan.items():
            if not isinstance(there, dict) or there.get(name) != value:
                raise RunError(
                    f"{self.images} was drawn with another {name.replace('_', ' ')}; choose another --out"
                )

    def path(self, job: Job) -> Path:
        """Where a picture is, or will be."""
        return self.images / f"{job[0]:05d}-{job[1]}.png"

    def seed(self, job: Job) -> int:
        """Of a picture's noise."""
        return seed_of("benchmark", self.plan["seed"], *job)

    def pictures(self, policy: Any, texts: Sequence[str], jobs: Sequence[Job], rows: int) -> list[np.ndarray]:
        """The pictures, uint8 [H, W, 3]; those that are missing are drawn and saved.

        Args:
            policy: that draws.
            texts: the prompt of each picture.
            jobs: which they are.
            rows: pictures in one forward.

        Raises:
            DataError: a saved picture is damaged.
            RunError: the folder cannot be written.
        """
        missing = [index for index, job in enumerate(jobs) if not self.path(job).is_file()]
        if missing:
            drawn = policy.generate(
                [texts[i] for i in missing],
                self.plan["steps"],
                seeds=[self.seed(jobs[i]) for i in missing],
                rows=rows,
            )
            for index, image in zip(missing, drawn, strict=True):
                self._save(self.path(jobs[index]), image)
        paths = [self.path(job) for job in jobs]
        return [np.asarray(Picture(path, str(path)).open()) for path in paths]

    def _save(self, path: Path, image: np.ndarray) -> None:
        """Whole or not at all; the plan stands beside the first picture."""
        part = path.with_suffix(".part")
        try:
            if not self.file.is_file():
                write_json(self.file, self.plan)
            self.images.mkdir(exist_ok=True)
            Image.fromarray(image).save(part, format="PNG")
            os.replace(part, path)
        except OSError as problem:
            raise RunError(
                f"{path} cannot be written ({problem.strerror}); choose another --out"
            ) from problem
