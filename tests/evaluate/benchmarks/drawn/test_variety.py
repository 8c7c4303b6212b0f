"""Diversity within a prompt, and the plain numbers of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from burnish.errors import RewardError
from burnish.evaluate.benchmarks.drawn.quality import measures
from burnish.evaluate.benchmarks.drawn.variety import apart, by_pixels, variety
from burnish.scenes.preference import FOLDER as CLIP
from burnish.scenes.renderer import draw


def flat(*colour: int, size: int = 40) -> np.ndarray:
    return np.full((size, size, 3), colour, np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_it_is_the_mean_cosine_distance_of_all_pairs(count, seed):
    unit_ND = np.random.default_rng(seed).normal(size=(count, 5))
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    assert apart(unit_ND) == pytest.approx(pdist(unit_ND, "cosine").mean(), abs=1e-9)


def test_pixels_by_hand():
    black, white, red = flat(0, 0, 0), flat(255, 255, 255), flat(255, 0, 0)
    assert by_pixels([black, black]) == 0
    assert by_pixels([black, white]) == pytest.approx(1)
    assert by_pixels([black, white, red]) == pytest.approx((1 + np.sqrt(1 / 3) + np.sqrt(2 / 3)) / 3)
    assert by_pixels([black]) is None


def test_a_model_sees_other_things_as_further_apart():
    name, measure = variety(str(CLIP), "cpu")
    assert name == "features"
    rng = np.random.default_rng(0)
    alike = [draw("a red square", rng) for _ in range(4)]
    mixed = [draw(f"a {what}", rng) for what in ("red square", "green circle", "blue star", "purple ring")]
    assert measure([alike[0], alike[0]]) == pytest.approx(0, abs=1e-6)
    assert 0 < measure(alike) < measure(mixed)
    assert measure(alike[:1]) is None
    with pytest.raises(RewardError, match="no folder nowhere"):
        variety("nowhere", "cpu")


def test_numbers_of_a_picture_by_hand():
    assert measures(flat(90, 90, 90)) == pytest.approx(
        {"contrast": 0, "colourfulness": 0, "sharpness": 0}, abs=1e-12
    )
    # rg = 255, yb = 127.5 everywhere, so 0.3·√(255² + 127.5²)
    assert measures(flat(255, 0, 0))["colourfulness"] == pytest.approx(0.3 * np.hypot(255, 127.5))
    stripes = flat(0, 0, 0)
    stripes[:, ::2] = 255
    assert measures(stripes) == pytest.approx({"contrast": 0.5, "colourfulness": 0, "sharpness": 0.5})
    halves = flat(0, 0, 0)
    halves[:, :20] = 255
    assert measures(halves)["contrast"] == pytest.approx(0.5)
    assert measures(halves)["sharpness"] == pytest.approx(40 / (2 * 39 * 40))
