import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RewardError
from burnish.rewards.text.extract import answer_of, raw_truth, truth
from burnish.types import Prompt

MANY = 200_000


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>so</think><answer> 5 </answer>\n", "5"),
        ("<answer>5</answer>", "5"),
        ("<answer></answer>", ""),
        ("<answer>a < b > c</answer>", "a < b > c"),
        ("<answer>5</answer> or 6", None),
        ("<answer>5</answer><answer>6</answer>", None),
        ("<answer>5<answer>6</answer></answer>", None),
        ("<answer>5</answer></answer>", None),
        ("</answer>5<answer>", None),
        ("</answer><answer>5", None),
        ("<Answer>5</Answer>", None),
        ("<answer>5", None),
        ("5</answer>", None),
        ("5", None),
        ("", None),
    ],
)
def test_the_answer_is_the_one_between_the_tags(text, answer):
    assert answer_of(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed {\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{a{b{c}d}e} f}", "a{b{c}d}e"),
        (r"<think>\boxed{4}?</think>\boxed{5}", "5"),
        (r"\boxed{4} or \boxed{5}", None),
        (r"\boxed{\boxed{5}}", None),
        (r"</think>\boxed{4}</think>\boxed{5}", None),
        (r"<think>\boxed{5}</think>", None),
        (r"\boxed{5", None),
        (r"\boxed{5\}", None),
        (r"\boxed 5", None),
        ("", None),
    ],
)
def test_the_box_is_the_only_one_with_its_inner_braces(text, answer):
    assert answer_of(text, "boxed") == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Let me see.\nAnswer: 5", "5"),
        ("**Answer:** 5\n\n", "5"),
        ("**The final answer is: 5**", "5"),
        ("So the answer is 5", "5"),
        ("The correct answer is B", "B"),
        ("final answer:5", "5"),
        ("#### 42", "42"),
        ("5", "5"),
        ("6\n5", "5"),
        ("1#### 2", "1#### 2"),
        ("3, answer: 4", "3, answer: 4"),
        ("answers 5", "answers 5"),
        ("Answer: answer: 5", "answer: 5"),
        ("Answer:", None),
        ("**", None),
        (" \n ", None),
    ],
)
def test_the_last_line_is_read_without_its_announcement(text, answer):
    assert answer_of(text, "last") == answer


def test_the_whole_is_the_text():
    assert answer_of(" a\nb ", "whole") == "a\nb"


def test_another_place_is_refused():
    with pytest.raises(RewardError, match="where='first' is not answer, boxed, last or whole"):
        answer_of("5", "first")


@pytest.mark.parametrize("piece", ["<think>", "<answer>", "</answer>", r"\boxed{", "{", "<answer>5</answer>"])
def test_endless_repetition_has_no_answer(piece):
    for where in ("answer", "boxed"):
        assert answer_of(piece * (MANY // len(piece)), where) is None


@given(st.text(alphabet="ab{}\\ \n<>/", max_size=40))
def test_what_is_written_in_a_place_is_read_there(text):
    assert answer_of(f"<answer>{text}</answer>") == text.strip()
    if "\\" not in text and "{" not in text and "}" not in text:
        assert answer_of(rf"\boxed{{x{{{text}}}}}", "boxed") == f"x{{{text}}}"


def test_the_truth_is_the_first_known_column_that_is_filled():
    assert truth(Prompt("q", {"label": "d", "ground_truth": "c", "solution": "b", "answer": None})) == "b"
    assert truth(Prompt("q", {"answer": "a", "mine": [1, 2]}), "mine") == [1, 2]
    assert truth(Prompt("q", {"answer": 0})) == 0


def test_tags_and_boxes_around_the_truth_are_taken_off():
    assert truth(Prompt("q", {"solution": "<answer> 5 </answer>"})) == "5"
    assert truth(Prompt("q", {"solution": r"Thus $\boxed{\frac12}$."})) == r"\frac12"
    assert truth(Prompt("q", {"solution": r"\boxed{1} \boxed{2}"})) == r"\boxed{1} \boxed{2}"
    assert raw_truth(Prompt("q", {"solution": "<answer>5</answer>"})) == "<answer>5</answer>"


@pytest.mark.parametrize("columns", [{}, {"answer": None}, {"reply": "5"}])
def test_a_row_without_the_right_answer_names_the_columns(columns):
    prompt = Prompt("How many?", columns)
    with pytest.raises(RewardError, match="'How many\\?' has no column answer or solution or ground_truth"):
        truth(prompt)
    with pytest.raises(RewardError, match="no column mine: name the right answer's column in the reward's"):
        truth(prompt, "mine")
