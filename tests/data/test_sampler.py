import pytest

from burnish.data.sampler import PromptSampler
from burnish.errors import DataError


@pytest.mark.parametrize(("count", "n"), [(3, 1), (7, 2), (10, 1), (10, 3), (48, 3), (48, 16)])
def test_small_draws_are_distinct_and_every_epoch_covers_every_prompt(count, n):
    sampler = PromptSampler(count, seed=5)
    draws = [sampler.next(n) for _ in range(5 * count)]
    assert all(len(set(draw)) == n for draw in draws)
    flat = [index for draw in draws for index in draw]
    for epoch in range(len(flat) // count):
        assert sorted(flat[epoch * count : (epoch + 1) * count]) == list(range(count))


@pytest.mark.parametrize(("count", "n"), [(4, 3), (5, 5), (10, 9), (2, 1)])
def test_large_draws_are_distinct_too(count, n):
    sampler = PromptSampler(count, seed=1)
    assert all(len(set(sampler.next(n))) == n for _ in range(50))


def test_draws_beyond_the_number_of_prompts_repeat_evenly():
    drawn = PromptSampler(3, seed=0).next(9)
    assert [drawn.count(index) for index in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(("count", "n"), [(1, 1), (3, 7), (10, 3), (10, 4), (100, 16)])
def test_a_state_resumes_exactly(count, n):
    sampler = PromptSampler(count, seed=9)
    for _ in range(40):
        twin = PromptSampler(count, seed=9)
        twin.load(sampler.state())
        assert twin.next(n) == sampler.next(n)
        assert twin.state() == sampler.state()


def test_the_order_depends_on_seed_and_epoch_only():
    first, second = PromptSampler(50, 0), PromptSampler(50, 0)
    assert first.next(50) == [i for _ in range(10) for i in second.next(5)]
    assert PromptSampler(50, 0).next(50) != PromptSampler(50, 1).next(50)
    assert PromptSampler(50, 0).next(50) != first.next(50)


def test_positions_of_other_data_are_refused():
    with pytest.raises(
        DataError, match="does not fit 5 prompts: resume with the prompt file the run began with"
    ):
        PromptSampler(5, 0).load({"epoch": 0, "position": 7})
    with pytest.raises(DataError, match="no prompts"):
        PromptSampler(0, 0)


def test_a_curriculum_climbs_in_every_epoch_and_is_shuffled_within_a_level():
    levels = [3, 1, 2] * 20
    sampler = PromptSampler(60, 0, levels)
    epochs = [[i for _ in range(12) for i in sampler.next(5)] for _ in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(60))
        assert [levels[i] for i in epoch] == sorted(levels)
    assert epochs[0] != epochs[1]
    twin = PromptSampler(60, 0, levels)
    twin.next(7)
    other = PromptSampler(60, 0, levels)
    other.load(twin.state())
    assert other.next(30) == twin.next(30)
