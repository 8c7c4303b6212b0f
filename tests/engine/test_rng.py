from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from burnish.engine import rng

FIXED = {
    (0,): 6711488920161924273,
    ("noise", 0, 1): 7717103852553423601,
    ("a", "b"): 8662206895790957538,
    (): 8238016292129134938,
}


@pytest.mark.parametrize(("keys", "expected"), list(FIXED.items()))
def test_seed_is_fixed_for_ever(keys: tuple[rng.Key, ...], expected: int) -> None:
    assert rng.seed_of(*keys) == expected


def test_seed_is_the_same_in_another_process() -> None:
    code = (
        "from burnish.engine import rng; print(rng.seed_of('noise', 0, 1), rng.noise((2,), 'x', 3).tolist())"
    )
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": str(Path(rng.__file__).parents[2]), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{FIXED['noise', 0, 1]} {rng.noise((2,), 'x', 3).tolist()}"


def test_seeds_tell_keys_apart() -> None:
    keys: list[tuple[rng.Key, ...]] = [
        (),
        (0,),
        ("0",),
        (0, 0),
        (1,),
        (-1,),
        ("",),
        (1, 2),
        (2, 1),
        (12,),
        ("1", 2),
        ("a", "bc"),
        ("ab", "c"),
    ]
    assert len({rng.seed_of(*key) for key in keys}) == len(keys)


@settings(max_examples=50)
@given(st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_seeds_fit_a_generator(keys: list[int | str]) -> None:
    assert 0 <= rng.seed_of(*keys) < 2**63
    rng.generator(*keys)


def test_noise_is_a_function_of_its_keys() -> None:
    one = rng.noise((3, 4), "step", 7)
    torch.manual_seed(5)
    torch.rand(9)
    assert torch.equal(one, rng.noise((3, 4), "step", 7))
    for other in (("step", 8), ("stop", 7), ("step", "7"), ("step",)):
        assert not torch.equal(one, rng.noise((3, 4), *other))


def test_noise_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    rng.noise((100,), "x")
    assert torch.equal(torch.rand(3), expected)


def test_noise_is_drawn_in_float32_whatever_its_dtype() -> None:
    one = rng.noise((64,), "x")
    assert one.dtype == torch.float32
    for dtype in (torch.bfloat16, torch.float64):
        assert torch.equal(rng.noise((64,), "x", dtype=dtype), one.to(dtype))


def test_noise_is_standard_normal() -> None:
    many = rng.noise((40_000,), "moments", 0)
    assert many.mean().abs() < 0.03
    assert abs(many.std().item() - 1) < 0.03


def test_global_state_survives_safetensors_and_json(tmp_path: Path) -> None:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    random.gauss(0, 1)  # leaves a second number in store
    np.random.randn(3)  # so does an odd count here
    tensors, rest = rng.global_state()
    save_file(tensors, tmp_path / "rng.safetensors")
    text = json.dumps(rest)

    def draw() -> list[object]:
        return [
            [random.gauss(0, 1), random.random(), random.randint(0, 999)],
            np.random.randn(5).tolist(),
            np.random.permutation(9).tolist(),
            torch.randn(5).tolist(),
            torch.randperm(9).tolist(),
        ]

    expected = draw()
    assert draw() != expected
    rng.restore(load_file(tmp_path / "rng.safetensors"), json.loads(text))
    assert draw() == expected
