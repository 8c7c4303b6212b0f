"""How different the pictures of one prompt are: by hand, over pairs, and as a model sees it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import RewardError
from burnish.rewards.diversity import diversity
from burnish.rewards.reward import load_rewards
from burnish.scenes.preference import FOLDER as CLIP
from burnish.scenes.renderer import draw
from burnish.types import Prompt


def flat(*colour: int, size: int = 40) -> np.ndarray:
    return np.full((size, size, 3), colour, np.uint8)


def score(images: list[np.ndarray], **options: str) -> list[float | None]:
    return diversity(**options)(images, [Prompt("a red square")] * len(images))


def test_pixels_by_hand():
    black, white, red = flat(0, 0, 0), flat(255, 255, 255), flat(255, 0, 0)
    assert score([black, black]) == [0, 0]
    assert score([black, white]) == pytest.approx([1, 1])
    near, far = np.sqrt(1 / 3), np.sqrt(2 / 3)
    assert score([black, white, red]) == pytest.approx([(1 + near) / 2, (1 + far) / 2, (near + far) / 2])
    assert score([black]) == [None]


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_the_mean_of_a_group_is_the_mean_over_its_pairs(count, seed):
    images = [*np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)]
    pairs = [np.sqrt((((a - b) / 255) ** 2).mean()) for a, b in combinations(np.array(images, float), 2)]
    assert np.mean(score(images)) == pytest.approx(np.mean(pairs), abs=1e-9)


def test_a_model_sees_other_things_as_further_apart():
    rng = np.random.default_rng(0)
    alike = [draw("a red square", rng) for _ in range(4)]
    mixed = [draw(f"a {what}", rng) for what in ("red square", "green circle", "blue star", "purple ring")]
    assert score([alike[0], alike[0]], features=str(CLIP)) == pytest.approx([0, 0], abs=1e-6)
    assert 0 < np.mean(score(alike, features=str(CLIP))) < np.mean(score(mixed, features=str(CLIP)))
    with pytest.raises(RewardError, match="no folder nowhere"):
        diversity("nowhere", "cpu")


def test_prompts_are_kept_apart():
    black, white = flat(0, 0, 0), flat(255, 255, 255)
    prompts = [Prompt("a red square"), Prompt("a blue star")] * 2
    images = np.stack([black, white, black, white])
    scores = load_rewards(["diversity"]).score(images, prompts, [0, 1, 0, 1])
    assert scores.by_name["diversity"].tolist() == [0, 0, 0, 0]
    assert scores.pooled(2).by_name["diversity"].tolist() == [0, 0]
