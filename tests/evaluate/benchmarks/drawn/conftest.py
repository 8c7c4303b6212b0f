"""Small files in the drawn benchmarks' own forms, and what they are judged with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_detectors
from rewards.conftest import keyless  # noqa: F401


@pytest.fixture(scope="session")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a detector of boxes of random weights."""
    return tiny_detectors.yolos(tmp_path_factory.mktemp("yolos"))


@pytest.fixture
def test_points(tmp_path: Path) -> Callable[..., Path]:
    """Writes prompts with test points, or with cells as they are; returns the file."""

    def write(*rows: tuple[str, Any]) -> Path:
        path = tmp_path / "test_prompts_en.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "prompt_en", "sub_dims_en"])
            for index, (prompt, points) in enumerate(rows):
                writer.writerow([index, prompt, points if isinstance(points, str) else cell(points)])
        return path

    return write


def cell(points: dict[str, str]) -> str:
    """The JSON of one row's test points."""
    return json.dumps(
        {
            "Primary Categories": "Art",
            "Testpoints": list(points),
            "Testpoint Description": list(points.values()),
        }
    )
