"""The alarm through whole runs: one whose held-out reward is cheated and one whose is not; stops, resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from burnish.cli import main
from burnish.engine import checkpoint
from burnish.errors import RecipeError
from burnish.evaluate import alarm
from burnish.recipes.load import load_recipe
from burnish.report.events import EventLog, read_events
from burnish.rewards.reward import Scores
from burnish.train import run as run_module
from burnish.train.watch import Watch, check_count

TRUTHS = '''
import numpy as np

def redness(image):
    values = np.asarray(image, dtype=float) / 255
    return float(values[..., 0].mean() - values[..., 2].mean())

def blue(images, prompts):
    """What redness costs."""
    return [-redness(image) for image in images]

def balanced(images, prompts):
    """What the first step gains and the next ones lose."""
    return [-abs(redness(image) + 0.045) for image in images]

def red(images, prompts):
    """What redness gains as well; the first picture cannot be scored."""
    return [redness(image) if i else None for i, image in enumerate(images)]
'''


@pytest.fixture
def watched(small_run: list[str], redness: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Overrides for a run of seconds that learns red fast and watches one of the rewards above."""
    file = tmp_path / "truths.py"
    file.write_text(TRUTHS, encoding="utf-8")

    def make(*names: str, **changes: Any) -> list[str]:
        truths = [f"{file}:{name}" for name in names]
        listed = ", ".join(f"{{name: '{name}'}}" for name in [redness, *truths])
        return [
            *small_run,
            f"evaluation.reward=[{listed}]",
            f"evaluation.held_out={json.dumps(truths)}",
            "evaluation.count=12",
            "evaluation.every=1",
            "train.lr=0.01",
            "train.ema=0.3",
            "sampling.group_size=6",
            *(f"{key}={value}" for key, value in changes.items()),
        ]

    return make


def start(words: list[str], folder: Path, code: int = 0) -> list[dict[str, Any]]:
    assert main(["train", *words, f"run.dir={folder}"]) == code
    return read_events(folder / "metrics.jsonl")


