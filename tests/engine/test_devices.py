import pytest
import torch

from burnish.engine.devices import find_device


def test_names_of_devices():
    assert find_device("cpu") == torch.device("cpu")
    expected = torch.accelerator.current_accelerator(check_available=True)
    assert find_device("auto") == (expected or torch.device("cpu"))


@pytest.mark.parametrize("name", ["abacus", "cpu:x", "cuda:99"])
def test_a_device_that_is_not_there_has_a_reason(name):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        find_device(name)
