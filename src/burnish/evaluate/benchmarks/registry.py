"""The benchmarks by name."""

from __future__ import annotations

import difflib

from burnish.errors import DataError
from burnish.evaluate.benchmarks.benchmark import Benchmark
from burnish.evaluate.benchmarks.counting import COUNTBENCH, SUPERCLEVR
from burnish.evaluate.benchmarks.geometry3k import GEOMETRY3K
from burnish.evaluate.benchmarks.mathverse import MATHVERSE
from burnish.evaluate.benchmarks.mathvista import MATHVISTA
from burnish.evaluate.benchmarks.mmmu import MMMU
from burnish.evaluate.benchmarks.refcoco import REFCOCO

BENCHMARKS: dict[str, Benchmark] = {
    each.name: each for each in (MATHVISTA, MMMU, MATHVERSE, GEOMETRY3K, REFCOCO, COUNTBENCH, SUPERCLEVR)
}


def named(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        DataError: there is none.
    """
    if name not in BENCHMARKS:
        close = difflib.get_close_matches(name.lower(), BENCHMARKS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(BENCHMARKS)}"
        raise DataError(f"no benchmark {name!r}; {hint}")
    return BENCHMARKS[name]
