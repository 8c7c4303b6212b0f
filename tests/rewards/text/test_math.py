import importlib.util
import time

import pytest
from rewards.text.scoring import score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.types import Completion, Prompt

pytest.importorskip("math_verify")

from burnish.rewards.text import math as text_math
from burnish.rewards.text.math import LONGEST


@pytest.fixture(scope="module")
def reward():
    made = load_reward("math_verify", {"timeout": 1.5})
    yield made
    made.close()
    assert made.process is None


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("1/2", "0.5"),
        (r"\frac12", "0.5"),
        ("0.5", r"\frac{1}{2}"),
        (r"\dfrac{2}{4}", r"\frac12"),
        (r"\frac{\sqrt{8}}{2}", r"\sqrt{2}"),
        (r"(x+1)^2", r"x^2+2x+1"),
        (r"x = 3", "3"),
        ("1,000", 1000),
        ("5", "<answer>5</answer>"),
        ("5", r"so $x = 2 + 3$, thus \boxed{5}"),
        (r"\{2, 1\}", r"\{1, 2\}"),
        ("(0, 1]", r"(0, 1]"),
        (r"[0, \infty)", r"[0,\infty)"),
        (r"\infty", r"\infty"),
    ],
)
def test_equal_forms_earn_one(reward, said, right):
    assert score(reward, rf"<think>\boxed{{9}}?</think> Thus $\boxed{{{said}}}$.", right) == 1.0


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("0.51", "1/2"),
        ("-5", "5"),
        ("[0, 1]", "(0, 1]"),
        ("(0, 1)", "(0, 1]"),
        (r"\{1, 2, 3\}", r"\{1, 2\}"),
        (r"\{1\}", r"\{1, 2\}"),
        ("1, 2", "2"),
        ("1 or 2", "2"),
        (r"1 \text{ or } 2", "2"),
        (r"\pm 2", "2"),
        ("2 ; 3", "2"),
        ("x", "2"),
        ("[0, 10]", "2"),
        ("nan", "2"),
        (r"\infty", "2"),
        ("1e999", "2"),
        (r"\frac{", "2"),
        ("(" * 30, "2"),
        ("9" * LONGEST, "2"),
        ("2" + " " * LONGEST + "2", "2"),
    ],
)
def test_unequal_or_several_answers_earn_nothing(reward, said, right):
    assert score(reward, rf"\boxed{{{said}}}", right) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        r"\boxed{2",
        r"\boxed{}",
        r"\boxed{2} \boxed{3}",
        r"\boxed{2} \boxed{2}",
        r"\boxed{\boxed{2}}",
        r"<think>\boxed{2}</think>",
        r"\boxed{2}" * 20_000,
        "<think>" * 30_000 + "2",
    ],
)
def test_without_one_box_nothing_is_earned(reward, text):
    assert score(reward, text, "2") == 0.0


@pytest.mark.parametrize(
    "listed", ["$1$ $2$ $3$", "1 2 3", "1=2=3", "1\n2\n3", "1, 2, 3", "$1$ or $2$ or $3$"]
)
def test_no_list_earns_for_more_than_one_truth(reward, listed):
    assert sum(reward.compare(listed, right) for right in "123") <= 1


@pytest.mark.parametrize("right", ["", " ", "$$", r"\text{}"])
def test_a_truth_that_cannot_be_read_gives_no_score(reward, right):
    assert score(reward, r"\boxed{2}", right) is None


def test_an_endless_comparison_is_ended_and_the_next_one_works():
    reward = load_reward("math_verify", {"timeout": 0.5, "where": "answer", "column": "mine"})
    assert reward.compare("1", "1") == 1.0
    first = reward.process
    began = time.monotonic()
    texts = ["9^{9^{9^{9}}}", "2", "9^{9^{9^{9}}}"]  # the second time from memory
    found = reward(
        [Completion(f"<answer>{text}</answer>") for text in texts], [Prompt("q", {"mine": "2"})] * 3
    )
    assert found == [0.0, 1.0, 0.0]
    assert time.monotonic() - began < 30
    assert first.poll() is not None
    assert reward.process.poll() is None
    reward.close()


@pytest.mark.parametrize("bomb", ["9^9^9^9", "10^{10^{10}}", "100000!", r"\sqrt{" * 150 + "2" + "}" * 150])
def test_costly_expressions_earn_nothing(reward, bomb):
    assert score(reward, rf"\boxed{{{bomb}}}", "2") == 0.0
    assert score(reward, r"\boxed{4/2}", "2") == 1.0


def test_a_process_that_died_is_started_again(reward):
    assert reward.compare("1", "1") == 1.0
    reward.process.kill()
    reward.process.wait()
    assert reward.compare("1", "1") == 1.0


def test_it_says_what_is_missing(monkeypatch, tmp_path):
    with pytest.raises(RewardError, match="has no column answer or solution"):
        score(load_reward("math_verify"), r"\boxed{2}")
    broken = tmp_path / "child.py"
    broken.write_text("raise SystemExit(1)\n")
    monkeypatch.setattr(text_math, "CHILD", broken)
    with pytest.raises(RewardError, match="its process does not start"):
        score(load_reward("math_verify"), r"\boxed{2}", "2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RewardError, match=r"needs the package math-verify: pip install 'burnish\[math\]'"):
        load_reward("math_verify")


@pytest.mark.parametrize("timeout", [0, -1, "5", float("nan"), float("inf"), None])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(RewardError, match=r"math_verify: timeout must be a number from 0\.01 to 3600, not"):
        load_reward("math_verify", {"timeout": timeout})
    with pytest.raises(RewardError, match="where='first' is not"):
        load_reward("math_verify", {"where": "first"})
