"""Prompts from the embedded world or from a .txt, .csv, .tsv, .jsonl or .parquet file.

Text is UTF-8, strictly; a byte-order mark and Windows line ends are fine. Whatever is broken is refused
with its line number rather than skipped: a prompt that silently vanishes is a different experiment.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from burnish.data.rows import is_language_row, read_parquet, to_prompt
from burnish.errors import DataError
from burnish.types import Prompt

COLUMNS = ("prompt", "prompt_en", "text", "caption")
"""Where a prompt is looked for when no column is named, in this order."""

CELL_LIMIT = 2**20

QUESTIONS = 4000
"""Questions of each split of the embedded world."""

Row = tuple[int, dict[str, Any]]


def load_prompts(source: str, column: str | None = None, limit: int | None = None) -> list[Prompt]:
    """The prompts of `scenes:SPLIT` or of a file, at most `limit` of them; `column` names the prompt column.

    `scenes:SPLIT/CATEGORY`, or several joined by `+`, are those of some categories of the embedded world.

    >>> load_prompts("scenes:test", limit=1)[0].columns["category"]
    'single_object'

    Raises `DataError`: one sentence with the file and, where there is one, the line.
    """
    if source.startswith("scenes-vqa:"):
        from burnish.scenes.questions import questions

        found = questions(source.removeprefix("scenes-vqa:"), min(limit or QUESTIONS, QUESTIONS))  # type: ignore[arg-type]
        return [question.prompt() for question in found]
    if source.startswith("scenes:"):
        return _scenes(source.removeprefix("scenes:"), limit)
    path = Path(source)
    reader = _READERS.get(path.suffix.lower())
    _check(path, reader is not None)
    assert reader is not None
    prompts: list[Prompt] = []
    key = column
    rows = reader("" if path.suffix == ".parquet" else _text(path), path)
    for line, row in rows:
        if column is None and is_language_row(row):
            prompts.append(to_prompt(row, f"{path} line {line}", path.parent))
            if len(prompts) == limit:
                break
            continue
        key = key or _find_column(row, path)
        prompts.append(_prompt(row, key, path, line))
        if len(prompts) == limit:
            break
    if not prompts:
        raise DataError(f"{path} holds no prompts: write at least one")
    return prompts


def difficulty(prompts: list[Prompt], column: str) -> list[float]:
    """Each prompt's number in `column`, for a curriculum.

    Raises:
        DataError: a prompt without a finite number there.
    """
    levels = []
    for prompt in prompts:
        value = prompt.columns.get(column)
        try:
            level = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            level = math.nan
        if not math.isfinite(level):
            raise DataError(
                f"data.curriculum: the prompt {prompt.text[:40]!r} has {value!r} in the column {column}, "
                f"not a number; its columns are {', '.join(prompt.columns) or 'none'}"
            )
        levels.append(level)
    return levels


def _scenes(source: str, limit: int | None) -> list[Prompt]:
    """SPLIT, or SPLIT/CATEGORY+CATEGORY for some of its categories."""
    from burnish.scenes import grammar

    split, _, wanted = source.partition("/")
    for known in get_args(grammar.Split):
        if known == split:
            break
    else:
        raise DataError(f"unknown prompts scenes:{split}: choose scenes:train, scenes:test or scenes:ood")
    names = grammar.categories(known)
    kept = wanted.split("+") if "/" in source else names
    for name in kept:
        if name not in names:
            raise DataError(
                f"unknown prompts scenes:{source}: after / stand categories of scenes:{split}, joined by +; "
                f"they are {', '.join(names)}"
            )
    prompts = (Prompt(text, {"category": grammar.category(text)}) for text in grammar.balanced(known))
    return [*islice((each for each in prompts if each.columns["category"] in kept), limit)]


def _check(path: Path, known_suffix: bool) -> None:
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in _READERS)[:5]
        hint = f", such as {', '.join(inside)}" if inside else ""
        raise DataError(f"{path} is a folder: name a file inside it{hint}")
    if not path.exists():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, there, n=1)
        hint = f"; did you mean {path.parent / close[0]}?" if close else ""
        if not hint and not path.parent.is_dir():
            hint = f"; nor is there a folder {path.parent}"
        raise DataError(f"no prompt file {path}{hint}")
    if not known_suffix:
        raise DataError(
            f"{path} has the unknown suffix {path.suffix!r}: prompts are read from {', '.join(_READERS)}"
        )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if (place := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise DataError(f"{path} line {line} contains a NUL byte: this is not a text file in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} line {line} is not UTF-8: convert the file to UTF-8") from None


def _read_txt(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, {"prompt": line}


def _read_table(text: str, path: Path, delimiter: str) -> Iterator[Row]:
    previous = csv.field_size_limit(CELL_LIMIT)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        end = 0
        while True:
            try:
                cells = next(rows, None)
            except csv.Error as error:
                raise DataError(f"{path} line {end + 1} is not a valid table row: {error}") from None
            if cells is None:
                return
            start, end = end + 1, rows.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                twice = next((name for name in header if header.count(name) > 1), None)
                if twice is not None:
                    raise DataError(f"{path} has two columns named {twice!r}: rename one")
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path} line {start} has {len(cells)} cells but the header has {len(header)}: "
                    "quote cells that contain the separator"
                )
            yield start, dict(zip(header, cells, strict=True))
    finally:
        csv.field_size_limit(previous)


def _read_csv(text: str, path: Path) -> Iterator[Row]:
    return _read_table(text, path, ",")


def _read_tsv(text: str, path: Path) -> Iterator[Row]:
    return _read_table(text, path, "\t")


def _read_jsonl(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path} line {number} is not valid JSON: {error.msg} at column {error.colno}"
            ) from None
        except (RecursionError, ValueError):
            raise DataError(
                f"{path} line {number} is not valid JSON: too deeply nested or too long"
            ) from None
        if not isinstance(row, dict):
            raise DataError(f'{path} line {number} is not a JSON object: write {{"prompt": "…"}}')
        yield number, row


_READERS: dict[str, Callable[[str, Path], Iterator[Row]]] = {
    ".txt": _read_txt,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": lambda _, path: enumerate(read_parquet(path), 1),
}


def _find_column(row: dict[str, Any], path: Path) -> str:
    for name in COLUMNS:
        if name in row:
            return name
    raise DataError(
        f"{path} has no column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}: name the prompt column "
        f"(data.column) among {', '.join(map(str, row))}"
    )


def _prompt(row: dict[str, Any], key: str, path: Path, line: int) -> Prompt:
    if key not in row:
        close = difflib.get_close_matches(key, list(row), n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(map(str, row))}"
        raise DataError(f"{path} line {line} has no column {key!r}{hint}")
    text = row[key]
    if not isinstance(text, str) or not text.strip():
        what = "is empty" if text is None or isinstance(text, str) else f"is {text!r}, not text"
        raise DataError(f"{path} line {line}: the prompt (column {key}) {what}")
    return Prompt(text.strip(), {name: value for name, value in row.items() if name != key})
