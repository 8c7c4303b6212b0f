"""The rows of a benchmark's files: `.parquet`, `.jsonl`, or `.json` (a list of rows, or rows by name)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.data.rows import read_parquet
from burnish.errors import DataError
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place
from burnish.rewards.text.boxes import FRAMES
from burnish.types import Prompt

SUFFIXES = (".parquet", ".jsonl", ".json")


def load(benchmark: Benchmark, source: Path, frame: str | None = None) -> list[Prompt]:
    """All questions of a file, or of a folder's files of the benchmark's splits; pictures are not decoded.

    Args:
        benchmark: whose rows these are.
        source: the file or folder.
        frame: of the model's boxes, where the benchmark asks for boxes.

    Raises:
        DataError: no such file, rows of another form, a missing picture, or a frame that is missing.
    """
    if benchmark.framed and frame not in FRAMES:
        raise DataError(f"{benchmark.name} needs --frame: the model's boxes are {', '.join(FRAMES)}")
    if frame and not benchmark.framed:
        raise DataError(f"{benchmark.name} asks for no boxes: leave out --frame")
    found: list[Prompt] = []
    for file in files(benchmark, source):
        for number, row in enumerate(rows(file), 1):
            missing = [name for name in benchmark.needs if name not in row]
            if missing:
                raise DataError(
                    f"{file} row {number} has no column {missing[0]}: rows of {benchmark.name} have "
                    f"{', '.join(benchmark.needs)}, this one {', '.join(row) or 'none'}"
                )
            found += benchmark.prompts(row, Place(file, number, frame or "pixels"))
    if not found:
        raise DataError(f"{source} holds no rows")
    return found


def files(benchmark: Benchmark, source: Path) -> list[Path]:
    """The file itself, or the folder's files of the benchmark's splits, of the first suffix that has any."""
    if source.is_file():
        if source.suffix.lower() not in SUFFIXES:
            raise DataError(f"{source} is of another kind: benchmarks are read from {', '.join(SUFFIXES)}")
        return [source]
    if not source.is_dir():
        raise DataError(f"there is no file or folder {source}")
    every = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    for suffix in SUFFIXES:
        chosen = [p for p in every if p.name.startswith(benchmark.splits) and p.suffix.lower() == suffix]
        if chosen:
            return chosen
    wanted = " or ".join(f"{split}*{suffix}" for split in benchmark.splits for suffix in SUFFIXES)
    there = ", ".join(path.name for path in every[:5]) or "none of these"
    raise DataError(f"{benchmark.name} is read from {wanted}; {source} holds {there}")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file.

    Raises:
        DataError: it is damaged.
    """
    if path.suffix.lower() == ".parquet":
        yield from read_parquet(path)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".jsonl":
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            whole = json.loads(text)
            found = list(whole.values()) if isinstance(whole, dict) else whole
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise DataError(f"{path} is not valid {path.suffix[1:].upper()}: {problem}") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise DataError(f"{path} does not hold rows with named columns")
    yield from found
