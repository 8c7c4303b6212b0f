"""Events of a run, one JSON object a line: the source of truth that every report is written from.

    {"kind": "train", "step": 12, "time": 1767225600.5, "reward": 0.512, "loss": -0.0031}

Non-finite numbers are written as null, so any JSON reader can read the file. A process killed while
it writes leaves at most one torn last line, which readers skip and `EventLog.rewind` removes.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from burnish.errors import RunError


class EventLog:
    """Append-only log at `path`; every line reaches the file before `append` returns."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def append(self, kind: str, step: int, **fields: Any) -> None:
        """Write one event; scalars of numpy and torch become plain numbers, NaN and infinities null."""
        event = {"kind": kind, "step": int(step), "time": round(time.time(), 3)}
        event |= {name: _plain(value) for name, value in fields.items()}
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A lone surrogate, which UTF-8 cannot hold, becomes its JSON escape.
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def rewind(self, step: int) -> None:
        """Drop events later than `step` and a torn last line; atomic, and nothing to do without a file."""
        if not self.path.exists():
            return
        kept = [event for event in read_events(self.path) if event["step"] <= step]
        text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept)
        draft = self.path.with_name(self.path.name + ".tmp")
        try:
            with draft.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunError:
        why = error.strerror or "failed"
        return RunError(f"cannot write {self.path}: {why}; check the disk and permissions")


def read_events(path: Path | str) -> list[dict[str, Any]]:
    """Every event in order; a torn last line is skipped, any other broken line is an error."""
    path = Path(path)
    try:
        # Split on newlines alone: `splitlines` would also cut at U+2028 inside a string.
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist; give a folder that `burnish train` has written") from error
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    events: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError as error:
            if number == len(lines):  # no newline follows: the write was cut short
                break
            raise RunError(f"{path}, line {number}: not JSON; remove the line to read the rest") from error
        if not isinstance(event, dict) or not isinstance(event.get("step"), int) or "kind" not in event:
            raise RunError(f"{path}, line {number}: not an event (an object with 'kind' and 'step')")
        events.append(event)
    return events


def _plain(value: Any) -> Any:
    """A value that JSON can carry."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if callable(getattr(value, "tolist", None)):  # arrays and scalars of numpy and torch
        return _plain(value.tolist())
    raise TypeError(f"an event cannot carry a {type(value).__name__}")
