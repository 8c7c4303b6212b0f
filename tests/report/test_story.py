import pytest

from burnish.report.story import Story, number


def evaluation(step, name="a:test", **fields):
    return {"kind": "evaluate", "step": step, "set": name, **fields}


def test_scores_compare_the_first_and_the_newest_evaluation():
    events = [
        evaluation(0, count=8, strict=0.25, **{"strict/se": 0.03}),
        evaluation(10, strict=0.75, **{"strict/se": 0.1}),
        evaluation(20, strict=0.5, **{"strict/se": 0.04, "strict/unscored": 3}),
    ]
    (score,) = Story(events, {}).scores("a:test")
    assert (score.base, score.last, score.base_step, score.step) == (0.25, 0.5, 0, 20)
    assert score.gain == 0.25
    assert score.gain_se == pytest.approx(0.05)


def test_the_reward_named_first_in_the_recipe_leads():
    events = [evaluation(0, graded=0.5, strict=0.25)]
    recipe = {"evaluation": {"reward": [{"name": "strict"}, {"name": "never measured"}]}}
    assert Story(events, recipe).metrics() == ["strict", "graded"]
    assert Story(events, {}).metrics() == ["graded", "strict"]


@pytest.mark.parametrize(
    "recipe", [{"evaluation": None}, {"evaluation": {"reward": "x"}}, {"evaluation": []}]
)
def test_a_strange_recipe_is_no_trouble(recipe):
    assert Story([evaluation(0, graded=0.5)], recipe).metrics() == ["graded"]


def test_missing_values_are_passed_over():
    events = [evaluation(0, strict=None), evaluation(5, strict=0.5), evaluation(9, strict=None, other="x")]
    (score,) = Story(events, {}).scores("a:test")
    assert (score.base_step, score.step, score.gain, score.gain_se) == (5, 5, 0.0, None)


def test_the_newest_finding_of_each_check_failed_first():
    health = [("moves", 1, True), ("varies", 1, True), ("varies", 3, False), ("varies", 4, False)]
    events = [
        {"kind": "health", "step": step, "check": check, "ok": ok, "message": f"at {step}"}
        for check, step, ok in health
    ]
    found = Story(events, {}).health()
    assert [(f.check, f.ok, f.step, f.failures) for f in found] == [
        ("varies", False, 4, 2),
        ("moves", True, 1, 0),
    ]


def test_a_run_is_finished_while_nothing_follows_its_end():
    end = {"kind": "end", "step": 5, "seconds": 12.5}
    assert Story([end], {}).end_seconds == 12.5
    assert Story([end], {}).finished
    assert not Story([end, {"kind": "train", "step": 6}], {}).finished


def test_series_of_training():
    events = [
        {"kind": "train", "step": 1, "loss": 0.5, "lr": None},
        {"kind": "train", "step": 2, "loss": None},
    ]
    story = Story(events, {})
    assert story.trained("loss") == [(1, 0.5, None), (2, None, None)]
    assert story.trained("lr") == story.trained("absent") == []


@pytest.mark.parametrize("value", [None, True, "0.5", float("nan"), float("inf"), 10**400, -1e301, []])
def test_what_is_no_number(value):
    assert number(value) is None
