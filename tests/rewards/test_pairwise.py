import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RewardError
from burnish.rewards import reward as rewards
from burnish.rewards.kinds import kind_of, pairwise
from burnish.rewards.pairwise import win_rate
from burnish.rewards.reward import RewardSet, load_reward
from burnish.types import Prompt

SEEN: list[int] = []


def brightness(scale: float = 1.0):
    """Scores an image by its first value; 255 cannot be scored."""

    def score(images, prompts):
        SEEN.append(len(images))
        return [None if image[0, 0, 0] == 255 else float(image[0, 0, 0]) * scale for image in images]

    return score


def brighter():
    return pairwise(
        lambda first, second, prompts: [
            float(a.mean() > b.mean()) for a, b in zip(first, second, strict=True)
        ]
    )


class Closing:
    closed = False

    def __call__(self, images, prompts):
        return [1.0] * len(images)

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def _named(monkeypatch):
    for name in ("brightness", "brighter", "Closing"):
        monkeypatch.setitem(rewards.BUILT_IN, name.lower(), f"{__name__}:{name}")
    monkeypatch.setitem(rewards.BUILT_IN, "win_rate", "burnish.rewards.pairwise:win_rate")
    SEEN.clear()


def images(*values: int) -> np.ndarray:
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


def rates(function, values, group) -> list[float]:
    prompts = [Prompt("a")] * len(values)
    found = RewardSet([("w", 1.0, function)]).score(images(*values), prompts, group).total_B
    return [None if math.isnan(value) else round(value, 6) for value in found]


def test_scores_become_win_rates_within_their_group():
    function = win_rate("brightness")
    assert kind_of(function) == "group"
    assert rates(function, [10, 30, 20, 7, 7], [0, 0, 0, 1, 1]) == [0.0, 1.0, 0.5, 0.5, 0.5]
    assert SEEN == [3, 2]  # every image was scored once


def test_the_margin_makes_ties():
    assert rates(win_rate("brightness", margin=10), [10, 20, 31], [0, 0, 0]) == [0.25, 0.25, 1.0]
    assert rates(win_rate("brightness", margin=9.99), [10, 20, 31], [0, 0, 0]) == [0.0, 0.5, 1.0]


def test_an_image_without_a_score_is_compared_with_none():
    assert rates(win_rate("brightness"), [10, 255, 30], [0, 0, 0]) == [0.0, None, 1.0]
    assert rates(win_rate("brightness"), [10, 255], [0, 0]) == [None, None]
    assert rates(win_rate("brightness"), [10], None) == [None]


def test_options_reach_the_reward_underneath():
    function = load_reward("win_rate", {"over": "brightness", "margin": 1.0, "scale": 0.1})
    assert rates(function, [10, 20, 31], [0, 0, 0]) == [0.25, 0.25, 1.0]
    with pytest.raises(RewardError, match=r"reward brightness has no option 'scal': did you mean scale\?"):
        win_rate("brightness", scal=2)
    with pytest.raises(RewardError, match=r"no reward named 'brightnes': did you mean brightness\?"):
        win_rate("brightnes")


def test_a_reward_that_compares_is_used_as_it_is():
    function = win_rate("brighter")
    assert kind_of(function) == "pair"
    assert rates(function, [10, 30, 20], [0, 0, 0]) == [0.0, 1.0, 0.5]
    with pytest.raises(RewardError, match="brighter compares images itself; leave margin out"):
        win_rate("brighter", margin=0.1)


def test_it_works_over_a_users_function(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "def width(images, prompts):\n    return [image.getpixel((0, 0))[0] for image in images]\n"
    )
    assert rates(win_rate(f"{file}:width"), [3, 1, 2], [0, 0, 0]) == [1.0, 0.0, 0.5]


def test_closing_reaches_the_reward_underneath(monkeypatch):
    inner = Closing()
    monkeypatch.setattr(rewards, "load_reward", lambda name, options: inner)
    RewardSet([("w", 1.0, win_rate("closing"))]).close()
    assert inner.closed


@pytest.mark.parametrize("margin", [-0.1, "0.1", None, True, math.nan])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(RewardError, match="reward win_rate: margin must be a number from 0"):
        win_rate("brightness", margin=margin)


def test_what_is_wrong_underneath_is_told(tmp_path):
    file = tmp_path / "short.py"
    file.write_text("def short(images, prompts):\n    return [1.0]\n")
    with pytest.raises(RewardError, match="reward w returned 1 scores for 2 images"):
        rates(win_rate(f"{file}:short"), [1, 2], [0, 0])


@given(st.lists(st.integers(0, 254), min_size=2, max_size=8), st.sampled_from([0.0, 1.0, 40.0]))
def test_a_groups_win_rates_sum_to_half_its_size(values, margin):
    function = win_rate("brightness", margin=margin)
    found = function(list(images(*values)), [Prompt("a")] * len(values))
    assert sum(found) == pytest.approx(len(values) / 2)
    assert all(0 <= rate <= 1 for rate in found)
