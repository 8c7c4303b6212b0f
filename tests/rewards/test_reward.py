import importlib
import inspect
import math

import numpy as np
import pytest

from burnish.errors import RewardError
from burnish.recipes.schema import Reward
from burnish.rewards.reward import BUILT_IN, RewardSet, load_reward, load_rewards
from burnish.scenes.renderer import draw
from burnish.types import Prompt

IMAGES = np.zeros((3, 8, 8, 3), np.uint8)
PROMPTS = [Prompt("a red star"), Prompt("a circle"), Prompt("not of the grammar")]


def returning(value):
    return RewardSet([("mine", 1.0, lambda images, prompts: value)])


def complaint(rewards: RewardSet) -> str:
    with pytest.raises(RewardError) as caught:
        rewards.score(IMAGES, PROMPTS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_are_summed_and_weight_zero_only_watches():
    rewards = RewardSet(
        [
            ("a", 2.0, lambda images, prompts: [1, 2, 3]),
            ("b", -0.5, lambda images, prompts: np.array([4.0, 0.0, 2.0])),
            ("watched", 0.0, lambda images, prompts: [None, None, 7]),
        ]
    )
    scores = rewards.score(IMAGES, PROMPTS)
    assert scores.total_B.tolist() == [0.0, 4.0, 5.0]
    assert scores.total_B.dtype == np.float64
    assert list(scores.by_name) == rewards.names == ["a", "b", "watched"]
    assert math.isnan(scores.by_name["watched"][0])


def test_unscorable_is_not_zero():
    rewards = RewardSet(
        [
            ("a", 1.0, lambda images, prompts: [None, float("nan"), 1]),
            ("b", 1.0, lambda images, prompts: [1, 1, 1]),
        ]
    )
    total = rewards.score(IMAGES, PROMPTS).total_B
    assert np.isnan(total).tolist() == [True, True, False]
    assert total[2] == 2.0


def test_tensors_and_booleans_count_as_numbers():
    import torch

    assert returning(torch.tensor([1.0, 2.0, 3.0])).score(IMAGES, PROMPTS).total_B.tolist() == [1, 2, 3]
    assert returning([True, np.bool_(False), np.float32(0.5)]).score(IMAGES, PROMPTS).total_B.tolist() == [
        1,
        0,
        0.5,
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "reward mine returned NoneType, not a list of 3 numbers"),
        (1.0, "reward mine returned float, not a list of 3 numbers"),
        ([1, 2], "reward mine returned 2 scores for 3 images: return one an image"),
        ([1, "2", 3], "reward mine returned '2' for image 1: return a number, or None"),
        ([1, 2, math.inf], "reward mine returned inf for image 2: scores must be finite"),
        (np.zeros((3, 2)), "for image 0: return a number"),
    ],
)
def test_a_broken_contract_names_the_reward(value, expected):
    assert expected in complaint(returning(value))


def test_an_exception_of_the_users_code_is_told_with_its_line():
    def broken(images, prompts):
        raise KeyError("no\nkey")

    message = complaint(RewardSet([("mine", 1.0, broken)]))
    assert message.startswith("reward mine raised KeyError: ")
    assert "(test_reward.py line " in message


def test_images_are_checked_first():
    with pytest.raises(ValueError, match="images must be uint8"):
        returning([1]).score(np.zeros((1, 8, 8, 3)), PROMPTS[:1])
    with pytest.raises(ValueError, match="3 images but 1 prompts"):
        returning([1]).score(IMAGES, PROMPTS[:1])


def test_the_verifier_scores_true_pictures_and_leaves_foreign_prompts_unscored():
    rng = np.random.default_rng(0)
    images = np.stack([draw("a red star", rng), draw("a red star", rng), draw("a red star", rng)])
    prompts = [Prompt("a red star"), Prompt("a blue circle"), Prompt("a photo of a bench")]
    rewards = load_rewards(
        [Reward(name="scenes_strict", weight=1.0), Reward(name="scenes_graded", weight=0.5)]
    )
    scores = rewards.score(images, prompts)
    assert scores.by_name["scenes_strict"][:2].tolist() == [1.0, 0.0]
    graded = scores.by_name["scenes_graded"]
    assert graded[1] < graded[0] <= 1.0
    assert scores.total_B[0] == 1.0 + 0.5 * graded[0]
    assert np.isnan(scores.total_B[2])
    rewards.close()


def test_unknown_names_bring_the_nearest():
    with pytest.raises(RewardError, match=r"no reward named 'scenes_grade': did you mean scenes_graded\?"):
        load_rewards([Reward(name="scenes_grade")])
    with pytest.raises(RewardError, match=r"built in are scenes_strict, .*FILE\.py:NAME"):
        load_rewards([Reward(name="xyz")])


def test_a_preference_without_its_model_is_one_sentence(monkeypatch):
    import burnish.scenes.preference as preference

    def missing():
        raise OSError("Repo id must be in the form …")

    monkeypatch.setattr(preference, "load", missing)
    with pytest.raises(RewardError, match=r"scenes_preference: its model in .* is missing or damaged"):
        load_rewards([Reward(name="scenes_preference")])


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_every_registered_name_has_its_maker(name):
    module, _, attribute = BUILT_IN[name].partition(":")
    maker = getattr(importlib.import_module(module), attribute)
    assert maker.__doc__
    known = list(inspect.signature(maker).parameters.values())
    if not any(p.kind is p.VAR_KEYWORD for p in known):
        with pytest.raises(RewardError, match=f"reward {name} has no option 'colour_of_the_sky'"):
            load_reward(name, {"colour_of_the_sky": 1})
    for parameter in known:
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            with pytest.raises(RewardError, match=f"reward {name} needs the option {parameter.name}"):
                load_reward(name)
            break
