"""Geometry3K (2105.04165) as it is trained on: open answers, in the rows of `hiyouga/geometry3k`.

The paper gives four options a problem; these rows give none, so nothing is right by chance. An answer counts
only in a box or in answer tags, and is compared as mathematics (`equal.py`).
"""

from __future__ import annotations

from burnish.evaluate.benchmarks import equal, said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.types import Prompt

ASK = "\nReason step by step, then write the final answer in \\boxed{}."


def prompts(row: Row, at: Place) -> list[Prompt]:
    """The problem, with its pictures."""
    equal.comparer()
    answer = str(at.right(row, "answer"))
    text = str(row["problem"]) + ASK
    return [at.prompt(text, list(row["images"] or []), id=at.number, answer=answer, split=at.split)]


def judge(text: str, prompt: Prompt) -> Verdict:
    """1 where what is in the box equals the right answer."""
    found = said.marked(text)
    return Verdict(found, equal.same(found, prompt.columns["answer"]) if found else 0.0)


GEOMETRY3K = Benchmark(
    "geometry3k", "2105.04165", ("images", "problem", "answer"), ("test",), prompts, judge, ("split",)
)
