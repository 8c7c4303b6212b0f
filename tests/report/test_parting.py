"""The alarm in the report: words, notices, curves and evidence, from events as a run writes them."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.report.grid import grid, save_png
from burnish.report.html import write_report
from burnish.report.parting import banner, in_words, parting
from burnish.report.story import Story

NAME = "my <b>.py:strict"


def event(step: int, state: str | None = None, **fields: Any) -> dict[str, Any]:
    """A `watch` event: the reward gains 0.1 a step, the held-out reward loses 0.05."""
    gains = {side: {"mean": 0.5, "gain": by * step, "gain_se": 0.02} for side, by in SIDES.items()}
    told = {} if state is None else {"state": state, "rings": False, "since": 0, "level": 0.0011} | CHANGES
    return {"kind": "watch", "step": step, "set": "scenes:test", "held_out": NAME, **gains, **told, **fields}


SIDES = {"proxy": 0.1, "truth": -0.05}
CHANGES = {"rise": [2.2, 1.93, 2.47], "fall": [-0.0625, -0.1, -0.025]}
RUN = [event(0), event(5, "together"), event(10, "hacking", rings=True), event(15, "hacking")]


def words(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page))


def test_a_change_in_words() -> None:
    said = f"training reward +2.20 [1.93, 2.47] and {NAME} −0.062 [−0.100, −0.025] since step 0"
    assert in_words(RUN[2]) == said
    assert in_words(RUN[0]) == "nothing to compare with yet"
    unbounded = event(5, "together", rise=[0.5, None, None], fall=[0.0, None, None])
    assert in_words(unbounded) == f"training reward +0.500 and {NAME} +0.000 since step 0"
    assert in_words(event(5, "together", rise=[None] * 3)) == "nothing to compare with yet"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], "At step 15: training reward +2.20 [1.93, 2.47] and"),
        ([event(20, "together")], "since step 0, which is no longer clear. Bounds"),
        (
            [{"kind": "end", "step": 15, "exported": 5}],
            "The run ended there, and model/ holds the weights of step 5.",
        ),
        ([{"kind": "end", "step": 15, "exported": 5}, event(20, "hacking")], "At step 20: "),  # it went on
    ],
)
def test_the_notice_says_what_followed(more: list[dict[str, Any]], expected: str) -> None:
    page = banner(Story([*RUN, *more], {}))
    assert page.count('role="alert"') == 1
    text = words(page)
    assert "Alarm at step 10: training reward +2.20" in text
    assert expected in text
    assert "those of the test, at level 0.0011 each" in text
    assert "<b>.py" not in page


def test_without_an_alarm_there_is_no_notice_and_without_a_watch_no_section(tmp_path: Path) -> None:
    assert banner(Story(RUN[:2], {})) == ""
    assert parting(tmp_path, Story([], {})) == ""
    quiet = parting(tmp_path, Story([event(0), event(5)], {}))  # evaluation.alarm: off
    assert "<svg" in quiet
    assert "together" not in quiet


def test_both_curves_stand_in_spreads_of_the_base(tmp_path: Path) -> None:
    page = parting(tmp_path, Story(RUN, {}))
    assert page.count("<figure>") == 1
    titles = [unescape(title) for title in re.findall(r"<title>(.*?)</title>", page)]
    shown = {name: [t for t in titles if t.startswith(name)] for name in ("training reward", NAME, "alarm")}
    assert [len(each) for each in shown.values()] == [4, 4, 1]
    assert "step 10" in shown["alarm"][0]
    assert "hacking: training reward +2.20" in words(page)
    assert page.count("<polygon") >= 2  # bands of the paired errors
    two = parting(tmp_path, Story([*RUN, *({**e, "held_out": "other"} for e in RUN)], {}))
    assert two.count("<figure>") == 2


def test_pictures_are_shown_and_lost_or_foreign_ones_are_not(tmp_path: Path) -> None:
    save_png(grid([[np.zeros((8, 8, 3), np.uint8)]], scale=1), tmp_path / "images" / "a.png")
    (tmp_path / "b.txt").write_text("secret")
    for name, shown in (("images/a.png", True), ("images/none.png", False), ("b.txt", False), (7, False)):
        page = parting(tmp_path, Story([RUN[0], event(10, "hacking", rings=True, grid=name)], {}))
        assert ("<img" in page) == shown
        assert (f"Where the reward rose and {NAME} fell, step 10" in words(page)) == shown


def test_transcripts_of_telling_prompts_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for step in (0, 10):
        rows = [{"prompt": f"q{n}", "completion": f"<i>{step}-{n}</i>" + "x" * 300} for n in range(3)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "t" / f"vqa_{step:06d}.jsonl").write_text(text)
    files = ["t/vqa_000000.jsonl", "t/vqa_000010.jsonl"]
    fields: dict[str, Any] = {"rings": True, "transcripts": files, "prompts": [2, 0]}
    page = parting(tmp_path, Story([RUN[0], event(10, "hacking", **fields)], {}))
    assert re.findall(r"<th>(.*?)</th>", page) == ["Prompt", "Step 0", "Step 10", "q2", "q0"]
    cells = [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page)]
    assert [cell[:12].rstrip("x") for cell in cells] == [f"<i>{s}-{n}</i>" for n in (2, 0) for s in (0, 10)]
    assert all(len(cell) == 280 for cell in cells)
    broken = [{"prompts": [3]}, {"prompts": ["0"]}, {"transcripts": ["t/none.jsonl"]}]
    broken += [{"transcripts": ["../x.jsonl", files[1]]}, {"transcripts": None}]
    for change in broken:
        story = Story([RUN[0], event(10, "hacking", **{**fields, **change})], {})
        assert "<table>" not in parting(tmp_path, story)


def test_the_report_has_it_all(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in RUN), encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.index('role="alert"') < page.index('<section id="parting">')
    assert not re.search(r"\bnan\b|\binf\b|>None<", page.partition("</style>")[2])
