"""Accuracies of groups with their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from burnish.evaluate.benchmarks.benchmark import Benchmark

Z = 1.959964
"""Two-sided 95 % of a normal distribution."""


def wilson(mean: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson (1927): between 0 and 1 also for shares of 0 and 1.

    >>> tuple(round(end, 4) for end in wilson(0.5, 10))
    (0.2366, 0.7634)
    """
    z2 = Z * Z / n
    middle = (mean + z2 / 2) / (1 + z2)
    reach = Z / (1 + z2) * math.sqrt(mean * (1 - mean) / n + z2 / (4 * n))
    return (middle - reach if mean > 0 else 0.0), (middle + reach if mean < 1 else 1.0)


def tally(judged: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy of some judged rows.

    Returns:
        `accuracy`, its 95 % interval `low` to `high`, `n`, `unread` (completions without an answer),
        `unscored` if any (right answers that cannot be read, not in `n`), and means of further numbers.
    """
    scores = [row["score"] for row in judged if row["score"] is not None]
    n = len(scores)
    mean = math.fsum(scores) / n if n else None
    low, high = wilson(mean, n) if mean is not None else (None, None)
    found = {"accuracy": mean, "low": low, "high": high, "n": n}
    found["unread"] = sum(row["extracted"] is None for row in judged)
    if n < len(judged):
        found["unscored"] = len(judged) - n
    for name in dict.fromkeys(name for row in judged for name in row["more"]):
        values = [row["more"][name] for row in judged if name in row["more"]]
        found[name] = math.fsum(values) / len(values)
    return found


def tables(benchmark: Benchmark, judged: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`overall`, and in `groups` each value of each column by name; every member of a list counts.

    Rows that do not count in `overall` count in the first column only.
    """
    groups: dict[str, dict[str, Any]] = {}
    counted = [row for row in judged if row["counted"]]
    for column in benchmark.groups:
        members: dict[str, list[dict[str, Any]]] = {}
        for row in judged if column == benchmark.groups[0] else counted:
            value = row["groups"].get(column)
            for name in value if isinstance(value, list) else [value]:
                members.setdefault("-" if name is None else str(name), []).append(row)
        groups[column] = {name: tally(members[name]) for name in sorted(members, key=_order)}
    return {"overall": tally(counted), "groups": groups}


def lines(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The summary as rows of one table, the overall accuracy first."""
    found = [{"by": "overall", "group": "", **summary["overall"]}]
    for column, members in summary["groups"].items():
        found += [{"by": column, "group": name, **numbers} for name, numbers in members.items()]
    return found


def _order(name: str) -> tuple[float, str]:
    """Numbers by their size, then words."""
    return (float(name), "") if name.replace(".", "", 1).isdigit() else (math.inf, name)
