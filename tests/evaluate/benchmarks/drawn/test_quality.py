"""The plain numbers of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.evaluate.benchmarks.drawn.quality import measures


def flat(*colour: int, size: int = 40) -> np.ndarray:
    return np.full((size, size, 3), colour, np.uint8)


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
