"""Evaluation sets: which prompts, under which name."""

from __future__ import annotations

from pathlib import Path

from burnish.evaluate.evaluate import EvaluationSet, evaluation_set


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
