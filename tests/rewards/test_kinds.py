import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RewardError
from burnish.recipes.schema import Reward
from burnish.rewards import reward as rewards
from burnish.rewards.kinds import groupwise, kind_of, pairwise, win_rates
from burnish.rewards.reward import RewardSet, load_reward, load_rewards, read_reward
from burnish.types import Prompt

VALUES = [10, 30, 20, 5, 6]
IMAGES = np.stack([np.full((2, 2, 3), value, np.uint8) for value in VALUES])
PROMPTS = [Prompt("a"), Prompt("a"), Prompt("a"), Prompt("b"), Prompt("b")]
GROUPS = [7, 7, 7, 3, 3]


def value(image) -> int:
    return int(np.asarray(image)[0, 0, 0])


def score(function, group=GROUPS) -> list[float | None]:
    found = RewardSet([("mine", 1.0, function)]).score(IMAGES, PROMPTS, group).total_B
    return [None if math.isnan(number) else round(number, 6) for number in found]


def complaint(function) -> str:
    with pytest.raises(RewardError) as caught:
        score(function)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@groupwise
def rank(images, prompts):
    values = [value(image) for image in images]
    return [sorted(values).index(number) for number in values]


@pairwise
def brighter(first, second, prompts):
    return [float(value(a) > value(b)) for a, b in zip(first, second, strict=True)]


def test_kinds_are_marks_of_the_function():
    assert kind_of(rank) == "group"
    assert kind_of(brighter) == "pair"
    assert kind_of(lambda images, prompts: []) == "point"
    together = RewardSet([("a", 1.0, rank), ("b", 0.0, brighter), ("c", 1.0, lambda images, prompts: [])])
    assert together.needs_groups == ["a", "b"]


def test_win_rates_of_three_by_hand():
    assert win_rates([1.0, 0.5, 0.0], 3) == [0.75, 0.0, 0.75]
    assert win_rates([None, 0.5, 1.0], 3) == [0.5, 1.0, 0.25]
    assert win_rates([None, None, 0.25], 3) == [None, 0.25, 0.75]
    assert win_rates([], 1) == [None]
    assert win_rates([], 0) == []
    with pytest.raises(ValueError, match="zip"):
        win_rates([1.0], 3)


@given(st.permutations(range(7)), st.integers(2, 7))
def test_win_rates_of_a_total_order_are_ranks(order, count):
    order = order[:count]
    won = [float(order[i] > order[j]) for i in range(count) for j in range(i + 1, count)]
    rates = win_rates(won, count)
    ranks = [sorted(order).index(place) for place in order]
    assert rates == [pytest.approx(place / (count - 1)) for place in ranks]


