"""A study of seconds, and runs that look finished without having run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from burnish.recipes.load import dump_yaml
from burnish.study.plan import Job

VALUES: dict[str, Any] = {
    "name": "tiny",
    "question": "Does it learn?",
    "overrides": [
        "sampling.steps=3",
        "sampling.window=[0, 2]",
        "sampling.group_size=2",
        "sampling.prompts_per_step=2",
        "train.steps=2",
        "train.checkpoint_every=1",
        "evaluation.every=1",
        "evaluation.count=4",
        "evaluation.steps=2",
        "evaluation.pictures=0",
        "evaluation.also=[]",
    ],
    "methods": {"plain": ["algorithm.preset=dance_grpo"], "power": ["algorithm.preset=slas"]},
    "baseline": "plain",
    "seeds": [0, 1],
    "measures": [{"metric": "scenes_strict"}],
}


def pretend(job: Job, curves: dict[str, Sequence[float]], *, end: bool = True, issued: int = 4) -> None:
    """Writes what a run leaves: `curves` are held-out values at step 0, 1, …, standard error 0.1 at n = 4."""
    job.folder.mkdir(parents=True)
    (job.folder / "recipe.yaml").write_text(dump_yaml(job.recipe))
    count = len(next(iter(curves.values())))
    events: list[dict[str, Any]] = []
    for step in range(count):
        if step:
            events.append({"kind": "train", "step": step, "issued": issued * step})
        scores = {name: values[step] for name, values in curves.items()}
        scores |= {f"{name}/se": 0.1 for name in curves}
        events.append({"kind": "evaluate", "step": step, "set": "scenes:test", "count": 4, **scores})
    if end:
        events.append({"kind": "end", "step": job.steps})
        (job.folder / "model").mkdir()
    (job.folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    if end:
        (job.folder / "report.html").write_text("")
