"""The training reward against held-out rewards: the alarm in words, the figure, the evidence."""

import json
from html import escape
from pathlib import Path
from typing import Any

from burnish.report.figures import embedded
from burnish.report.story import Story, number
from burnish.report.svg import Point, Series, curve, legend

_PROXY, _TRUTH, _ALARM = 4, 0, 1
"""Colours."""


def in_words(event: dict[str, Any]) -> str:
    """A `watch` event in words: what the reward and the held-out reward did since the latter's best."""
    rise, fall = _change(event.get("rise")), _change(event.get("fall"))
    if not rise or not fall:
        return "nothing to compare with yet"
    return f"training reward {rise} and {event.get('held_out')} {fall} since step {event.get('since')}"


def banner(story: Story) -> str:
    """A notice for each alarm that rang: step, numbers, and what followed."""
    return "".join(_notice(story, event) for event in watched(story) if event.get("rings") is True)


def parting(run: Path, story: Story) -> str:
    """For each held-out reward: both curves in units of the base's spread, the state, the evidence."""
    events = watched(story)
    names = list(dict.fromkeys(str(event.get("held_out")) for event in events))
    panels = "".join(_panel(name, [e for e in events if str(e.get("held_out")) == name]) for name in names)
    if not panels:
        return ""
    note = (
        "Change since the base on the same prompts and noise, in the base's standard deviations over "
        "prompts; bands are ± one standard error of the paired change."
    )
    rang = [event for event in events if event.get("rings") is True]
    evidence = "".join(_evidence(run, event) for event in rang)
    return f'<div class="panels">{panels}</div><p class="note">{note}</p>{evidence}'


def watched(story: Story) -> list[dict[str, Any]]:
    """The `watch` events, oldest first."""
    return [event for event in story.events if event["kind"] == "watch"]


def _notice(story: Story, event: dict[str, Any]) -> str:
    newest = [e for e in watched(story) if e.get("held_out") == event.get("held_out")][-1]
    after = ""
    end = story.events[-1] if story.finished else {}
    if "exported" in end:
        after = f" The run ended there, and model/ holds the weights of step {end['exported']}."
    elif newest["step"] > event["step"]:
        after = f" At step {newest['step']}: {in_words(newest)}"
        after += "." if newest.get("state") == "hacking" else ", which is no longer clear."
    level = number(event.get("level"))
    odds = f" Bounds in brackets are those of the test, at level {level:.2g} each." if level else ""
    text = f"Alarm at step {event['step']}: {in_words(event)}.{after}{odds}"
    return f'<p class="notice" role="alert"><b>Reward hacking.</b> {escape(text)}</p>'


def _panel(name: str, events: list[dict[str, Any]]) -> str:
    lines = [
        Series("training reward", _points(events, "proxy"), _PROXY),
        Series(name, _points(events, "truth"), _TRUTH),
    ]
    rang = [e for e in events if e.get("rings") is True]
    if rang:
        lines.append(Series("alarm", [(x, y, None) for x, y, _ in _points(rang, "truth")], _ALARM))
    newest = events[-1]
    state = str(newest.get("state") or "")
    says = f'<p class="note">{escape(f"{state}: {in_words(newest)}")}</p>' if state else ""
    shown = legend([(line.name, line.color) for line in lines])
    title = f"<figcaption>Training reward and {escape(name)} <span>paired, by step</span></figcaption>"
    return f"<figure>{title}{curve(lines, f'Training reward and {name} by step')}{shown}{says}</figure>"


def _points(events: list[dict[str, Any]], side: str) -> list[Point]:
    known = [(e["step"], each) for e in events if isinstance(each := e.get(side), dict)]
    return [(step, number(each.get("gain")), number(each.get("gain_se"))) for step, each in known]


def _evidence(run: Path, event: dict[str, Any]) -> str:
    name = escape(str(event.get("held_out")))
    heading = f"<h3>Where the reward rose and {name} fell, step {event['step']}</h3>"
    source = embedded(run, event.get("grid"))
    if source:
        alt = escape(f"Prompts whose reward rose while {event.get('held_out')} fell")
        return f'{heading}<figure><img src="{source}" alt="{alt}"></figure>'
    table = _transcripts(run, event)
    return heading + table if table else ""


def _transcripts(run: Path, event: dict[str, Any]) -> str:
    """What a language model answered to the telling prompts at each of the steps shown."""
    files, which = event.get("transcripts"), event.get("prompts")
    if not isinstance(files, list) or not isinstance(which, list):
        return ""
    pages = [_rows(run, name) for name in files]
    if not all(pages) or not all(isinstance(n, int) and 0 <= n < min(map(len, pages)) for n in which):
        return ""
    steps = [str(Path(str(name)).stem).rpartition("_")[2].lstrip("0") or "0" for name in files]
    head = "".join(f"<th>Step {escape(step)}</th>" for step in steps)
    rows = "".join(
        f"<tr><th>{escape(_short(pages[0][n].get('prompt')))}</th>"
        + "".join(f"<td>{escape(_short(page[n].get('completion')))}</td>" for page in pages)
        + "</tr>"
        for n in which
    )
    head = f"<thead><tr><th>Prompt</th>{head}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'


def _rows(run: Path, name: Any) -> list[dict[str, Any]]:
    """The lines of a file of transcripts inside the run; none if it is missing, elsewhere or broken."""
    try:
        path = (run / str(name)).resolve()
        if not path.is_relative_to(run.resolve()):
            return []
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError):
        return []
    return rows if all(isinstance(row, dict) for row in rows) else []


def _short(text: Any) -> str:
    words = " ".join(str(text or "").split())
    return words if len(words) <= 280 else words[:279] + "…"


def _change(values: Any) -> str:
    """`+2.20 [1.93, 2.47]`, or nothing if it is no change."""
    mean, low, high = map(number, values) if isinstance(values, list) and len(values) == 3 else (None,) * 3
    if mean is None:
        return ""
    digits = 3 if abs(mean) < 1 else 2
    bounds = f" [{low:.{digits}f}, {high:.{digits}f}]" if low is not None and high is not None else ""
    return f"{mean:+.{digits}f}{bounds}".replace("-", "−")
