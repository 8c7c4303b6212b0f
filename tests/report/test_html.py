import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml

from burnish.errors import RunError
from burnish.report.events import EventLog
from burnish.report.grid import grid, save_png
from burnish.report.html import write_report

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "br", "line", "input"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "div", "p"),
    *("h1", "h2", "h3", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "b", "i", "small"),
    *("span", "ul", "li", "figure", "figcaption", "img", "details", "summary", "pre", "code"),
    *("svg", "g", "line", "text", "polyline", "polygon", "circle", "rect"),
}


class Checker(HTMLParser):
    """Tags balance, only known tags and inert attributes occur, nothing is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.count, self.words = [], {}, []

    def handle_starttag(self, tag, attributes):
        assert tag in ALLOWED, tag
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name in ("src", "href"):
                assert value.startswith("data:image/png;base64,")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def checked(run):
    path = write_report(run)
    assert path == run / "report.html"
    text = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    body = text.partition("</style>")[2]
    assert not re.search(r"\bnan\b|\binf\b|>None<|Traceback", body)
    assert "http:" not in text
    assert "https:" not in text
    checker.text = re.sub(r"\s+", " ", "".join(checker.words))
    return checker


@pytest.fixture
def run(tmp_path):
    """A finished run of 20 steps with two evaluation sets and pictures."""
    folder = tmp_path / "first"
    folder.mkdir()
    recipe = {
        "run": {"seed": 7},
        "model": {"path": "scenes-small"},
        "data": {"prompts": "scenes:train"},
        "rewards": [{"name": "scenes_graded"}],
        "algorithm": {"preset": "slas"},
        "train": {"steps": 20},
        "evaluation": {"reward": [{"name": "scenes_strict"}]},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "environment.json").write_text(json.dumps({"python": "3.11", "packages": {"peft": None}}))
    log = EventLog(folder / "metrics.jsonl")
    log.append("start", 0)
    for step in range(21):
        if step:
            seconds = {"seconds/sample": 1.0, "seconds/update": 2.0, "seconds/step": 4.0}
            log.append("train", step, reward=0.5, loss=0.1, **{"reward/scenes_graded": 0.5}, **seconds)
        if step % 10 == 0:
            for name in ("test", "ood"):
                path = f"images/{name}_{step:06d}.png"
                save_png(grid([[np.full((8, 8, 3), step, np.uint8)]], scale=1), folder / path)
                fields = {"scenes_strict": 0.25 + step / 80, "scenes_strict/se": 0.03, "grid": path}
                log.append("evaluate", step, set=f"scenes:{name}", count=256, **fields)
    save_png(grid([[np.zeros((8, 8, 3), np.uint8)]], scale=1), folder / "images" / "test_timeline.png")
    log.append("health", 20, check="no sign of reward hacking", ok=True, message="all well")
    log.append("end", 20, seconds=83)
    return folder


def test_a_finished_run(run):
    page = checked(run)
    assert "slas on scenes-small" in page.text
    assert "20 steps, finished in 1:23" in page.text
    assert "0.250 ± 0.030 → 0.500 ± 0.030" in page.text
    assert "+0.250 ± 0.042 scenes_strict, better after 20 steps" in page.text
    assert "out of domain" in page.text
    assert "Before, step 0" in page.text
    assert "After, step 20" in page.text
    assert page.count["img"] == 5
    assert "Reward hacking." not in page.text
    assert "other" in page.text  # a step takes a second more than its phases
    assert "all well" in page.text


def test_the_report_is_the_same_twice(run):
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not (run / "report.html.tmp").exists()


def test_reward_hacking_is_announced_until_it_is_over(run):
    log = EventLog(run / "metrics.jsonl")
    log.append("health", 20, check="no sign of reward hacking", ok=False, message="gaming the reward")
    assert "Reward hacking. gaming the reward (step 20)" in checked(run).text
    log.append("health", 21, check="no sign of reward hacking", ok=True, message="fine")
    assert "Reward hacking." not in checked(run).text


def test_a_small_change_is_called_so_and_a_fall_is_worse(run):
    log = EventLog(run / "metrics.jsonl")
    log.append("evaluate", 30, set="scenes:test", scenes_strict=0.26, **{"scenes_strict/se": 0.03})
    log.append("evaluate", 30, set="scenes:ood", scenes_strict=0.05, **{"scenes_strict/se": 0.03})
    text = checked(run).text
    assert "+0.010 ± 0.042 scenes_strict, within two standard errors" in text
    assert "−0.200 ± 0.042 scenes_strict, worse" in text


def test_text_from_the_run_is_escaped(tmp_path):
    run = tmp_path / "r"
    run.mkdir()
    (run / "recipe.yaml").write_text(yaml.safe_dump({"model": {"path": EVIL}, "algorithm": {"preset": EVIL}}))
    (run / "environment.json").write_text(json.dumps({EVIL: EVIL}))
    log = EventLog(run / "metrics.jsonl")
    for step in (0, 1):
        log.append("evaluate", step, set=EVIL, grid=EVIL, count=EVIL, **{EVIL.replace("/", "|"): 0.5})
        fields = {f"reward/{EVIL}": 1.0, "reward/b": 2.0, f"seconds/{EVIL}": 1.0}
        log.append("train", step, reward=1.0, **fields)
        log.append("health", step, check=EVIL + "hacking", ok=False, message=EVIL)
    text = write_report(run).read_text()
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    checked(run)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"kind": "start", "step": 0}],
        [{"kind": "train", "step": 1, "reward": None, "loss": None, "seconds/sample": None}],
        [{"kind": "train", "step": 1, "reward": 0.5, "seconds/step": 0.0}],
        [{"kind": "evaluate", "step": 0}],
        [{"kind": "evaluate", "step": 0, "set": None, "score": None, "grid": 3}],
        [{"kind": "evaluate", "step": 0, "set": "a", "score": 21.5}],
        [{"kind": "evaluate", "step": s, "set": "a", "score": 1234.5, "score/se": None} for s in (0, 5)],
        [{"kind": "health", "step": 1}],
        [{"kind": "end", "step": 1, "seconds": None}],
        [{"kind": "something new", "step": 1, "x": [1]}],
    ],
)
def test_half_a_run(tmp_path, events):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    checked(tmp_path)


@pytest.mark.parametrize(
    ("recipe", "environment"),
    [("a: [", "{"), ("- 1", "[]"), ("rewards: 3", "3"), ("model: 1", '{"packages": 1}')],
)
def test_broken_companions(run, recipe, environment):
    (run / "recipe.yaml").write_text(recipe)
    (run / "environment.json").write_text(environment)
    assert recipe in checked(run).text


def test_missing_pictures_are_left_out(run):
    for path in (run / "images").iterdir():
        path.unlink()
    assert "img" not in checked(run).count


@pytest.mark.parametrize("name", ["../secret.png", "notes.png", "images", "images/\0.png"])
def test_only_pictures_of_the_run_are_embedded(run, name):
    (run.parent / "secret.png").write_bytes((run / "images" / "test_000000.png").read_bytes())
    (run / "notes.png").write_text("not a picture")
    (run / "images" / "test_timeline.png").unlink()
    events = [{"kind": "evaluate", "step": 0, "set": "a", "score": 1.0, "grid": name}]
    (run / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    assert "img" not in checked(run).count


def test_rewards_of_any_name_and_number(tmp_path):
    log = EventLog(tmp_path / "metrics.jsonl")
    for step in range(1, 40):
        log.append("train", step, reward=20.0, **{"reward/pick": 20.0, "reward/my.py:ugly name": -1e6})
    page = checked(tmp_path)
    assert "my.py:ugly name" in page.text
    assert "mean of 5 steps" in page.text


@pytest.mark.parametrize("value", [10**400, 1e308, -1e308, 5e-324, "\ud800"])
def test_monstrous_values(tmp_path, value):
    log = EventLog(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.append("train", step, reward=[-1e300, value, 1e300][step - 1], loss=value)
        log.append("evaluate", step, set=str(value)[:9], count=value, score=value, **{"score/se": value})
        log.append("health", step, check="sizes", ok=False, message=str(value)[:9])
    assert "sizes" in checked(tmp_path).text


def test_films_named_by_events_come_first_and_once(run):
    film = (run / "images" / "test_timeline.png").read_bytes()
    (run / "images" / "chosen.png").write_bytes(film)
    log = EventLog(run / "metrics.jsonl")
    for timeline in ("images/chosen.png", "images/test_timeline.png", "images/gone.png", "../x.png", 3):
        log.append("pictures", 20, timeline=timeline)
    text = checked(run).text
    assert text.count("Fixed prompts and noise through training") == 2
    assert text.index("through training: chosen") < text.index("through training: test")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"metrics\.jsonl does not exist"):
        write_report(tmp_path)
