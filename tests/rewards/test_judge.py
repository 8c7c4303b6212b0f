import json
import sys
import threading
import time

import numpy as np
import pytest
from rewards.judge_server import HANG_UP, MODEL, made, serving

from burnish.errors import RewardError
from burnish.rewards.kinds import kind_of
from burnish.types import Prompt

pytest.importorskip("openai")

from burnish.rewards import reward as rewards
from burnish.rewards.judge import Judge, PairJudge, read_score, read_verdict
from burnish.rewards.reward import RewardSet, load_reward

pytestmark = pytest.mark.usefixtures("keyless")


def images(*values: int) -> list[np.ndarray]:
    return [np.full((6, 4, 3), value, np.uint8) for value in values]


def test_it_asks_about_every_image_and_reads_the_number():
    with serving(lambda seen, text: f"Score 2?\n**Final Score: {seen[0][0, 0, 0] / 10}**") as server:
        judge = made(Judge, server)
        prompts = [Prompt(f"a photo of {index}") for index in range(9)]
        assert judge(images(*range(10, 100, 10)), prompts) == [float(n) for n in range(1, 10)]
        assert judge([], []) == []
        judge.close()
    assert len(server.asked) == 9
    for seen, text, _ in server.asked:
        assert len(seen) == 1
        assert (seen[0] == images(int(text[-1]) * 10 + 10)[0]).all()
        assert "from 1 (useless) to 10 (perfect)" in text
    assert judge.unscored == 0


def test_a_prompt_stands_in_the_question_as_it_is():
    prompt = "a {low} {prompt} {0} {{x}} %s \\1 sign “{high}”"
    with serving(lambda seen, text: "Score: 5") as server:
        judge = made(Judge, server, question="From {low} to {high}: {prompt}! Score: N", scale=[0, 5])
        assert judge(images(1), [Prompt(prompt)]) == [5.0]
        assert server.asked[0][1] == f"From 0 to 5: {prompt}! Score: N"


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({}, "none"),
        ({"OPENAI_API_KEY": "b"}, "b"),
        ({"OPENAI_API_KEY": "b", "BURNISH_JUDGE_KEY": "a"}, "a"),
        ({"OPENAI_API_KEY": "b", "BURNISH_JUDGE_KEY": ""}, "b"),
    ],
)
def test_the_key_comes_from_the_environment(monkeypatch, variables, key):
    for name, content in variables.items():
        monkeypatch.setenv(name, content)
    with serving(lambda seen, text: "Score: 1") as server:
        made(Judge, server)(images(1), [Prompt("a")])
        assert server.asked[0][2] == f"Bearer {key}"


def wrapped(**changes) -> bytes:
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": MODEL, **changes}
    ).encode()


