import numpy as np
import pytest

from burnish.errors import RewardError
from burnish.rewards.process import by_step, mean, padded
from burnish.rewards.reward import RewardSet, Scores
from burnish.types import Completion, Prompt

OUTPUTS = [
    Completion("a. b", steps=("a.", "b")),
    Completion("c", steps=("c",)),
    Completion("d", steps=("d",)),
]
PROMPTS = [Prompt("p")] * 3
NAN = np.nan


def letters(completions, prompts):
    return [[ord(step[0]) - ord("a") for step in c.steps] for c in completions]


def whole(completions, prompts):
    return [1.0, 2.0, None]


def test_steps_are_kept_and_reported_as_their_mean():
    scores = RewardSet([("letters", 2.0, letters), ("whole", 1.0, whole)]).score(OUTPUTS, PROMPTS)
    np.testing.assert_array_equal(scores.step_BS, [[0, 2], [4, NAN], [6, NAN]])
    np.testing.assert_array_equal(scores.by_name["letters"], [0.5, 2, 3])
    np.testing.assert_array_equal(scores.total_B, [2, 6, NAN])
    np.testing.assert_array_equal(scores.outcome_B, [1, 2, NAN])


def test_an_unscored_completion_has_no_step():
    step_BS = by_step([[1, 2], None, (3,)], OUTPUTS)
    np.testing.assert_array_equal(step_BS, [[1, 2], [NAN, NAN], [3, NAN]])
    np.testing.assert_array_equal(mean(step_BS), [1.5, NAN, 3])


def test_a_reward_of_weight_zero_gives_no_credit():
    assert (
        RewardSet([("letters", 0.0, letters), ("whole", 1.0, whole)]).score(OUTPUTS, PROMPTS).step_BS is None
    )


def test_parts_of_a_batch_join_and_are_chosen():
    one = RewardSet([("letters", 1.0, letters)])
    parts = [one.score(OUTPUTS[:1], PROMPTS[:1]), one.score(OUTPUTS[1:], PROMPTS[1:])]
    joined = Scores.join(parts)
    np.testing.assert_array_equal(joined.step_BS, one.score(OUTPUTS, PROMPTS).step_BS)
    np.testing.assert_array_equal(joined.chosen(np.array([2, 0])).step_BS, [[3, NAN], [0, 1]])
    np.testing.assert_array_equal(padded([np.ones((1, 1)), np.zeros((1, 2))]), [[1, NAN], [0, 0]])


def test_plain_numbers_are_no_steps():
    assert by_step([1.0, None, 2], OUTPUTS) is None
    assert by_step([[1.0], [2.0]], [np.zeros((2, 2, 3), np.uint8)] * 2) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1.0], [1.0], [1.0]], "returned 1 numbers for the 2 steps of completion 0"),
        ([[1.0, 2.0], 3.0, [1.0]], "returned a number for completion 1 but steps for others"),
        ([[1.0, "x"], [1.0], [1.0]], "for completion 0: return numbers"),
        ([[1.0, NAN], [1.0], [1.0]], "steps must be finite numbers"),
        ([[1.0, 2.0], [1.0]], "returned 2 scores"),
    ],
)
def test_whatever_else_is_refused(values, words):
    with pytest.raises(RewardError, match=words):
        RewardSet([("r", 1.0, lambda completions, prompts: values)]).score(OUTPUTS, PROMPTS)
