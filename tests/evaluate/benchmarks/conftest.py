"""Small files in the benchmarks' own forms."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from burnish.evaluate.benchmarks.benchmark import Benchmark, Verdict
from burnish.evaluate.benchmarks.files import load
from burnish.types import Prompt


def picture(width: int = 64, height: int = 64, color: str = "red") -> dict[str, Any]:
    """As parquet files of the hub hold pictures."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), color).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": "0.png"}


@pytest.fixture
def image() -> Callable[..., dict[str, Any]]:
    return picture


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows; returns the file."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(rows: list[dict[str, Any]], name: str = "test-00000-of-00001.parquet") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path

    return write


@pytest.fixture
def ask(parquet: Callable[..., Path]) -> Callable[..., list[Prompt]]:
    """Prompts of rows, by way of a parquet file."""

    def read(benchmark: Benchmark, *rows: dict[str, Any], name: str = "", frame: str = "") -> list[Prompt]:
        file = name or f"{benchmark.splits[0] or 'test'}-00000-of-00001.parquet"
        return load(benchmark, parquet(list(rows), file), frame or None)

    return read


@pytest.fixture
def judge(ask: Callable[..., list[Prompt]]) -> Callable[..., Verdict]:
    """What a benchmark makes of a text that answers one row."""

    def verdict(benchmark: Benchmark, row: dict[str, Any], text: str, frame: str = "") -> Verdict:
        return benchmark.judge(text, ask(benchmark, row, frame=frame)[0])

    return verdict
