"""The figures of a report: curves, pictures before and after, time by phase."""

import base64
from html import escape
from pathlib import Path
from typing import Any

from burnish.report.story import Story
from burnish.report.svg import Series, bar, curve, legend, smooth, tidy

_PANELS = {
    "loss": "Loss",
    "grad_norm": "Gradient norm",
    "approximate_kl": "Approximate KL",
    "clip_fraction": "Clipped share",
    "dead_groups": "Groups without signal",
    "reward_std": "Reward spread (std)",
    "advantage_std": "Advantage spread (std)",
    "ratio_drift": "Ratio drift",
    "completion_length": "Tokens of an answer",
    "truncated": "Answers cut off",
    "engine/kl": "Engine mismatch, KL",
    "engine/ess": "Engine's effective share",
    "lr": "Learning rate",
}
_TRAIN, _RAW = 4, 5
"""Colours of training rewards: mean and single steps."""


def curves(story: Story) -> str:
    """A panel for each held-out score, all sets in it, with the training reward of the same name."""
    panels = []
    overlaid = False
    for metric in story.metrics():
        lines = [Series(name, story.held_out(name, metric), i % _TRAIN) for i, name in enumerate(story.sets)]
        same = _training(story, f"reward/{metric}", "training")
        overlaid = overlaid or bool(same)
        panels.append(_panel(metric, [*lines, *same], "held out, by step"))
    names = [name for name in story.fields("reward/") if story.trained(name)]
    total = _training(story, "reward", "training reward")
    if total and not (overlaid and len(names) == 1):
        panels.append(_panel("Training reward", total, "as optimised, weighted"))
    if len(names) > 1:
        for name in names:
            if name.removeprefix("reward/") not in story.metrics():
                panels.append(_panel(name.removeprefix("reward/"), _training(story, name, name), "training"))
    if not panels:
        return ""
    note = "Bands are ± one standard error. Point at a mark for its value."
    return f'<div class="panels">{"".join(panels)}</div><p class="note">{note}</p>'


def optimisation(story: Story) -> str:
    """Small multiples of what the optimiser did."""
    panels = []
    for field, title in _PANELS.items():
        points = story.trained(field)
        if points:
            chart = curve(
                [Series(title, points, 0, len(points) <= 12)], f"{title} by step", height=170, small=True
            )
            panels.append(f"<figure><figcaption>{title}</figcaption>{chart}</figure>")
    return f'<div class="panels small">{"".join(panels)}</div>' if panels else ""


def timings(story: Story) -> str:
    """Mean seconds of a step by phase: one stacked bar and a table."""
    phases = []
    for field in story.fields("seconds/"):
        name, mean = field.removeprefix("seconds/"), _mean(story, field)
        if mean is not None and name != "step":
            phases.append((name, max(mean, 0.0)))
    whole = _mean(story, "seconds/step")
    rest = (whole or 0.0) - sum(mean for _, mean in phases)
    if phases and whole and rest > 0.01 * whole:
        phases.append(("other", rest))
    total = sum(mean for _, mean in phases)
    if total <= 0:
        return ""
    rows = "".join(
        f'<tr><th><i class="s{i % 6}"></i>{escape(name)}</th>'
        f"<td>{tidy(mean)}</td><td>{mean / total:.0%}</td></tr>"
        for i, (name, mean) in enumerate(phases)
    )
    rows += f"<tr><th>step</th><td>{tidy(whole or total)}</td><td></td></tr>"
    speed = _speed(story)
    note = f'<p class="note">{tidy(speed)} images a second on average.</p>' if speed is not None else ""
    head = "<tr><th>Phase</th><th>Mean seconds</th><th>Share</th></tr>"
    table = f'<table class="time"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return f'{bar(phases, "Share of a step by phase")}<div class="scroll">{table}</div>{note}'


def pictures(run: Path, story: Story) -> str:
    """First and newest grid of each set side by side, then the films of fixed prompts through training."""
    parts = []
    for name in story.sets:
        shots = [(event["step"], embedded(run, event.get("grid"))) for event in story.evaluations(name)]
        shots = [(step, source) for step, source in shots if source]
        if not shots:
            continue
        chosen = [shots[0]] if len(shots) == 1 else [shots[0], shots[-1]]
        figures = ""
        for place, (step, source) in enumerate(chosen):
            label = f"{'Before' if step == 0 else 'First' if place == 0 else 'After'}, step {step}"
            alt = escape(f"Images for prompts of {name} at step {step}")
            figures += f'<figure><figcaption>{label}</figcaption><img src="{source}" alt="{alt}"></figure>'
        parts.append(f'<h3>{escape(name)}</h3><div class="pair">{figures}</div>')
    for place, film in enumerate(_films(run, story)):
        source = embedded(run, film)
        if source:
            name, state = Path(film).stem.removesuffix("_timeline"), "" if place else " open"
            parts.append(
                f"<details{state}><summary>Fixed prompts and noise through training: {escape(name)}</summary>"
                f'<figure><img src="{source}" alt="{escape(f"{name} through training")}"></figure></details>'
            )
    return "".join(parts)


def _films(run: Path, story: Story) -> list[str]:
    """Paths of films in the run: those of `pictures` events, then those beside the grids, in their order."""
    named = [
        e["timeline"] for e in story.events if e["kind"] == "pictures" and isinstance(e.get("timeline"), str)
    ]
    names = sorted(path.name for path in (run / "images").glob("*_timeline.png"))
    grids = [str(event.get("grid")) for name in story.sets for event in story.evaluations(name)]
    wanted = [Path(grid).stem.rpartition("_")[0] + "_timeline.png" for grid in grids]
    names.sort(key=lambda name: wanted.index(name) if name in wanted else len(wanted))
    return list(dict.fromkeys([*named, *(f"images/{name}" for name in names)]))


def _training(story: Story, field: str, name: str) -> list[Series]:
    """The training curve of one field: as it is, or faint beside its running mean when it is long."""
    points = story.trained(field)
    if not points:
        return []
    if len(points) < 16:
        return [Series(name, points, _TRAIN)]
    window = max(5, len(points) // 12)
    mean = smooth(points, window)
    return [
        Series(name, points, _RAW, dots=False),
        Series(f"{name}, mean of {window} steps", mean, _TRAIN, dots=False),
    ]


def _panel(title: str, lines: list[Series], kind: str) -> str:
    chart = curve(lines, f"{title} by step")
    shown = [(line.name, line.color) for line in lines if line.color != _RAW]
    heading = f"<figcaption>{escape(title)} <span>{escape(kind)}</span></figcaption>"
    return f"<figure>{heading}{chart}{legend(shown)}</figure>"


def _mean(story: Story, field: str) -> float | None:
    values = [value for _, value, _ in story.trained(field) if value is not None]
    return sum(values) / len(values) if values else None


def _speed(story: Story) -> float | None:
    """All images over all seconds of steps; a mean of rates would flatter a machine busy at times."""
    seconds = {step: value for step, value, _ in story.trained("seconds/step") if value}
    rates = {step: value for step, value, _ in story.trained("images_per_second") if value is not None}
    both = seconds.keys() & rates.keys()
    return sum(rates[s] * seconds[s] for s in both) / sum(seconds[s] for s in both) if both else None


def embedded(run: Path, name: Any) -> str | None:
    """A PNG inside the run folder as a data address; None if it is missing, elsewhere or no PNG."""
    if not isinstance(name, str):
        return None
    try:
        path = (run / name).resolve()
        if not path.is_relative_to(run.resolve()):
            return None
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return "data:image/png;base64," + base64.b64encode(content).decode()
