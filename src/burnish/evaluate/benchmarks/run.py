"""`burnish benchmark`: a model's answers to a benchmark, each with how it was judged, and a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.errors import ModelError
from burnish.evaluate.benchmarks.benchmark import Benchmark
from burnish.evaluate.benchmarks.files import load
from burnish.evaluate.benchmarks.registry import BENCHMARKS
from burnish.evaluate.benchmarks.results import absent, chosen, write_json
from burnish.evaluate.benchmarks.table import tables
from burnish.evaluate.evaluate import open_model
from burnish.report.progress import Progress
from burnish.types import Prompt


def run_benchmark(
    model: str,
    name: str,
    data: Path,
    out: Path,
    *,
    count: int | None = None,
    seed: int = 0,
    frame: str | None = None,
    ask: str = "",
    max_new_tokens: int | None = None,
    rows: int = 16,
    device: str = "auto",
    base: bool = False,
) -> dict[str, Any]:
    """Greedy answers of a model to a benchmark, judged; also written to `OUT/NAME.json`.

    Args:
        model: bundled name, folder, or run.
        name: of `registry.BENCHMARKS`.
        data: the benchmark's file, or a folder of them.
        out: folder for the result.
        count: questions, drawn by `seed`; None asks them all.
        seed: of that draw.
        frame: of the model's boxes (`pixels`, `resized`, `thousand`, `unit`), where boxes are asked for.
        ask: words after every question, such as the form that the model was trained to answer in.
        max_new_tokens: longest answer; None is the model's own.
        rows: questions in one forward.
        device: as in a recipe.
        base: of a run, the model it started from.

    Returns:
        `model`, `benchmark`, settings, `overall` and `groups` (`table.tally`), and `rows`: id, question, what
        was said and extracted, right answer, score.

    Raises:
        DataError, ModelError, RunError: nothing was written.
    """
    benchmark = BENCHMARKS[name]
    target = out / f"{name}.json"
    absent(target)
    prompts = load(benchmark, data, frame)
    prompts = [prompts[place] for place in chosen(len(prompts), count, seed)]
    if ask:
        prompts = [replace(prompt, text=f"{prompt.text}\n{ask}") for prompt in prompts]
    policy = open_model(model, device, base=base)
    if policy.kind != "language":
        raise ModelError(f"{model} makes images; {name} asks models that read them")
    if max_new_tokens is not None:
        policy.max_tokens = max_new_tokens
    if frame == "resized":
        prompts = [_resized(policy, prompt) for prompt in prompts]
    judged = answer(policy, benchmark, prompts, rows)
    result = {
        "model": model,
        "base": base,
        "benchmark": name,
        "paper": benchmark.paper,
        "data": str(data),
        "count": len(prompts),
        "seed": seed,
        "frame": frame,
        "ask": ask,
        "max_new_tokens": policy.max_tokens,
        **tables(benchmark, judged),
        "rows": judged,
    }
    write_json(target, result)
    return result


def answer(policy: Any, benchmark: Benchmark, prompts: Sequence[Prompt], rows: int) -> list[dict[str, Any]]:
    """Every question answered greedily and judged; progress goes to stderr."""
    judged: list[dict[str, Any]] = []
    right = 0.0
    with Progress(len(prompts), f"{benchmark.name}: {len(prompts)} questions", file=sys.stderr) as progress:
        for start in range(0, len(prompts), rows):
            asked = list(prompts[start : start + rows])
            for prompt, done in zip(asked, policy.answer(asked, rows=rows), strict=True):
                verdict = benchmark.judge(done.text, prompt)
                right += verdict.score or 0.0
                judged.append(
                    {
                        "id": prompt.columns["id"],
                        "question": prompt.text,
                        "said": done.text,
                        "truncated": done.truncated,
                        "extracted": verdict.extracted,
                        "right": prompt.columns["answer"],
                        "score": verdict.score,
                        "more": dict(verdict.more),
                        "counted": benchmark.counted(prompt),
                        "groups": {name: prompt.columns.get(name) for name in benchmark.groups},
                    }
                )
            progress.update(len(judged), accuracy=right / len(judged))
    return judged


def _resized(policy: Any, prompt: Prompt) -> Prompt:
    """The prompt with the size that the model's processor gives its picture, in pixels.

    Raises:
        ModelError: the model does not resize by patches.
    """
    grid = policy.encoder(prompt).visuals.get("image_grid_thw")
    if grid is None:
        raise ModelError("--frame resized is for models like Qwen2.5-VL; choose pixels, thousand or unit")
    _, high, wide = grid[0].tolist()
    side = policy.encoder.images.patch_size
    size = {"resized_width": wide * side, "resized_height": high * side}
    return replace(prompt, columns={**prompt.columns, **size})
