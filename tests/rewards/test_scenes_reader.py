"""The reader as a reward: its questions are the prompt's, and true pictures earn more than false ones."""

from __future__ import annotations

import numpy as np

from burnish.rewards.reward import load_reward, load_rewards
from burnish.rewards.scenes_reader import asked_of
from burnish.scenes.grammar import parse, sample
from burnish.scenes.renderer import draw
from burnish.types import Prompt


def test_questions_are_what_the_prompt_requires() -> None:
    assert asked_of(parse("two red squares")) == [("how many red squares?", "2")]
    assert asked_of(parse("a red star")) == [("what color is the star?", "red")]
    assert asked_of(parse("a circle left of a square")) == [
        ("how many circles?", "1"),
        ("how many squares?", "1"),
        ("is the circle left of the square?", "yes"),
    ]


def test_true_pictures_earn_more() -> None:
    rng = np.random.default_rng(0)
    texts = [sample(rng, "train", "colors") for _ in range(40)]
    true = np.stack([draw(text, rng, 32) for text in texts])
    false = np.stack([draw(sample(rng, "train", "two_objects"), rng, 32) for _ in texts])
    reward = load_rewards(["scenes_reader"])
    prompts = [Prompt(text) for text in texts]
    ours, theirs = (reward.score(images, prompts).total_B for images in (true, false))
    assert ours.mean() > theirs.mean() + 0.1


def test_a_prompt_outside_of_the_grammar_is_not_scored() -> None:
    assert load_reward("scenes_reader")([np.zeros((32, 32, 3), np.uint8)], [Prompt("a photo of a dog")]) == [
        None
    ]
