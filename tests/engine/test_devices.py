import pytest
import torch

from burnish.engine.devices import cards, find_device


def test_names_of_devices():
    assert find_device("cpu") == torch.device("cpu")
    expected = torch.accelerator.current_accelerator(check_available=True)
    assert find_device("auto") == (expected or torch.device("cpu"))


@pytest.mark.parametrize("name", ["abacus", "cpu:x", "cuda:99"])
def test_a_device_that_is_not_there_has_a_reason(name):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        find_device(name)


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [
        (None, 0, []),
        (None, 2, ["0", "1"]),
        ("3, 5", 2, ["3", "5"]),
        ("GPU-8932f937", 1, ["GPU-8932f937"]),
        ("3,9", 1, ["3"]),  # CUDA stops at the first that is not there
        ("", 0, []),
    ],
)
def test_cards_are_those_that_are_visible(monkeypatch, visible, count, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert cards() == expected