def told(folder: Path) -> list[dict[str, Any]]:
    """Everything the watch left, without times."""
    rows = read_events(folder / "scores.jsonl")
    rows += [e for e in read_events(folder / "metrics.jsonl") if e["kind"] in ("watch", "evaluate")]
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def watches(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [e for e in events if e["kind"] == "watch" and e["held_out"] == f"truths.py:{name}"]


def crash_at(step: int) -> Callable[..., dict]:
    train = run_module.Session._train

    def crash(self: run_module.Session, at: int) -> dict:
        if at == step:
            raise KeyboardInterrupt
        return train(self, at)

    return crash


def killed(*_: Any) -> int:
    raise KeyboardInterrupt


def test_a_cheated_reward_rings_and_an_honest_one_does_not(
    watched: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = start(watched("blue", "balanced", "red"), tmp_path / "run")
    assert "HACKING ALARM at step 1: training reward +0.0" in capsys.readouterr().out
    blue, balanced, red = (watches(events, name) for name in ("blue", "balanced", "red"))
    assert [e["rings"] for e in blue[1:]] == [True, False, False, False]
    assert {e["state"] for e in blue[1:]} == {"hacking"}
    (rang,) = [e for e in balanced if e.get("rings")]
    assert 0 < rang["since"] < rang["step"]  # it fell from a best that training had found
    assert not any(e.get("rings") for e in red)
    assert {e["set"] for e in blue} == {"scenes:test"}
    assert blue[1]["level"] == pytest.approx(0.05 / (3 * 10))
    health = {e["check"]: e["ok"] for e in events if e["kind"] == "health"}
    assert health["reward and truths.py:blue go together"] is False
    assert health["reward and truths.py:red go together"] is True
    grids = [e["grid"] for e in (*blue, *balanced) if e.get("rings")]
    assert len(set(grids)) == 2
    assert all((tmp_path / "run" / grid).is_file() for grid in grids)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count('role="alert"') == 2
    assert "The run ended there" not in page


def test_the_event_is_the_test_of_the_scores_on_disk(
    watched: Callable[..., list[str]], tmp_path: Path
) -> None:
    """From scores.jsonl alone, by scipy, to what the event says; missing scores are null and left out."""
    from scipy import stats

    event = watches(start(watched("red"), tmp_path / "run"), "red")[2]
    rows = read_events(tmp_path / "run" / "scores.jsonl")
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4]
    truth = np.array([row["held_out"]["truths.py:red"] for row in rows], dtype=float)
    assert np.isnan(truth[:, 0]).all()
    assert np.isfinite(truth[:, 1:]).all()
    k = rows[[row["step"] for row in rows].index(event["since"])]
    difference = truth[2, 1:] - np.array(k["held_out"]["truths.py:red"][1:])
    bounds = stats.ttest_1samp(difference, 0).confidence_interval(1 - 2 * event["level"])
    assert event["fall"] == pytest.approx([difference.mean(), *bounds])
    gain = (truth[2, 1:] - truth[0, 1:]).mean() / truth[0, 1:].std(ddof=1)
    assert event["truth"]["gain"] == pytest.approx(gain)


def test_stop_ends_the_run_and_exports_the_best(
    watched: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    changes = {"evaluation.alarm": "stop", "train.keep_checkpoints": 1, "train.steps": 8}
    events = start(watched("balanced", **changes), run)
    end, since = events[-1], watches(events, "balanced")[-1]["since"]
    step = end["step"]
    assert [e["step"] for e in events if e["kind"] == "train"] == [*range(1, step + 1)]
    assert 0 < since < step
    assert (end["kind"], end["exported"]) == ("end", since)
    folder = run / "checkpoints" / f"step_{since:08d}"  # spared, though keep_checkpoints is 1
    spared = checkpoint.load(folder).tensors["ema"]
    best = {name: value.clone() for name, value in spared.items()}
    model = load_file(run / "model" / "transformer" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(model[name], value) for name, value in best.items())
    assert f"{since} steps, seed" in (run / "model" / "README.md").read_text(encoding="utf-8")
    assert f"model/ holds the weights of step {since}." in (run / "report.html").read_text(encoding="utf-8")
    assert f"model/ holds step {since}, the best" in capsys.readouterr().out

    before, kept = (run / "metrics.jsonl").read_text(), told(run)
    (folder / "ema.safetensors").write_bytes(b"rust")
    assert main(["resume", str(run)]) == 0
    assert (
        f"the alarm ended this run at step {step}; evaluation.alarm: warn goes on" in capsys.readouterr().out
    )
    assert (run / "metrics.jsonl").read_text() == before
    after = load_file(run / "model" / "transformer" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in best.items())

    recipe = (run / "recipe.yaml").read_text().replace("alarm: stop", "alarm: warn")
    (run / "recipe.yaml").write_text(recipe)
    assert main(["resume", str(run)]) == 0
    events = read_events(run / "metrics.jsonl")
    assert [e["step"] for e in events if e["kind"] == "train"] == [*range(1, 9)]
    assert [e["step"] for e in watches(events, "balanced") if e.get("rings")] == [step]
    assert told(run)[: step + 1] == kept[: step + 1]
    assert "The run ended there" not in (run / "report.html").read_text(encoding="utf-8")


def test_a_damaged_best_is_said_and_the_newest_exported(
    watched: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, words = tmp_path / "run", watched("balanced", **{"evaluation.alarm": "stop"})
    with monkeypatch.context() as patch:
        patch.setattr(run_module.Session, "_export", killed)
        start(words, run, code=130)
    rang = watches(read_events(run / "metrics.jsonl"), "balanced")[-1]
    (run / "checkpoints" / f"step_{rang['since']:08d}" / "state.json").write_text("{}")
    assert main(["resume", str(run)]) == 0
    said = capsys.readouterr().out
    assert f"model/ holds step {rang['step']}, not the best, step {rang['since']}: " in said
    end = read_events(run / "metrics.jsonl")[-1]
    assert (end["kind"], end["step"], end["exported"]) == ("end", rang["step"], rang["step"])


@pytest.mark.parametrize(("step", "action"), [(1, "warn"), (4, "warn"), (2, "stop")])
def test_a_resumed_run_remembers_exactly(
    step: int,
    action: str,
    watched: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = watched("balanced", "red", **{"evaluation.alarm": action, "train.checkpoint_every": 3})
    straight = start(words, tmp_path / "straight")
    with monkeypatch.context() as patch:
        patch.setattr(run_module.Session, "_train", crash_at(step))
        start(words, tmp_path / "broken", code=130)
    assert main(["resume", str(tmp_path / "broken")]) == 0
    assert told(tmp_path / "straight") == told(tmp_path / "broken")
    broken = read_events(tmp_path / "broken" / "metrics.jsonl")
    assert [(e["kind"], e["step"]) for e in straight] == [(e["kind"], e["step"]) for e in broken]
    assert straight[-1].get("exported") == broken[-1].get("exported")
    assert ("exported" in straight[-1]) == (action == "stop")


def test_off_draws_curves_and_judges_nothing(watched: Callable[..., list[str]], tmp_path: Path) -> None:
    changes = {"evaluation.alarm": "off", "evaluation.count": 3, "evaluation.pictures": 0}
    events = start(watched("blue", **changes), tmp_path / "run")
    assert [sorted(e.keys() & {"truth", "state", "rings"}) for e in watches(events, "blue")] == [
        ["truth"]
    ] * 5
    assert not any("together" in e["check"] for e in events if e["kind"] == "health")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'id="parting"' in page
    assert 'role="alert"' not in page


def test_a_language_model_shows_what_it_said(language_run: list[str], tmp_path: Path) -> None:
    file = tmp_path / "letters.py"
    file.write_text(
        file.read_text(encoding="utf-8") + "\n\n"
        "def few(completions, prompts, **columns):\n"
        "    return [-sum(text.count(v) for v in 'aeiou ') - len(text) / 100 for text in completions]\n",
        encoding="utf-8",
    )
    more = [
        f"evaluation.reward=[{{name: '{file}:vowels'}}, {{name: '{file}:few'}}]",
        f"evaluation.held_out=['{file}:few']",
        "evaluation.count=12",
        "evaluation.every=3",
        "train.steps=3",
        "train.lr=0.02",
    ]
    events = start([*language_run, *more], tmp_path / "run")
    (rang,) = [e for e in events if e["kind"] == "watch" and e.get("rings")]
    assert rang["held_out"] == "letters.py:few"
    assert rang["transcripts"] == [f"transcripts/scenes-vqa-test_{step:06d}.jsonl" for step in (0, 3)]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Where the reward rose and letters.py:few fell, step 3" in page
    assert "<th>Step 0</th><th>Step 3</th>" in page


def test_too_few_prompts_are_refused_before_the_folder(
    watched: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*watched("red", **{"evaluation.count": 7}), f"run.dir={tmp_path / 'run'}"]
    assert main(["train", *words]) == 2
    error = capsys.readouterr().err
    assert "watched on 7 prompts, but over 4 evaluations the alarm cannot ring on fewer than 8" in error
    assert not (tmp_path / "run").exists()
    recipe = load_recipe("scenes", ["evaluation.held_out=[scenes_strict]"])
    check_count(recipe, alarm.least(alarm.share(3)))
    with pytest.raises(RecipeError, match="raise evaluation"):
        check_count(recipe, alarm.least(alarm.share(3)) - 1)


def scored(strict: list[float], graded: list[float]) -> Scores:
    names = {"scenes_strict": np.array(strict), "scenes_graded": np.array(graded)}
    return Scores(np.zeros(len(strict)), names)


def test_the_memory_of_an_edited_run(tmp_path: Path) -> None:
    """Other prompts begin anew; another held-out reward has no past, and no alarm of another's."""
    watch = Watch(load_recipe("scenes", ["evaluation.held_out=[scenes_strict]"]), tmp_path, 0)
    watch.look(0, scored([0.0, 1.0], [0.0, 0.5]))
    watch.look(20, scored([1.0, 1.0], [0.1, 0.5]))
    assert (watch.steps, watch.best("scenes_strict")) == ([0, 20], 20)
    watch.look(40, scored([1.0, 0.0, 0.0], [0.1, 0.5, 0.9]))
    assert watch.steps == [40]
    assert [row["step"] for row in read_events(tmp_path / "scores.jsonl")] == [0, 20, 40]

    EventLog(tmp_path / "metrics.jsonl").append("watch", 40, held_out="scenes_strict", rings=True)
    again = Watch(load_recipe("scenes", ["evaluation.held_out=[scenes_strict]"]), tmp_path, 40)
    assert (again.steps, again.fired) == ([40], {"scenes_strict": 40})
    strict = "rewards=[{name: scenes_preference}]"
    other = [strict, "evaluation.held_out=[scenes_graded]", "evaluation.alarm=stop"]
    renamed = Watch(load_recipe("scenes", other), tmp_path, 40)
    assert (renamed.steps, renamed.fired, renamed.ended, renamed.kept) == ([], {}, False, set())


def test_a_stop_spares_the_best_of_every_held_out_reward(tmp_path: Path) -> None:
    words = ["rewards=[{name: scenes_preference}]", "evaluation.held_out=[scenes_strict, scenes_graded]"]
    watch = Watch(load_recipe("scenes", [*words, "evaluation.alarm=stop"]), tmp_path, 0)
    watch.weights = {}  # the training reward is not scored here
    for step, strict, graded in ((0, 0.1, 0.9), (20, 0.8, 0.2), (40, 0.5, 0.3)):
        watch.proxy.append(np.full(2, step))
        watch.steps.append(step)
        for name, value in (("scenes_strict", strict), ("scenes_graded", graded)):
            watch.truth[name].append(np.full(2, value))
    assert watch.kept == {0, 20}
    watch.action = "warn"
    assert watch.kept == set()
