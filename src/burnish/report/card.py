"""The model card beside exported weights: `README.md` in the hub's format, with curve and pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from burnish import __version__
from burnish.errors import RunError
from burnish.report.events import read_events
from burnish.report.story import Story
from burnish.report.svg import Series, curve

SEE = "Measured on fixed prompts with fixed noise; ± one standard error over prompts."


def write_card(run: Path, model: Path, pipeline: str, step: int | None = None) -> Path:
    """Writes `README.md`, `curve.svg` and `timeline.png` into the folder of exported weights.

    Args:
        run: the run folder, source of recipe, events and pictures.
        model: the folder of the weights.
        pipeline: class name of the pipeline, e.g. `FluxPipeline`.
        step: training steps behind the weights, where they are not the run's last.

    Returns:
        The card's path.

    Raises:
        RunError: the folder cannot be written.
    """
    text = (run / "recipe.yaml").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text)
    events = read_events(run / "metrics.jsonl")
    story = Story([event for event in events if step is None or event["step"] <= step], recipe)
    parts = [_matter(recipe), _head(recipe, story, pipeline), _results(story)]
    try:
        parts.append(_figures(run, model, story))
        parts.append(_training(recipe, text))
        card = model / "README.md"
        card.write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {model}: {error.strerror}; check the disk and permissions") from error
    return card


def _matter(recipe: dict[str, Any]) -> str:
    language = recipe["model"].get("kind") == "language"
    task = "image-text-to-text" if language else "text-to-image"
    tags = [task, "reinforcement-learning", "burnish"] + ["lora"] * bool(recipe["model"]["lora"])
    fields = {
        "base_model": Path(recipe["model"]["path"]).name,
        "library_name": "transformers" if language else "diffusers",
        "pipeline_tag": task,
        "tags": tags,
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"


def _head(recipe: dict[str, Any], story: Story, pipeline: str) -> str:
    model, lora = recipe["model"], recipe["model"]["lora"]
    base = Path(model["path"]).name
    if model.get("kind") == "language":
        return _head_language(recipe, story, pipeline, base)
    what = f"LoRA of rank {lora['rank']}" if lora else "All weights of the denoiser"
    load = f'pipe = {pipeline}.from_pretrained("{"path/to/" + base if lora else "path/to/this/folder"}")'
    if lora:
        load += '\npipe.load_lora_weights("path/to/this/folder")'
    guidance = model["guidance_scale"]
    note = "" if guidance is None else f" Trained with guidance scale {guidance:g}: sample with the same."
    return (
        f"# {base}, tuned by {recipe['algorithm']['preset']}\n\n"
        f"{what}, post-trained by reinforcement learning: {story.last_step} steps, seed "
        f"{recipe['run']['seed']}.{note}\n\n"
        f"```python\nfrom diffusers import {pipeline}\n\n{load}\n```\n"
    )


def _head_language(recipe: dict[str, Any], story: Story, name: str, base: str) -> str:
    lora = recipe["model"]["lora"]
    what = f"LoRA of rank {lora['rank']}" if lora else "All weights"
    load = f'model = {name}.from_pretrained("{"path/to/" + base if lora else "path/to/this/folder"}")'
    if lora:
        load += '\nmodel = PeftModel.from_pretrained(model, "path/to/this/folder")'
    imports = f"from transformers import {name}" + ("\nfrom peft import PeftModel" if lora else "")
    return (
        f"# {base}, tuned by {recipe['algorithm']['preset']}\n\n"
        f"{what}, reinforcement fine-tuning: {story.last_step} steps, seed {recipe['run']['seed']}. Sampled "
        f"at temperature {recipe['model']['temperature']:g}, evaluated greedily.\n\n"
        f"```python\n{imports}\n\n{load}\n```\n"
    )


def _results(story: Story) -> str:
    rows = [
        f"| {name} | {s.name} | {_value(s.base, s.base_se)} | {_value(s.last, s.last_se)} |"
        for name in story.sets
        for s in story.scores(name)
    ]
    if not rows:
        return ""
    head = "| prompts | score | base | tuned |\n|---|---|---|---|\n"
    return "## Results\n\n" + head + "\n".join(rows) + f"\n\n{SEE}\n"


def _figures(run: Path, model: Path, story: Story) -> str:
    lines = ["## Curve and pictures\n"]
    metrics = story.metrics()
    if metrics:
        series = [Series(name, story.held_out(name, metrics[0]), i) for i, name in enumerate(story.sets)]
        style = (Path(__file__).parent / "svg.css").read_text(encoding="utf-8")
        drawing = curve(series, f"{metrics[0]} by step")
        drawing = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        drawing = drawing.replace(">", f"><style>{style}</style>", 1)
        (model / "curve.svg").write_text(drawing, encoding="utf-8")
        lines.append(f"![{metrics[0]} by training step](curve.svg)\n")
    films = sorted((run / "images").glob("*_timeline.png"))
    if films:
        shutil.copyfile(films[0], model / "timeline.png")
        lines.append("![Fixed prompts and noise by training step](timeline.png)\n")
    return "\n".join(lines) if len(lines) > 1 else ""


def _training(recipe: dict[str, Any], text: str) -> str:
    rewards = "\n".join(f"| `{reward['name']}` | {reward['weight']:g} |" for reward in recipe["rewards"])
    return (
        f"## Training\n\n| reward | weight |\n|---|---|\n{rewards}\n\n"
        f"Trained with burnish {__version__}. The whole recipe:\n\n```yaml\n{text}```\n"
    )


def _value(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + (f" ± {error:.3f}" if error is not None else "")
