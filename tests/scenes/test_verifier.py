import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from burnish.errors import DataError
from burnish.scenes import grammar
from burnish.scenes.grammar import CATEGORIES, COLORS, parse
from burnish.scenes.renderer import PALETTE, Layout, Placed, draw, layout, render
from burnish.scenes.verifier import find, verify

PLAIN = ((235.0, 235.0, 235.0), (235.0, 235.0, 235.0))


def put(shape, color, x, y, size="large", radius=0.18):
    return Placed(shape, color, size, (x, y), radius, 4.0, PALETTE[color])


def picture(*objects, size=64):
    return render(Layout(objects, PLAIN, 0.0, 0), size)


def satisfies(plan, scene):
    """The truth, from the layout alone."""
    required = [t for t in scene.things for _ in range(t.count)]
    if len(required) != len(plan.objects):
        return False

    def fits(thing):
        return [
            o for o in plan.objects
            if o.shape == thing.shape and thing.color in (None, o.color) and thing.size in (None, o.size)
        ]  # fmt: skip

    if any(len(fits(thing)) != thing.count for thing in scene.things):
        return False
    if scene.relation is None:
        return True
    a, b = (fits(thing)[0].center for thing in scene.things)
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = {"left of": dx, "right of": -dx, "above": dy, "below": -dy}[scene.relation]
    return along / np.hypot(dx, dy) >= 0.66


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("size", [64, 32])
def test_fresh_scenes_pass(category, size):
    rng = np.random.default_rng(0)
    split = "train" if category not in grammar.categories("ood") else "ood"
    draws = 75 if size == 64 else 30
    texts = [grammar.sample(rng, s, category) for s in ("train", split) for _ in range(draws)]
    verdicts = [verify(draw(text, rng, size), text) for text in texts]
    assert np.mean([v.strict for v in verdicts]) >= 0.99
    assert np.mean([v.graded for v in verdicts]) > (0.97 if size == 64 else 0.9)
    assert min(v.graded for v in verdicts if v.strict) > 0.7


def test_found_objects_match_the_layout():
    rng = np.random.default_rng(5)
    for _ in range(100):
        plan = layout(parse(grammar.sample(rng, "train")), rng)
        found = find(render(plan))
        assert len(found) == len(plan.objects)
        for o in plan.objects:
            f = min(found, key=lambda f: np.hypot(f.center[0] - o.center[0], f.center[1] - o.center[1]))
            assert (f.shape, f.color, f.size) == (o.shape, o.color, o.size)
            assert np.hypot(f.center[0] - o.center[0], f.center[1] - o.center[1]) < 0.02
            assert 0 < f.confidence <= 1
            assert 0 < f.area < 0.15


def test_another_prompt_passes_only_when_it_truly_holds():
    rng = np.random.default_rng(6)
    passed = 0
    for i in range(400):
        category = CATEGORIES[i % 6] if i % 2 else None
        a = parse(grammar.sample(rng, "train", category))
        b = parse(grammar.sample(rng, "train", category))
        plan = layout(a, rng)
        verdict = verify(render(plan), b)
        assert verdict.strict == satisfies(plan, b), (a.text(), b.text(), verdict.reason)
        assert verdict.strict or verdict.graded <= 0.8
        passed += verdict.strict
    assert passed > 3


STAR, RING = put("star", "blue", 0.7, 0.4), put("ring", "red", 0.25, 0.45)


@pytest.mark.parametrize(
    ("text", "objects", "reason"),
    [
        ("a red ring left of a blue star", (RING,), "2 object(s) required, 1 found"),
        ("a red ring left of a blue star", (STAR, RING, put("circle", "green", 0.5, 0.8, radius=0.1)),
         "2 object(s) required, 3 found"),
        ("a red ring left of a blue star", (put("ring", "red", 0.75, 0.4), put("star", "blue", 0.25, 0.4)),
         "the ring is not left of the star"),
        ("a red ring left of a blue star", (STAR, put("ring", "green", 0.25, 0.45)),
         "1 red ring required, 0 found"),
        ("a red ring and a blue star", (put("ring", "blue", 0.25, 0.45), put("star", "red", 0.7, 0.4)),
         "1 red ring required, 0 found"),
        ("a ring and a star", (RING, put("square", "blue", 0.7, 0.4)), "1 star required, 0 found"),
        ("a small ring and a star", (STAR, RING), "1 small ring required, 0 found"),
        ("two squares", (put("square", "red", 0.35, 0.5), put("square", "red", 0.52, 0.5)),
         "2 object(s) required, 1 found"),
    ],
)  # fmt: skip
def test_each_corruption_is_named_and_costs(text, objects, reason):
    clean = {"two squares": (put("square", "red", 0.25, 0.5), put("square", "red", 0.7, 0.5)),
             "a small ring and a star": (STAR, put("ring", "red", 0.25, 0.45, radius=0.11))}  # fmt: skip
    good = verify(picture(*clean.get(text, (STAR, RING))), text)
    bad = verify(picture(*objects), text)
    assert good.strict, good.reason
    assert good.reason == "all requirements hold"
    assert not bad.strict
    assert bad.reason == reason
    assert bad.graded < good.graded - 0.15
    assert bad.graded > 0


