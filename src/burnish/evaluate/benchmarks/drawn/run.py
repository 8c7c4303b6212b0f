"""`burnish benchmark` for models that make images: pictures, each with its verdict, and a table."""

from __future__ import annotations

import hashlib
import inspect
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.engine.quiet import quiet
from burnish.errors import ModelError
from burnish.evaluate.benchmarks.drawn.ledger import Ledger
from burnish.evaluate.benchmarks.drawn.pictures import Folder
from burnish.evaluate.benchmarks.drawn.quality import measures
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer
from burnish.evaluate.benchmarks.drawn.spread import METHOD, table
from burnish.evaluate.benchmarks.options import fitting
from burnish.evaluate.benchmarks.registry import DRAWN
from burnish.evaluate.benchmarks.results import absent, chosen, write_json
from burnish.evaluate.evaluate import load_weights, open_model
from burnish.policies.load import kind_of
from burnish.recipes.load import load_recipe
from burnish.report.progress import Progress
from burnish.rewards.diversity import Score, diversity
from burnish.types import Prompt


def run_drawn(
    model: str,
    name: str,
    data: Path,
    out: Path,
    *,
    count: int | None = None,
    seed: int = 0,
    images: int | None = None,
    steps: int = 28,
    guidance: float | None = None,
    size: int | None = None,
    features: str | None = None,
    rows: int = 16,
    device: str = "auto",
    base: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """A model's pictures for a benchmark's prompts, scored; the result is also written to `OUT/NAME.json`.

    Pictures and verdicts that are in `out` already are kept, if they were made with the same settings.

    Args:
        model: bundled name, folder, or run.
        name: of `registry.DRAWN`.
        data: the benchmark's file of prompts, or a folder of them.
        out: folder for pictures and result.
        count: prompts, drawn by `seed`; None takes them all.
        seed: of that draw and of all noise.
        images: a prompt; None takes as many as the original.
        steps: of denoising.
        guidance: its scale; None is the model's, or the run's, own.
        size: height and width in pixels; None is the model's, or the run's, own.
        features: folder of a CLIP model that measures diversity; None compares pixels.
        rows: pictures in one forward.
        device: as in a recipe.
        base: of a run, the model it started from.
        options: the scorer's own.

    Returns:
        Settings, `table` (`spread.table`), and `rows`: of each prompt its pictures, with file, seed, and
        verdict.

    Raises:
        BurnishError: what is wrong with model, data or options; nothing was written before drawing began.
    """
    benchmark = DRAWN[name]
    target = out / f"{name}.json"
    absent(target)
    fitting(name, options, benchmark.scorer)
    prompts = benchmark.prompts(data)
    places = chosen(len(prompts), count, seed)
    run = Path(model) if (Path(model) / "recipe.yaml").is_file() else None
    recipe = load_recipe(str(run / "recipe.yaml"), []) if run else None
    if (recipe.model.kind if recipe else kind_of(model)) != "image":
        raise ModelError(f"{model} reads images; {name} asks models that make them")
    quiet("transformers", "diffusers")
    placed = {"device": device} if "device" in inspect.signature(benchmark.scorer).parameters else {}
    scorer = benchmark.scorer([prompts[place] for place in places], **options, **placed)
    differing = diversity(features, device)
    changes = {"guidance_scale": guidance, "height": size, "width": size}
    policy = open_model(
        model,
        device,
        base=base or run is not None,
        changes={k: v for k, v in changes.items() if v is not None},
    )
    if guidance is not None and policy.backbone.guidance is None:
        raise ModelError(f"{model} has no guidance; leave out --guidance")
    drawn_with = {
        "model": model,
        "checkpoint": load_weights(policy, run) if run and not base else None,
        "prompts": hashlib.sha256("\n".join(prompt.text for prompt in prompts).encode()).hexdigest(),
        "seed": seed,
        "steps": steps,
        "guidance": policy.backbone.guidance,
        "size": [policy.backbone.height, policy.backbone.width],
    }
    folder = Folder(out, drawn_with)
    judged_with = {"benchmark": name, "images": images or benchmark.images, "features": features, **options}
    ledger = Ledger(out / f"{name}.rows.jsonl", {**judged_with, **drawn_with})
    judged = judge(
        benchmark,
        scorer,
        differing,
        policy,
        folder,
        ledger,
        prompts,
        places,
        images or benchmark.images,
        rows,
    )
    measure = "pixels" if features is None else "features"
    marks = [_marks(benchmark, prompts[row["place"]], row, measure) for row in judged]
    result = {
        **drawn_with,
        **judged_with,
        "base": base,
        "recipe": recipe.dump() if recipe else None,
        "recipe_sha256": _digest(run / "recipe.yaml") if run else None,
        "paper": benchmark.paper,
        "data": str(data),
        "count": len(places),
        "interval": METHOD,
        "table": table(marks, benchmark.weight, benchmark.order),
        "rows": judged,
    }
    write_json(target, result)
    ledger.close()
    return result


def judge(
    benchmark: Drawn,
    scorer: Scorer,
    differing: Score,
    policy: Any,
    folder: Folder,
    ledger: Ledger,
    prompts: Sequence[Prompt],
    places: Sequence[int],
    images: int,
    rows: int,
) -> list[dict[str, Any]]:
    """Draws and scores whole prompts, about `rows` pictures at a time; progress goes to stderr."""
    missing = [place for place in places if place not in ledger.rows]
    start, total = (len(places) - len(missing)) * images, len(places) * images
    size = max(1, rows // images)
    title = f"{benchmark.name}: {len(places)} prompts, {images} pictures each"
    with Progress(total, title, start=start, file=sys.stderr) as progress:
        for first in range(0, len(missing), size):
            part = missing[first : first + size]
            jobs = [(place, number) for place in part for number in range(images)]
            asked = [prompts[place] for place, _ in jobs]
            pictures = folder.pictures(policy, [prompt.text for prompt in asked], jobs, rows)
            verdicts = scorer(pictures, asked)
            found = []
            for index, place in enumerate(part):
                mine = slice(index * images, (index + 1) * images)
                of_one = zip(jobs[mine], pictures[mine], verdicts[mine], strict=True)
                shown = [
                    {
                        "file": f"images/{folder.path(job).name}",
                        "seed": folder.seed(job),
                        **verdict,
                        "quality": measures(picture),
                    }
                    for job, picture, verdict in of_one
                ]
                row = {"place": place, "id": prompts[place].columns.get("id"), "prompt": prompts[place].text}
                asks = {key: value for key, value in prompts[place].columns.items() if key != "id"}
                apart = [value for value in differing(pictures[mine], asked[mine]) if value is not None]
                mean = statistics.fmean(apart) if apart else None
                found.append({**row, **asks, "images": shown, "diversity": mean})
            ledger.add(found)
            progress.update(start + (first + len(part)) * images)
    return [ledger.rows[place] for place in places]


def _marks(benchmark: Drawn, prompt: Prompt, row: dict[str, Any], measure: str) -> list[Mark]:
    """The benchmark's own, then those that every benchmark has."""
    found = list(benchmark.marks(prompt, row["images"]))
    if row["diversity"] is not None:
        found.append(Mark("diversity", measure, row["diversity"]))
    return found + [
        Mark("picture", name, value) for shown in row["images"] for name, value in shown["quality"].items()
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
