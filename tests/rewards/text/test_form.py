import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.text.scoring import score

from burnish.rewards.reward import load_reward

FORM = load_reward("think_answer")
TAGS = ["<think>", "</think>", "<answer>", "</answer>"]


@pytest.mark.parametrize(
    "text",
    [
        "<think>so</think><answer>5</answer>",
        " <think>\nso\n</think>\n\n<answer>\n5\n</answer>\n",
        "<think>1 < 2 </ think></think><answer>{}</answer>",
    ],
)
def test_a_thought_and_an_answer_earn_one(text):
    assert score(FORM, text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "<answer>5</answer>",
        "<think></think><answer>5</answer>",
        "<think>so</think><answer> </answer>",
        "well <think>so</think><answer>5</answer>",
        "<think>so</think> thus <answer>5</answer>",
        "<think>so</think><answer>5</answer> or 6",
        "<think>so<answer>5</answer></think>",
        "<think>so<answer></think>5</answer>",
        "<answer>5</answer><think>so</think>",
        "</think>so<think><answer>5</answer>",
        "<think>so</think><answer>5</answer><answer>6</answer>",
        "<think><think>so</think></think><answer>5</answer>",
        "<think>so</think><answer>5",
        "<think>" * 30_000,
        "<think>so</think>" + "<answer>5</answer>" * 10_000,
    ],
)
def test_any_other_form_earns_nothing(text):
    assert score(FORM, text) == 0.0


@given(st.permutations([*TAGS, "a", "b"]))
def test_of_all_orders_only_one_earns(order):
    text = "".join(order)
    inside = text in {f"<think>{a}</think><answer>{b}</answer>" for a, b in (("a", "b"), ("b", "a"))}
    assert score(FORM, text) == float(inside)