def test_credit_is_ordered_by_how_much_is_right():
    text = "three red circles"
    row = [put("circle", "red", x, 0.5, radius=0.12) for x in (0.2, 0.5, 0.8)]
    none, one, two, three = (verify(picture(*row[:n]), text).graded for n in range(4))
    wrong = verify(picture(put("circle", "blue", 0.2, 0.5, radius=0.12), *row[1:]), text).graded
    worse = verify(picture(put("square", "blue", 0.2, 0.5, radius=0.12), *row[1:]), text).graded
    assert 0 == none < one < two < worse < wrong < three
    assert three > 0.95


def test_blur_lowers_the_grade_and_then_breaks_strict():
    rng = np.random.default_rng(7)
    texts = [grammar.sample(rng, "train") for _ in range(40)]
    images = [Image.fromarray(draw(text, rng)) for text in texts]
    graded, strict = [], []
    for radius in (0.0, 1.0, 2.0, 4.0):
        blurred = [image.filter(ImageFilter.GaussianBlur(radius)) for image in images]
        verdicts = [verify(image, text) for image, text in zip(blurred, texts, strict=True)]
        graded.append(np.mean([v.graded for v in verdicts]))
        strict.append(np.mean([v.strict for v in verdicts]))
    assert graded == sorted(graded, reverse=True)
    assert graded[0] - graded[1] > 0.01
    assert graded[0] - graded[2] > 0.1
    assert strict[1] >= 0.95
    assert strict[3] <= 0.1


def test_scattered_colour_breaks_strict():
    image = picture(STAR, RING)
    rng = np.random.default_rng(0)
    for row, col in rng.integers(46, 64, (120, 2)):
        image[row, 2 * col - 64] = PALETTE["green"]
    verdict = verify(image, "a ring and a star")
    assert not verdict.strict
    assert verdict.graded < 0.9 * verify(picture(STAR, RING), "a ring and a star").graded


@pytest.mark.parametrize("color", COLORS)
def test_every_colour_is_told_apart_on_darker_ground(color):
    grey = ((150.0, 150.0, 150.0), (165.0, 165.0, 165.0))
    found = find(render(Layout((put("circle", color, 0.5, 0.5),), grey, 1.0, 0)))
    assert [(f.shape, f.color) for f in found] == [("circle", color)]


def test_scale_and_type_of_the_image_do_not_matter():
    image = draw("a red star and a blue ring", np.random.default_rng(8))
    seen = find(image)
    as_float = find(image.astype(np.float32) / 255)
    upscaled = find(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC))
    assert as_float == seen
    assert [(f.shape, f.color, f.size) for f in upscaled] == [(f.shape, f.color, f.size) for f in seen]


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from(["a circle", "two red squares", "a star above a ring"]))
def test_any_picture_gets_a_grade(seed, text):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (rng.integers(2, 40), rng.integers(2, 40), 3), dtype=np.uint8)
    image = dataclasses.replace(layout(parse("a cross"), rng), texture=0)
    for candidate in (coarse, render(image), np.zeros((64, 64, 3), np.uint8)):
        verdict = verify(candidate, text)
        assert 0 <= verdict.graded <= 1
        assert not verdict.strict
        assert verdict == verify(candidate, text)


def test_blank_and_malformed_pictures():
    assert find(np.full((64, 64, 3), 220, np.uint8)) == []
    assert verify(np.full((64, 64, 3), 220, np.uint8), "a circle").graded == 0
    with pytest.raises(DataError, match=r"move the channels last"):
        find(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(DataError, match="within"):
        find(np.full((64, 64, 3), -1.0))
    with pytest.raises(DataError, match="uint8 or float, got int64"):
        find(np.zeros((64, 64, 3), np.int64))
