"""The report of a run: one self-contained `report.html` that opens offline, on a phone too.

It is written from what the run folder holds (`metrics.jsonl`, `recipe.yaml`, `environment.json`,
`images/`), so it also works on a run that is half finished. Every text is escaped, every picture is
embedded, and the page's own policy forbids scripts and network.
"""

import json
import math
import os
from html import escape
from pathlib import Path
from typing import Any

import yaml

from burnish.errors import RunError
from burnish.report.document import document, facts_of
from burnish.report.events import read_events
from burnish.report.figures import curves, optimisation, pictures, timings
from burnish.report.parting import banner, parting
from burnish.report.progress import clock
from burnish.report.story import Score, Story, named
from burnish.report.transcripts import transcripts


def write_report(run: Path) -> Path:
    """Writes `report.html` in the run folder (replacing an older one whole) and returns its path.

    Raises:
        RunError: the folder holds no events, or cannot be written.
    """
    run = Path(run)
    story = Story(read_events(run / "metrics.jsonl"), _recipe(run)[1])
    target, draft = run / "report.html", run / "report.html.tmp"
    try:
        draft.write_text(_page(run, story), encoding="utf-8", errors="replace")
        os.replace(draft, target)
    except OSError as error:
        raise RunError(f"cannot write {target}: {error.strerror}; check the disk and permissions") from error
    return target


def _page(run: Path, story: Story) -> str:
    said = transcripts(run, story)
    sections = [
        ("Scores", "scores", _scores(story)),
        ("Reward and held-out", "parting", parting(run, story)),
        ("Curves", "curves", curves(story)),
        ("Transcripts", "transcripts", said) if said else ("Pictures", "pictures", pictures(run, story)),
        ("Health", "health", _health(story)),
        ("Optimisation", "optimisation", optimisation(story)),
        ("Time", "time", timings(story)),
        ("Recipe and environment", "recipe", _recipe_section(run)),
    ]
    title = f"{_get(story.recipe, 'algorithm', 'preset') or 'Run'} · {run.resolve().name}"
    return document(title, _header(run, story), sections, "metrics.jsonl")


def _header(run: Path, story: Story) -> str:
    recipe = story.recipe
    preset, model = _get(recipe, "algorithm", "preset"), _get(recipe, "model", "path")
    facts = [
        ("Model", model),
        ("Method", preset),
        ("Prompts", _get(recipe, "data", "prompts")),
        ("Reward", ", ".join(named(_get(recipe, "rewards")))),
        ("Seed", _get(recipe, "run", "seed")),
        ("Progress", _progress(story)),
    ]
    heading = f"{preset} on {model}" if preset and model else run.resolve().name
    kicker = f'<p class="kicker">burnish · {escape(run.resolve().name)}</p>'
    return f"<header>{kicker}<h1>{escape(heading)}</h1>{facts_of(facts)}{_notice(story)}</header>"


def _progress(story: Story) -> str:
    total = _get(story.recipe, "train", "steps")
    seconds = story.end_seconds
    if story.finished:
        took = f" in {clock(seconds)}" if seconds is not None else ""
        return f"{story.last_step} steps, finished{took}"
    return f"step {story.last_step}" + (f" of {total}" if total is not None else "") + ", not finished"


def _notice(story: Story) -> str:
    """The alarm that must not be missed."""
    notices = banner(story)
    for finding in story.health():
        if "hacking" in finding.check.lower() and not finding.ok:
            text = f"{finding.message} (step {finding.step})"
            notices += f'<p class="notice" role="alert"><b>Reward hacking.</b> {escape(text)}</p>'
    return notices


