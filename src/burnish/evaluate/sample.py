"""`burnish sample`: images or answers of a model or a run, each with its prompt beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from burnish.errors import RunError
from burnish.evaluate.evaluate import open_model
from burnish.types import Completion, Prompt

ROWS = 32


def sample_to_folder(
    model: str,
    prompts: list[Prompt],
    out: Path,
    *,
    count: int,
    seed: int,
    steps: int,
    device: str,
    hybrid: int | None = None,
) -> list[Any]:
    """Writes `count` PNGs a prompt into `out`, and `prompts.jsonl` with file, prompt and seed of each,
    beside the prompt's other columns.

    Image i of a prompt has seed `seed + i`, so two models sampled with one seed can be compared.

    Raises:
        RunError: the folder cannot be written or already holds samples.
    """
    listing = out / "prompts.jsonl"
    if listing.exists():
        raise RunError(f"{out} already holds samples; choose another --out")
    policy = open_model(model, device, hybrid=hybrid)
    jobs = [(prompt, seed + i) for prompt in prompts for i in range(count)]
    if policy.kind == "language":
        return _answers(policy, jobs, out)
    texts, seeds = [p.text for p, _ in jobs], [s for _, s in jobs]
    images = policy.generate(texts, steps, seeds=seeds, rows=ROWS, hybrid=hybrid)
    try:
        out.mkdir(parents=True, exist_ok=True)
        paths, lines = [], []
        for number, (image, (prompt, noise)) in enumerate(zip(images, jobs, strict=True)):
            path = out / f"{number:05d}.png"
            Image.fromarray(image).save(path)
            paths.append(path)
            row = {"file": path.name, "prompt": prompt.text, "seed": noise}
            lines.append(json.dumps({**prompt.columns, **row}, ensure_ascii=False, default=str))
        listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as problem:
        raise RunError(f"{out} cannot be written ({problem.strerror}); choose another --out") from problem
    return paths


def _answers(policy: Any, jobs: list[tuple[Prompt, int]], out: Path) -> list[Completion]:
    """Writes `prompts.jsonl` with the sampled completion of each job; a seed's draws are its own."""
    found = [
        policy.answer([prompt], rows=1, temperature=policy.temperature, seed=seed)[0] for prompt, seed in jobs
    ]
    lines = [
        json.dumps(
            {**prompt.columns, "prompt": prompt.text, "completion": done.text, "seed": seed},
            ensure_ascii=False,
            default=str,
        )
        for (prompt, seed), done in zip(jobs, found, strict=True)
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as problem:
        raise RunError(f"{out} cannot be written ({problem.strerror}); choose another --out") from problem
    return found
