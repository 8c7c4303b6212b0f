import pytest
from rewards.text.scoring import answered, score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.scenes.questions import questions
from burnish.types import Completion

RIGHT, GRADED = load_reward("scenes_answer"), load_reward("scenes_answer", {"graded": True})


@pytest.mark.parametrize("reward", [RIGHT, GRADED])
def test_the_target_of_every_question_earns_one_and_that_of_another_task_nothing(reward):
    asked = questions("train", 10)
    prompts = [question.prompt() for question in asked]
    assert reward([Completion(question.target) for question in asked], prompts) == [1.0] * 10
    turned = asked[1:5] + asked[:1]
    assert reward([Completion(question.target) for question in turned], prompts[:5]) == [0.0] * 5


@pytest.mark.parametrize(
    ("said", "plain", "graded"),
    [
        ("[0, 0, 10, 10]", 1.0, 1.0),
        ("[0, 0, 10, 20]", 1.0, 0.5),
        ("[0, 0, 10, 21]", 0.0, 10 / 21),
        ("[0, 0, 64, 64]", 0.0, 100 / 64**2),
        ("[10, 10, 0, 0]", 0.0, 0.0),
        ("[0, 0, 10, 10] [0, 0, 9, 9]", 0.0, 0.0),
        ("[-9999999, -9999999, 9999999, 9999999]", 0.0, 0.0),
        ("[0, 0, 1e999, 10]", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_a_box_is_right_from_half_its_overlap(said, plain, graded):
    assert answered(RIGHT, said, "[0, 0, 10, 10]", task="ground") == plain
    assert answered(GRADED, said, "[0, 0, 10, 10]", task="ground") == pytest.approx(graded, abs=1e-9)


def test_words_are_right_or_wrong():
    for said, earned in (
        ("Red", 1.0),
        (" red ", 1.0),
        ("blue", 0.0),
        ("red blue", 0.0),
        ("red or blue", 0.0),
        ("", 0.0),
    ):
        assert answered(RIGHT, said, "red", task="attribute") == answered(GRADED, said, "red") == earned
    assert score(RIGHT, "<answer>red</answer> or blue", "red") == 0.0
    assert score(RIGHT, "<answer>red</answer>" * 9, "red") == 0.0
    with pytest.raises(RewardError, match="has no column answer"):
        answered(RIGHT, "red")
