"""Evaluation sets: which prompts, under which name, and how many pictures of each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from burnish.cli import main
from burnish.evaluate.evaluate import EvaluationSet, evaluation_set, means, measure, open_model
from burnish.rewards.reward import Scores, load_rewards


def test_sets_of_one_last_name_keep_their_pictures_apart() -> None:
    names = ["scenes:test", "scenes:test/colors", "scenes:ood/colors", "a/prompts.txt", "b/prompts.txt"]
    slugs = [EvaluationSet(name, [], []).slug for name in names]
    assert slugs == ["scenes-test", "scenes-test-colors", "scenes-ood-colors", "a-prompts", "b-prompts"]


def test_a_set_is_fixed_by_its_seed(tmp_path: Path) -> None:
    source = tmp_path / "prompts.txt"
    source.write_text("".join(f"prompt {number}\n" for number in range(30)))
    one, again, other = (evaluation_set(str(source), 10, seed) for seed in (1, 1, 2))
    assert one == again
    assert [p.text for p in one.prompts] != [p.text for p in other.prompts]
    assert len(set(one.seeds)) == len(one.prompts) == 10
    assert len(evaluation_set(str(source), 99, 1).prompts) == 30


def test_a_prompt_with_several_pictures_scores_their_mean() -> None:
    policy, rewards = open_model("scenes-mini", "cpu"), load_rewards(["scenes_graded", "diversity"])
    chosen = evaluation_set("scenes:test", 5, 1234, group_size=3)
    assert chosen.group_size == 3
    assert len(set(chosen.seeds)) == 15
    images, scores = measure(policy, chosen, rewards, steps=2, rows=4)
    rounds = [replace(chosen, seeds=chosen.seeds[start : start + 5]) for start in (0, 5, 10)]
    alone = [measure(policy, each, rewards, steps=2, rows=4) for each in rounds]
    assert np.array_equal(images, alone[0][0])
    graded = [found.by_name["scenes_graded"] for _, found in alone]
    assert scores.by_name["scenes_graded"] == pytest.approx(np.mean(graded, axis=0))
    assert np.isnan(alone[0][1].by_name["diversity"]).all()
    assert ((scores.by_name["diversity"] > 0) & (scores.by_name["diversity"] < 1)).all()
    row = means(chosen, scores)
    assert row["count"] == 5
    assert row["scenes_graded/se"] == pytest.approx(scores.by_name["scenes_graded"].std(ddof=1) / 5**0.5)


def test_a_comparison_needs_something_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "scenes-mini", "--reward", "diversity", "--count", "2", "--steps", "1"]
    assert main(words) == 2
    assert "diversity compares samples of one prompt: give --group-size" in capsys.readouterr().err
    assert main([*words, "--group-size", "2", "--json"]) == 0
    assert 0 < json.loads(capsys.readouterr().out)[0]["diversity"] < 1


def test_what_could_not_be_scored_is_left_out_of_a_prompts_mean() -> None:
    nan = float("nan")
    values = np.array([1.0, nan, nan, 3.0, 5.0, nan])  # prompts 0, 1, 2, twice
    pooled = Scores(2 * values, {"mine": values}).pooled(2)
    assert pooled.by_name["mine"][:2].tolist() == [2.0, 5.0]
    assert pooled.total_B[:2].tolist() == [4.0, 10.0]
    assert np.isnan(pooled.by_name["mine"][2])