@given(st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.floats(0, 1), min_size=21))))
def test_win_rates_sum_to_half_the_group(drawn):
    count, probabilities = drawn
    rates = win_rates(probabilities[: count * (count - 1) // 2], count)
    assert sum(rates) == pytest.approx(count / 2)
    assert all(-1e-9 <= rate <= 1 + 1e-9 for rate in rates)


def test_a_groupwise_reward_sees_each_group_once_and_whole():
    seen = []

    @groupwise
    def watch(images, prompts):
        seen.append(([value(image) for image in images], [prompt.text for prompt in prompts]))
        return rank(images, prompts)

    assert score(watch) == [0, 2, 1, 0, 1]
    assert seen == [([10, 30, 20], ["a", "a", "a"]), ([5, 6], ["b", "b"])]


def test_a_pairwise_reward_sees_all_pairs_of_all_groups_at_once():
    seen = []

    @pairwise
    def watch(first, second, prompts):
        seen.append([(value(a), value(b), p.text) for a, b, p in zip(first, second, prompts, strict=True)])
        return brighter(first, second, prompts)

    assert score(watch) == [0.0, 1.0, 0.5, 0.0, 1.0]
    assert seen == [[(10, 30, "a"), (10, 20, "a"), (30, 20, "a"), (5, 6, "b")]]


def test_groups_may_be_interleaved():
    assert score(brighter, [0, 1, 0, 1, 0]) == [0.5, 1.0, 1.0, 0.0, 0.0]
    assert score(rank, [0, 1, 0, 1, 0]) == [1, 1, 2, 0, 0]


def test_a_pair_that_could_not_be_told_is_left_out():
    @pairwise
    def shy(first, second, prompts):
        return [
            None if value(a) == 10 else float(value(a) > value(b)) for a, b in zip(first, second, strict=True)
        ]

    assert score(shy) == [None, 1.0, 0.0, 0.0, 1.0]


def test_a_group_may_leave_images_unscored():
    @groupwise
    def shy(images, prompts):
        return [None if value(image) == 30 else 1 for image in images]

    assert score(shy) == [1, None, 1, 1, 1]


def test_an_image_alone_has_no_win_rate():
    assert score(brighter, None) == [None] * 5
    assert score(brighter, [0, 0, 0, 0, 1])[4] is None
    assert score(rank, None) == [0] * 5


def test_broken_contracts_are_one_sentence():
    short = groupwise(lambda images, prompts: [1.0])
    assert complaint(short) == "reward mine returned 1 scores for 3 images: return one an image"
    few = pairwise(lambda first, second, prompts: [1.0])
    assert complaint(few) == "reward mine returned 1 scores for 4 images: return one an image"
    odds = pairwise(lambda first, second, prompts: [0.0, 1.0, 1.5, 0.0])
    assert complaint(odds) == (
        "reward mine returned 1.5 for a pair: return the probability that the first is better"
    )
    words = pairwise(lambda first, second, prompts: ["first"] * 4)
    assert "returned 'first' for image 0: return a number" in complaint(words)

    @groupwise
    def broken(images, prompts):
        raise KeyError("colour")

    assert complaint(broken).startswith("reward mine raised KeyError: 'colour' (test_kinds.py line ")


USER = """
from burnish.rewards.kinds import groupwise, pairwise

def scaled(images, prompts, tag, scale=2.0, words=None):
    return [scale * len(t) + len(words or []) for t in tag]

def anything(images, prompts, **options):
    return [float(len(options))] * len(images)

@groupwise
def spread(images, prompts, base=0):
    assert all(image.size == (2, 2) for image in images)
    return [base + len(images)] * len(images)

@pairwise
def better(first, second, prompts, invert=False):
    won = [a.getpixel((0, 0)) > b.getpixel((0, 0)) for a, b in zip(first, second, strict=True)]
    return [float(w != invert) for w in won]

@pairwise
def two(first, second):
    return []
"""


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(USER)
    return str(path)


def test_user_functions_receive_the_options(file):
    prompts = [Prompt("a", {"tag": "xy"})] * 5
    made = load_rewards([Reward(name=f"{file}:scaled", options={"scale": 3.0, "words": ["u"]})])
    assert made.score(IMAGES, prompts).total_B.tolist() == [7.0] * 5
    made = load_rewards([Reward(name=f"{file}:anything", options={"one": 1, "two": 2})])
    assert made.score(IMAGES, prompts).total_B.tolist() == [3.0] * 5  # tag, one, two
    with pytest.raises(RewardError, match="has no parameter 'scal' for that option"):
        load_reward(f"{file}:scaled", {"scal": 1})


def test_user_functions_may_be_groupwise_or_pairwise(file):
    assert score(load_reward(f"{file}:spread", {"base": 10})) == [13, 13, 13, 12, 12]
    assert score(load_reward(f"{file}:better")) == [0.0, 1.0, 0.5, 0.0, 1.0]
    assert score(load_reward(f"{file}:better", {"invert": True})) == [1.0, 0.0, 0.5, 1.0, 0.0]
    with pytest.raises(RewardError, match="must take three arguments, the first images, the second and the"):
        load_reward(f"{file}:two")


def make(path, quality=95):
    return lambda images, prompts: [quality] * len(images)


@pytest.fixture
def built_in(monkeypatch):
    monkeypatch.setitem(rewards.BUILT_IN, "made", f"{__name__}:make")


@pytest.mark.usefixtures("built_in")
def test_options_are_held_against_what_a_reward_takes():
    assert load_reward("made", {"path": "x", "quality": 7})(IMAGES, PROMPTS) == [7] * 5
    with pytest.raises(RewardError, match=r"reward made has no option 'qualty': did you mean quality\?"):
        load_reward("made", {"path": "x", "qualty": 7})
    with pytest.raises(RewardError, match="reward made has no option 'zzz': it takes path, quality"):
        load_reward("made", {"path": "x", "zzz": 7})
    with pytest.raises(RewardError, match=r"reward made needs the option path: write options: \{path: …\}"):
        load_reward("made")
    with pytest.raises(RewardError, match="reward scenes_strict has no option 'x': it takes none"):
        load_reward("scenes_strict", {"x": 1})


def test_a_reward_is_read_from_a_command_line():
    read = read_reward("pickscore,path=models/x")
    assert (read.name, read.options) == ("pickscore", {"path": "models/x"})
    assert read_reward("pickscore").options == {}
    read = read_reward("judge,url=http://h:1/v1,scale=[1, 5],timeout=2.5,strict=false")
    assert read.options == {"url": "http://h:1/v1", "scale": [1, 5], "timeout": 2.5, "strict": False}
    assert read_reward("ask.py:f,question=good, bad or ugly?").options == {"question": "good, bad or ugly?"}
