import numpy as np
from PIL import Image

from burnish.study.raters import noise, vividness


def test_noise_is_standard_normal_and_says_the_same_twice():
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)) for _ in range(500)]
    first = noise(images, ["a"] * 500)
    assert noise(images, ["a"] * 500) == first
    assert noise(images[:1], ["b"]) != first[:1]
    assert abs(np.mean(first)) < 0.15
    assert 0.9 < np.std(first) < 1.1


def test_vividness_likes_saturated_and_large():
    red, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 128, np.uint8)
    red[..., 0] = 255
    half = red.copy()
    half[:2] = 0
    images = [Image.fromarray(picture) for picture in (red, half, grey)]
    assert vividness(images, ["a red star"] * 3) == [2.0, 1.0, 0.0]
