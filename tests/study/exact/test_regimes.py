from __future__ import annotations

import pytest
import torch

from burnish.engine.rng import generator
from burnish.study.exact.regimes import OUTCOMES, PROMPTS, REGIMES, Scorer

NAMES = {each.name: each for each in REGIMES}


def made(name: str, worlds: int = 40):
    return NAMES[name].make(worlds, generator("regime", name))


def test_a_scorer_by_parts():
    table = torch.tensor([[[0.0, 1.0], [0.25, 0.75]]], dtype=torch.float64)
    outcome = torch.zeros(1, 2, 40_000, dtype=torch.long)
    random = generator("scorer")
    value = Scorer(table, torch.tensor([0.0, 2.0]).double()).score(outcome, random)
    assert (value[0, 0] == 0).all()
    assert value[0, 1].mean().item() == pytest.approx(0.25, abs=0.05)
    assert value[0, 1].std().item() == pytest.approx(2.0, rel=0.03)
    quiet = torch.zeros(2).double()
    tossed = Scorer(table, quiet, coin=True).score(outcome, random)
    assert set(tossed.unique().tolist()) == {0.0, 1.0}
    assert tossed[0, 1].mean().item() == pytest.approx(0.25, abs=0.01)
    hit = Scorer(table, quiet, outliers=0.1, outlier=7.0).score(outcome, random)[0, 0]
    assert set(hit.unique().tolist()) == {-7.0, 0.0, 7.0}
    assert (hit != 0).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert hit.mean().item() == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("name", "low", "high"), [("sparse", 0.01, 0.5), ("easy to hard", 0.1, 0.95)])
def test_binary_prompts_succeed_as_often_as_they_should(name: str, low: float, high: float):
    base, truth, _ = made(name)
    success = (base.softmax(-1) * truth).sum(-1)
    torch.testing.assert_close(success[:, 0], torch.full((40,), low).double())
    torch.testing.assert_close(success[:, -1], torch.full((40,), high).double())


def test_flips_are_errors_of_the_verdict_and_not_of_the_truth():
    _, truth, scorer = made("sparse, flips")
    assert set(truth.unique().tolist()) == {0.0, 1.0}
    assert scorer.table_SPK.unique().tolist() == pytest.approx([0.05, 0.95])


@pytest.mark.parametrize(("name", "alive"), [("clean", 16), ("half dead", 8), ("few alive", 2)])
def test_so_many_prompts_have_a_signal(name: str, alive: int):
    _, truth, _ = made(name)
    spread = truth.std(-1).mean(0)
    assert (spread > 0.5).sum() == alive
    assert (spread[: PROMPTS - alive] == 0).all()


def test_rare_outcomes_are_one_in_eight():
    _, truth, _ = made("rare, clean")
    assert ((truth != 0).sum(-1) == OUTCOMES // 8).all()


@pytest.mark.parametrize("name", ["mixed units", "taste", "exploit"])
def test_a_biased_scorer_is_wrong_and_repeats_itself(name: str):
    _, truth, scorer = made(name)
    assert (scorer.table_SPK - truth).abs().max() > 1
    outcome = torch.zeros(40, PROMPTS, 4, dtype=torch.long)
    random = generator("twice")
    assert (scorer.score(outcome, random) == scorer.score(outcome, random)).all()


@pytest.mark.parametrize("name", NAMES)
def test_regimes_are_a_function_of_the_generator(name: str):
    for one, two in zip(made(name, 3)[:2], made(name, 3)[:2], strict=True):
        assert (one == two).all()
