"""The benchmarks by name."""

from __future__ import annotations

import difflib

from burnish.errors import DataError
from burnish.evaluate.benchmarks.benchmark import Benchmark
from burnish.evaluate.benchmarks.counting import COUNTBENCH, SUPERCLEVR
from burnish.evaluate.benchmarks.drawn.geneval import GENEVAL
from burnish.evaluate.benchmarks.drawn.ocr import OCR
from burnish.evaluate.benchmarks.drawn.preference import REWARDS
from burnish.evaluate.benchmarks.drawn.record import Drawn
from burnish.evaluate.benchmarks.drawn.unigenbench import UNIGENBENCH
from burnish.evaluate.benchmarks.drawn.wise import WISE
from burnish.evaluate.benchmarks.geometry3k import GEOMETRY3K
from burnish.evaluate.benchmarks.mathverse import MATHVERSE
from burnish.evaluate.benchmarks.mathvista import MATHVISTA
from burnish.evaluate.benchmarks.mmmu import MMMU
from burnish.evaluate.benchmarks.refcoco import REFCOCO

BENCHMARKS: dict[str, Benchmark] = {
    each.name: each for each in (MATHVISTA, MMMU, MATHVERSE, GEOMETRY3K, REFCOCO, COUNTBENCH, SUPERCLEVR)
}
"""For models that read images."""

DRAWN: dict[str, Drawn] = {each.name: each for each in (GENEVAL, UNIGENBENCH, WISE, OCR, REWARDS)}
"""For models that make them."""


def named(name: str) -> Benchmark | Drawn:
    """The benchmark of that name.

    Raises:
        DataError: there is none.
    """
    known: dict[str, Benchmark | Drawn] = {**BENCHMARKS, **DRAWN}
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise DataError(f"no benchmark {name!r}; {hint}")
    return known[name]
