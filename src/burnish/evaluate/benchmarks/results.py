"""What every benchmark does with its questions and its result: a draw of some, a whole file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import RunError


def chosen(total: int, count: int | None, seed: int) -> list[int]:
    """The places of `count` of `total` questions, drawn by `seed`, in order; all without a count."""
    if count is None or count >= total:
        return list(range(total))
    return sorted(int(place) for place in np.random.default_rng(seed).permutation(total)[:count])


def write_json(target: Path, value: Any) -> None:
    """The value as JSON, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    part = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
        os.replace(part, target)
    except OSError as problem:
        raise RunError(f"{target} cannot be written ({problem.strerror}); choose another --out") from problem


def absent(target: Path) -> None:
    """Refuses to write over a result.

    Raises:
        RunError: there is one.
    """
    if target.exists():
        raise RunError(f"{target} exists already; choose another --out")