LIES = [
    "I like it.",
    "Score: 11",
    "Score: 0",
    "",
    None,
    ("Reasons.\nScore: 1", "length"),
    500,
    403,
    HANG_UP,
    b"not json",
    wrapped(choices=[]),
    wrapped(choices=None),
    wrapped(choices=[{"index": 0}]),
    b"[1, 2]",
    b'"Score: 7"',
    wrapped(choices=[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": 7}}]),
]


def test_what_is_no_answer_leaves_the_image_unscored_and_counted():
    with serving(lambda seen, text: [*LIES, "Score: 7"][seen[0][0, 0, 0]]) as server:
        judge = made(Judge, server)
        values = range(len(LIES) + 1)
        assert judge(images(*values), [Prompt("a")] * len(values)) == [None] * len(LIES) + [7.0]
        assert judge.unscored == len(LIES)
        assert judge(images(0), [Prompt("a")]) == [None]
        assert judge.unscored == len(LIES) + 1


def test_a_slow_server_costs_the_time_limit_only():
    released = threading.Event()

    def slow(seen, text):
        if seen[0][0, 0, 0] == 1:
            released.wait(20)
        return "Score: 3"

    with serving(slow) as server:
        judge = made(Judge, server, timeout=1.0)
        began = time.monotonic()
        assert judge(images(1, 2, 1), [Prompt("a")] * 3) == [None, 3.0, None]
        assert time.monotonic() - began < 10
        assert judge.unscored == 2
        released.set()


def test_requests_run_side_by_side():
    together = threading.Barrier(4, timeout=5)  # broken, and the reply lost, unless four requests meet

    def meet(seen, text):
        together.wait()
        return "Score: 3"

    with serving(meet) as server:
        assert made(Judge, server, workers=4)(images(*range(8)), [Prompt("a")] * 8) == [3.0] * 8


def test_a_request_that_failed_is_tried_again():
    tries = iter([500, "Score: 4"])
    with serving(lambda seen, text: next(tries)) as server:
        judge = made(Judge, server, retries=1)
        assert judge(images(1), [Prompt("a")]) == [4.0]
        assert judge.unscored == 0


def complaint(kind=Judge, url="http://127.0.0.1:9/v1", model=MODEL, **options) -> str:
    with pytest.raises(RewardError) as caught:
        kind(url, model, retries=options.pop("retries", 0), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_judge_that_does_not_answer_is_refused_at_the_start(monkeypatch):
    assert f"no answer from {MODEL} at http://127.0.0.1:9/v1 (Connection error.); check" in complaint()
    with serving(None) as server:
        assert "The model gpt does not exist." in complaint(url=server.url, model="gpt")
        assert "400" in complaint(url=server.url.removesuffix("/v1"))
        server.reply = lambda *_: 401
        assert "401" in complaint(url=server.url)
        assert "BURNISH_JUDGE_KEY" in complaint(PairJudge, url=server.url)
        server.reply = lambda *_: "I am no judge."  # it answers; that is enough
        assert Judge(server.url, MODEL).unscored == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"url": "127.0.0.1:8000"}, "url must look like http://HOST:PORT/v1, not '127.0.0.1:8000'"),
        ({"url": "http://me:secret@host/v1"}, "url must look like http://HOST:PORT/v1"),
        ({"question": "How good is it?"}, "the question must hold {prompt} once"),
        ({"question": "{prompt} {prompt}"}, "the question must hold {prompt} once"),
        ({"url": "http://[half/v1"}, "url must look like http://HOST:PORT/v1"),
        ({"url": 8000}, "url must look like http://HOST:PORT/v1, not 8000"),
        ({"question": 5}, "the question must hold {prompt} once"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": "5"}, "timeout must be a number of seconds above 0, not '5'"),
        ({"retries": -1}, "retries must be a whole number from 0, not -1"),
        ({"workers": 0}, "workers must be a whole number from 1, not 0"),
        ({"workers": 2.0}, "workers must be a whole number from 1, not 2.0"),
        ({"scale": 10}, "scale must be two rising numbers like [1, 10], not 10"),
        ({"scale": [5, 1]}, "scale must be two rising numbers"),
        ({"scale": [1, 2, 3]}, "scale must be two rising numbers"),
        ({"scale": ["a", "b"]}, "scale must be two rising numbers"),
    ],
)
def test_malformed_options_are_refused(options, expected):
    assert expected in complaint(**options)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    assert complaint() == "reward judge needs the package openai: pip install 'burnish[judge]'"


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("Score: 7", 7.0),
        ("final score: 4", 4.0),
        ("**Final Score:** 3.5", 3.5),
        ("**Score: 7**.", 7.0),
        ("Score: 7/10", 7.0),
        ("Score: 7 / 10\r\n", 7.0),
        ("Score: 2\nOn reflection:\nScore: 9\nThank you.", 9.0),
        ("cat (object): 1\nred (colour): 0\nFinal Score: 3", 3.0),
        ("Score: 1", 1.0),
        ("Score: 10", 10.0),
        ("Score: 10.1", None),
        ("Score: -3", None),
        ("Score: 4/5", None),
        ("Score: 7-8", None),
        ("Score: 7 or 8", None),
        ("Score: 7e0", None),
        ("Score: .5", None),
        ("Score: 7,5", None),
        ("Score: seven", None),
        ("Score: N", None),
        ("Score: nan", None),
        ("Score:", None),
        ("Score: 7\nScore: undecided", None),
        ("underscore: 7", None),
        ("7", None),
        ("It deserves a score of 7", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_declared_number_on_the_scale_is_a_score(reply, score):
    assert read_score(reply, 1, 10) == score


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("Image 1 is better", 1.0),
        ("image 2 is better.", 0.0),
        ("Image 1 is better than Image 2.", 1.0),
        ("Image 2 is better than Image 1", 0.0),
        ("Both images are equally good.", 0.5),
        ("Therefore, Image 2 is better.", 0.0),
        ("Verdict: **Image 1 is better**", 1.0),
        ("Image 1 is better.\nNo:\nImage 2 is better", 0.0),
        ("<think>Image 2 is better.</think>\n<answer>Image 1 is better</answer>", 1.0),
        ("<answer>\nImage 2 is better\n</answer> Image 1 is better", 0.0),
        ("<answer>neither</answer> Image 1 is better", None),
        ("Image 1 is better than Image 1", None),
        ("Image 1 is better in colour, Image 2 is better in detail", None),
        ("It is not true that Image 1 is better.", None),
        ("Image 3 is better", None),
        ("Image 12 is better", None),
        ("Image 1 is much better", None),
        ("The first", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_whole_verdict_counts(reply, verdict):
    assert read_verdict(reply) == verdict


def preferring(order):
    """Replies by the values of the two images shown."""
    return lambda seen, text: order(int(seen[0][0, 0, 0]), int(seen[1][0, 0, 0]))


def brighter(a, b):
    return "Both images are equally good" if a == b else f"Image {1 if a > b else 2} is better"


def pair(order, first, second) -> tuple[list[float | None], PairJudge, list]:
    with serving(preferring(order)) as server:
        judge = made(PairJudge, server)
        won = judge(images(*first), images(*second), [Prompt(f"prompt {n}") for n in range(len(first))])
        return won, judge, server.asked


def test_a_pair_is_shown_in_both_orders():
    won, judge, asked = pair(brighter, [9, 1, 5], [2, 8, 5])
    assert won == [1.0, 0.0, 0.5]
    assert kind_of(judge) == "pair"
    shown = {(text[-1], int(seen[0][0, 0, 0]), int(seen[1][0, 0, 0])) for seen, text, _ in asked}
    assert shown == {("0", 9, 2), ("0", 2, 9), ("1", 1, 8), ("1", 8, 1), ("2", 5, 5)}
    assert len(asked) == 6


def test_a_judge_that_prefers_a_place_is_worth_nothing():
    assert pair(lambda a, b: "Image 1 is better", [9, 1], [2, 8])[0] == [0.5, 0.5]
    assert pair(lambda a, b: "Image 2 is better", [9, 1], [2, 8])[0] == [0.5, 0.5]


def test_half_a_preference_counts_half():
    hesitant = lambda a, b: "Image 1 is better" if a > b else "Both images are equally good"  # noqa: E731
    assert pair(hesitant, [9, 1], [2, 8])[0] == [0.75, 0.25]


def test_without_both_verdicts_a_pair_is_unscored():
    won, judge, _ = pair(lambda a, b: 500 if a > b else brighter(a, b), [9, 1, 5], [2, 8, 5])
    assert won == [None, None, 0.5]
    assert judge.unscored == 2


def test_a_pair_judge_gives_win_rates_of_a_group():
    with serving(preferring(brighter)) as server:
        judges = RewardSet([("judge_pair", 1.0, made(PairJudge, server))])
        scores = judges.score(np.stack(images(3, 9, 6, 7)), [Prompt("a")] * 4, [0, 0, 0, 1])
        judges.close()
    assert scores.total_B[:3].tolist() == [0.0, 1.0, 0.5]
    assert np.isnan(scores.total_B[3])
    assert len(server.asked) == 6


def test_both_are_loaded_by_name_with_their_options(monkeypatch):
    monkeypatch.setitem(rewards.BUILT_IN, "judge", "burnish.rewards.judge:Judge")
    monkeypatch.setitem(rewards.BUILT_IN, "judge_pair", "burnish.rewards.judge:PairJudge")
    with serving(None) as server:
        judge = load_reward("judge", {"url": server.url, "model": MODEL, "scale": [1, 5]})
        assert (judge.low, judge.high) == (1.0, 5.0)
        assert kind_of(load_reward("judge_pair", {"url": server.url, "model": MODEL})) == "pair"
    with pytest.raises(RewardError, match="reward judge needs the option model"):
        load_reward("judge", {"url": "http://h/v1"})
    with pytest.raises(RewardError, match="reward judge_pair has no option 'scale'"):
        load_reward("judge_pair", {"url": "http://h/v1", "model": MODEL, "scale": [1, 5]})
