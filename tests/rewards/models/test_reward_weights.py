"""Files of weights: what is read, and what is refused without running it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from burnish.errors import RewardError
from burnish.rewards.models.weights import read_weights

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.float16)}


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt", "x.pth", "wrapped.pt"])
def test_every_format_gives_the_tensors_as_they_are(tmp_path, name):
    file = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(WEIGHTS, file)
    else:
        torch.save({"epoch": 1, "state_dict": WEIGHTS} if "wrapped" in name else WEIGHTS, file)
    found = read_weights("any", str(file), "it")
    assert list(found) == list(WEIGHTS)
    for key, value in WEIGHTS.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


class Harmful:
    """Pickled code that leaves a trace if it runs."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return type(self.trace).touch, (self.trace,)


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"a": Harmful(tmp_path / "ran")}, tmp_path / "x.pt")
    with pytest.raises(
        RewardError, match=r"^reward any: .*x.pt cannot be read as weights \(.*\); download it ag"
    ):
        read_weights("any", str(tmp_path / "x.pt"), "it")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.safetensors", "x.pt"])
def test_rubbish_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(RewardError, match="cannot be read as weights") as problem:
        read_weights("any", str(tmp_path / name), "it")
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("held", [{}, [1, 2], {"epoch": 1}, torch.ones(2), {"state_dict": {"a": 1}}])
def test_what_is_not_named_tensors_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "x.pt")
    with pytest.raises(RewardError, match=r"^reward any: .*x.pt holds no named weights; download it there$"):
        read_weights("any", str(tmp_path / "x.pt"), "it")


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(RewardError, match=r"^reward any: no file gone.pt; download it there$"):
        read_weights("any", "gone.pt", "it")