def _scores(story: Story) -> str:
    """A card a set with its main score, and a table of every score."""
    cards, rows = [], []
    for place, name in enumerate(story.sets):
        events = story.evaluations(name)
        for number, score in enumerate(story.scores(name)):
            if number == 0:
                role = "held out" if place == 0 else "also held out"
                role = "out of domain" if "ood" in name.lower() else role
                cards.append(_card(name, role, score, events[-1]))
            change = _signed(score) if score.base_step != score.step else "–"
            rows.append(
                f"<tr><th>{escape(name)}</th><td>{escape(score.name)}</td>"
                f"<td>{_value(score.base, score.base_se)}</td>"
                f"<td>{_value(score.last, score.last_se)}</td><td>{change}</td></tr>"
            )
    if not cards:
        return '<p class="none">No evaluation yet.</p>'
    table = (
        '<div class="scroll"><table><thead><tr><th>Set</th><th>Score</th><th>Base</th><th>Tuned</th>'
        f"<th>Change</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    note = (
        '<p class="note">Mean ± one standard error, over fixed prompts and fixed noise. “Base” is the first '
        "evaluation, “tuned” the newest, not the best. The error of a change takes the two as independent; "
        "they share prompts and noise, so it is usually too large.</p>"
    )
    return f'<div class="cards">{"".join(cards)}</div>{table}{note}'


def _card(name: str, role: str, score: Score, event: dict[str, Any]) -> str:
    count = event.get("count")
    images = f" · {count} prompts" if isinstance(count, int) else ""
    head = f'<p class="set">{escape(name)} <span>{role}{images}</span></p>'
    if score.base_step == score.step:
        numbers = f'<p class="numbers"><b>{_value(score.last, score.last_se)}</b></p>'
        gain = f'<p class="gain">{escape(score.name)} at step {score.step}; not evaluated again yet</p>'
    else:
        kind = (
            "same"
            if abs(score.gain or 0) <= 2 * (score.gain_se or 0)
            else "up"
            if (score.gain or 0) > 0
            else "down"
        )
        numbers = (
            f'<p class="numbers"><span>{_value(score.base, score.base_se)}</span> → '
            f"<b>{_value(score.last, score.last_se)}</b></p>"
        )
        verdict = {"same": "within two standard errors", "up": "better", "down": "worse"}[kind]
        verdict = verdict if score.gain is not None else "not known"
        gain = (
            f'<p class="gain {kind}"><b>{_signed(score)}</b> {escape(score.name)}, {verdict} '
            f"after {score.step} steps</p>"
        )
    return f'<div class="card">{head}{numbers}{gain}</div>'


def _health(story: Story) -> str:
    findings = story.health()
    if not findings:
        return ""
    rows = "".join(
        f'<tr><td><span class="{"ok" if f.ok else "failed"}">{"ok" if f.ok else "failed"}</span></td>'
        f"<th>{escape(f.check)}</th><td>{escape(f.message)}</td>"
        f"<td>{f.step}</td><td>{f.failures or ''}</td></tr>"
        for f in findings
    )
    head = "<tr><th></th><th>Check</th><th>Latest finding</th><th>Step</th><th>Failures</th></tr>"
    return (
        f'<div class="scroll"><table class="health"><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    )


def _recipe(run: Path) -> tuple[str, dict[str, Any]]:
    """Text and content of the recipe; empty if missing or broken."""
    try:
        text = (run / "recipe.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", {}
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        content = None
    return text, content if isinstance(content, dict) else {}


def _recipe_section(run: Path) -> str:
    text, _ = _recipe(run)
    parts = f"<details><summary>recipe.yaml</summary><pre>{escape(text)}</pre></details>" if text else ""
    try:
        found = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return parts
    if not isinstance(found, dict):
        return parts
    packages = found.pop("packages", {})
    found |= packages if isinstance(packages, dict) else {}
    items = "".join(
        f"<div><dt>{escape(str(name).replace('_', ' '))}</dt>"
        f"<dd>{'–' if value is None else escape(str(value))}</dd></div>"
        for name, value in found.items()
    )
    return f'{parts}<dl class="facts">{items}</dl>'


def _get(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _value(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    digits = 3 if abs(value) < 100 else 1
    shown = f"{value:.{digits}f}".replace("-", "−")
    return f"{shown} <small>± {error:.{digits}f}</small>" if error is not None else shown


def _signed(score: Score) -> str:
    if score.gain is None or not math.isfinite(score.gain):
        return "–"
    return ("+" if score.gain >= 0 else "") + _value(score.gain, score.gain_se)
