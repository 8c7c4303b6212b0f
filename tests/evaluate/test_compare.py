import json
import math

import pytest

from burnish.errors import RunError
from burnish.evaluate.compare import compare_runs
from burnish.recipes.load import dump_yaml, load_recipe


@pytest.fixture
def make(tmp_path):
    def run(name, *overrides, base=0.5, tuned=0.7, seed=0, steps=20, reached=20, tail=""):
        folder = tmp_path / name
        folder.mkdir()
        recipe = load_recipe(
            None, [f"run.seed={seed}", f"train.steps={steps}", f"run.dir={folder}", *overrides]
        )
        (folder / "recipe.yaml").write_text(dump_yaml(recipe))
        events = [{"kind": "start", "step": 0}]
        for step, value in ((0, base), (10, 0.1), (reached, tuned)):
            for split, shift in (("scenes:test", 0.0), ("scenes:ood", -0.2)):
                event = {"kind": "evaluate", "step": step, "set": split, "count": 8, "time": 1.0}
                events.append(event | {"scenes_strict": value + shift, "scenes_strict/se": 0.01})
        for step in range(1, 11):
            events.append({"kind": "train", "step": step, "reward": step / 10, "seconds/step": 2.0})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events) + tail)
        return folder

    return run


def test_gains_are_paired_and_averaged_over_seeds(make):
    runs = [make("a", base=0.5, tuned=0.6, seed=0), make("b", base=0.6, tuned=0.9, seed=1)]
    result = compare_runs(runs)
    test, ood = result.rows
    assert (test.method, test.seeds, test.set, test.metric) == ("slas", 2, "scenes:test", "scenes_strict")
    assert (test.base, test.tuned, test.gain) == pytest.approx((0.55, 0.75, 0.2))
    assert test.gain_se == pytest.approx(0.1)  # gains 0.1 and 0.3: std 0.2/sqrt(2), over sqrt(2)
    assert (ood.set, ood.base) == ("scenes:ood", pytest.approx(0.35))
    assert result.warnings == []
    effort = result.effort[0]
    assert (effort.steps, effort.seconds_per_step, effort.reward_first) == ("20", 2.0, pytest.approx(0.15))
    assert (effort.reward_last, effort.reward_last_se) == (pytest.approx(0.95), pytest.approx(0.0))


def test_methods_are_told_apart_by_preset_and_by_what_varies_within_one(make):
    result = compare_runs(
        [
            make("a"),
            make("b", "algorithm.advantage.gamma=0.7"),
            make("c", "algorithm.preset=chunk_grpo"),
        ]
    )
    labels = [row.method for row in result.rows if row.set == "scenes:test"]
    assert labels == ["slas (advantage.gamma=0.5)", "slas (advantage.gamma=0.7)", "chunk_grpo"]
    assert all(row.gain_se is None for row in result.rows)
    assert sum("has one run only: no standard error" in warning for warning in result.warnings) == 3


def test_what_makes_a_comparison_unfair_is_said(make):
    a, b = make("a", seed=0), make("b", "algorithm.preset=dance_grpo", "train.lr=1e-3", seed=1)
    c = make("c", seed=0, reached=15)
    warnings = " | ".join(compare_runs([a, b, c]).warnings)
    assert "the recipes differ outside of algorithm and run, so gains are not comparable" in warnings
    assert "train.lr (0.0003, 0.001)" in warnings
    assert "slas has several runs with seed 0" in warnings
    assert f"{c} was last evaluated at step 15 of 20" in warnings
    assert "different seeds (slas: 0; dance_grpo: 1)" in warnings


def test_a_torn_last_line_is_passed_over_and_other_damage_is_not(make):
    assert compare_runs([make("a", tail='{"kind": "tr')]).rows
    broken = make("b")
    path = broken / "metrics.jsonl"
    path.write_text("{oops\n" + path.read_text())
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 1: not JSON"):
        compare_runs([broken])


def test_numbers_that_are_missing_or_not_finite_are_left_out(make):
    assert compare_runs([make("a", tuned=math.nan)]).rows == []
    late = make("b")
    lines = [line for line in (late / "metrics.jsonl").read_text().splitlines() if '"step": 0' not in line]
    (late / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    result = compare_runs([late])
    assert result.rows == []
    assert any("has no evaluation at step 0" in warning for warning in result.warnings)


def test_what_is_not_a_run_is_refused(tmp_path, make):
    with pytest.raises(RunError, match=r"is not a run: it has no recipe\.yaml"):
        compare_runs([tmp_path])
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(RunError, match=r"metrics\.jsonl does not exist"):
        compare_runs([tmp_path])
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match="has no evaluation"):
        compare_runs([tmp_path])
