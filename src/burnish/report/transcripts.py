"""What a language model said to fixed prompts before and after training, beside what it was shown."""

from __future__ import annotations

import base64
import io
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from burnish.report.story import Story

_MARKERS = re.compile(r"<image>|<video>|<audio>")
_ANSWER = re.compile(r"&lt;answer&gt;(.*?)&lt;/answer&gt;", re.DOTALL)


def transcripts(run: Path, story: Story) -> str:
    """A table a set: picture, question, right answer, first and newest completion; empty without any."""
    parts = []
    for name in story.sets:
        kept = [(event["step"], _lines(run, event)) for event in story.evaluations(name)]
        kept = [(step, lines) for step, lines in kept if lines]
        if kept:
            parts.append(f"<h3>{escape(name)}</h3>{_table(run, story.evaluations(name)[0], kept)}")
    return "".join(parts)


def _table(run: Path, event: dict[str, Any], kept: list[tuple[int, list[dict[str, Any]]]]) -> str:
    shown = [kept[0]] if len(kept) == 1 else [kept[0], kept[-1]]
    tiles = _tiles(run, event)
    heads = "".join(f"<th>{'Before' if step == 0 else 'After'}, step {step}</th>" for step, _ in shown)
    rows = []
    for number, tile in enumerate(tiles):
        first = shown[0][1][number]
        question = " ".join(_MARKERS.sub("", str(first.get("prompt", ""))).split())
        said = "".join(f"<td>{_marked(str(lines[number].get('completion', '')))}</td>" for _, lines in shown)
        picture = f'<img src="{tile}" alt="{escape(question)}" width="96" height="96">'
        right = escape(str(first.get("answer") or "–"))
        rows.append(f"<tr><td>{picture}</td><td>{escape(question)}</td><td>{right}</td>{said}</tr>")
    head = f"<tr><th></th><th>Question</th><th>Right answer</th>{heads}</tr>"
    return (
        '<div class="scroll"><table class="transcripts">'
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _marked(text: str) -> str:
    """The completion with its answer in bold."""
    return (
        _ANSWER.sub(r"<b>\1</b>", escape(text)).replace("&lt;think&gt;", "").replace("&lt;/think&gt;", " → ")
    )


def _slug(event: dict[str, Any]) -> str:
    return Path(str(event.get("grid"))).stem.rpartition("_")[0]


def _lines(run: Path, event: dict[str, Any]) -> list[dict[str, Any]]:
    """The transcripts of one evaluation; none if they are missing or damaged."""
    path = run / "transcripts" / f"{_slug(event)}_{event['step']:06d}.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []


def _tiles(run: Path, event: dict[str, Any]) -> list[str]:
    """The pictures of the strip that the evaluation kept, square, each as a data address."""
    try:
        strip = Image.open(run / "images" / "raw" / f"{_slug(event)}_{event['step']:06d}.png").convert("RGB")
    except OSError:
        return []
    side, found = strip.height, []
    for left in range(0, strip.width - side + 1, side):
        stream = io.BytesIO()
        strip.crop((left, 0, left + side, side)).save(stream, format="PNG")
        found.append("data:image/png;base64," + base64.b64encode(stream.getvalue()).decode())
    return found
