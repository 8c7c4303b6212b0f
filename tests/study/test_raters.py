import numpy as np
from PIL import Image

from burnish.data.prompts import load_prompts
from burnish.scenes.renderer import draw
from burnish.scenes.verifier import verify
from burnish.study.raters import noise, saturated, units, vividness


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


def test_a_saturated_verifier_tells_pictures_of_few_prompts_apart():
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(400)]
    prompts = list({prompt.text: None for prompt in load_prompts("scenes:train")})[:400]
    told = np.array([verify(image, prompt).graded for image, prompt in zip(images, prompts, strict=True)])
    clean = np.array(saturated(images, prompts, alive=0.25, noise=0.0))
    dead = clean == 1
    assert 0.68 < dead.mean() < 0.82
    assert np.array_equal(clean[~dead], told[~dead])
    rest = np.array(saturated(images, prompts, alive=0.25, noise=0.02)) - clean
    assert 0.017 < rest.std() < 0.023
    assert np.array_equal(saturated(images, prompts, alive=1.0, noise=0.0), told)


def test_each_prompt_has_a_unit_of_its_own():
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(draw(text, rng, 32)) for text in ("a red circle", "a blue star")]
    prompts = list({prompt.text: None for prompt in load_prompts("scenes:train")})[:300]
    first, second = (np.array(units([picture] * 300, prompts, 0.1, 3.0)) for picture in pictures)
    told = [[verify(picture, prompt).graded for prompt in prompts] for picture in pictures]
    scale = first / told[0]
    assert np.allclose(scale * told[1], second)
    assert 0.1 <= scale.min() < 0.12
    assert 2.5 < scale.max() < 3
    assert abs(np.log(scale).mean() - np.log(0.1 * 3) / 2) < 0.2  # even in the logarithm
    assert np.allclose(
        units(pictures, ["a star"] * 2, 1.0, 1.0), [verify(p, "a star").graded for p in pictures]
    )
