import math

import numpy as np
import pytest

from burnish.errors import DataError
from burnish.scenes import grammar
from burnish.scenes.grammar import CATEGORIES, HELD_OUT_PAIRS, SHAPES, parse
from burnish.scenes.renderer import GAP, MARGIN, PALETTE, RADII, draw, layout, mask, outline, render


def scenes(count, category=None, seed=0, split="train"):
    rng = np.random.default_rng(seed)
    return [parse(grammar.sample(rng, split, category)) for _ in range(count)], rng


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_layout_holds_exactly_the_required_objects_apart_and_inside(category):
    chosen, rng = scenes(150, category)
    for scene in chosen:
        plan = layout(scene, rng)
        required = [t for t in scene.things for _ in range(t.count)]
        assert len(plan.objects) == len(required)
        for thing, placed in zip(required, plan.objects, strict=True):
            assert placed.shape == thing.shape
            assert thing.color in (None, placed.color)
            assert thing.size in (None, placed.size)
            assert RADII[placed.size][0] <= placed.radius <= RADII[placed.size][1]
            low, high = MARGIN + placed.radius - 1e-9, 1 - MARGIN - placed.radius + 1e-9
            assert all(low <= c <= high for c in placed.center)
        for i, a in enumerate(plan.objects):
            for b in plan.objects[:i]:
                assert math.dist(a.center, b.center) >= a.radius + b.radius + GAP - 1e-9


def test_relations_hold_with_a_clear_margin():
    chosen, rng = scenes(200, "position")
    for scene in chosen:
        a, b = (placed.center for placed in layout(scene, rng).objects)
        dx, dy = b[0] - a[0], b[1] - a[1]
        along = {"left of": dx, "right of": -dx, "above": dy, "below": -dy}[scene.relation]
        across = dy if scene.relation in ("left of", "right of") else dx
        assert along >= 0.18
        assert along >= 1.25 * abs(across)


def test_four_large_objects_fit():
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert [o.size for o in layout(parse("four large red crosses"), rng).objects] == ["large"] * 4


def test_pretraining_layouts_never_show_a_held_out_pair():
    chosen, rng = scenes(600, seed=4)
    shown = {(o.color, o.shape) for s in chosen for o in layout(s, rng, allow_held_out=False).objects}
    assert shown.isdisjoint(HELD_OUT_PAIRS)
    assert len(shown) == 36
    color, shape = sorted(HELD_OUT_PAIRS)[0]
    with pytest.raises(DataError, match="held-out pair"):
        layout(parse(f"a {color} {shape}"), rng, allow_held_out=False)


@pytest.mark.parametrize("size", [32, 64])
def test_a_picture_shows_its_colours_on_a_pale_background(size):
    chosen, rng = scenes(60, seed=2)
    for scene in chosen:
        plan = layout(scene, rng)
        picture = render(plan, size)
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8
        frame = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(int)
        assert frame.min() > 170
        assert np.ptp(frame.mean(0)) < 30
        flat = picture.reshape(-1, 3).astype(int)
        for placed in plan.objects:
            assert np.abs(np.array(placed.rgb) - PALETTE[placed.color]).max() <= 8
            assert np.abs(flat - placed.rgb).max(1).min() <= 12


def test_render_is_a_pure_function_of_the_layout():
    plan = layout(parse("a red star"), np.random.default_rng(3))
    assert np.array_equal(render(plan), render(plan))
    a, b = (draw("a red star", np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(a, b)
    assert np.array_equal(a, render(plan))


@pytest.mark.parametrize(
    ("shape", "unit_area"),
    [("circle", math.pi), ("square", 2.0), ("triangle", 3 * math.sqrt(3) / 4),
     ("ring", math.pi * (1 - 0.56**2)), ("star", 5 * 0.42 * math.sin(math.pi / 5)),
     ("cross", 8 * 0.32 * math.sqrt(1 - 0.32**2) - 4 * 0.32**2)],
)  # fmt: skip
def test_a_mask_has_the_area_of_its_shape(shape, unit_area):
    for rotation in (0.0, 10.0):
        cover = mask(shape, (32.3, 31.8), 20.0, rotation, 64)
        assert cover.sum() == pytest.approx(unit_area * 400, rel=0.03)
        rows, cols = np.mgrid[0:64, 0:64] + 0.5
        assert (cover * cols).sum() / cover.sum() == pytest.approx(32.3, abs=0.2)
        assert (cover * rows).sum() / cover.sum() == pytest.approx(31.8, abs=0.2)


def test_outlines_reach_the_unit_circle_and_unknown_shapes_are_named():
    for shape in SHAPES:
        assert np.hypot(*outline(shape).T).max() == pytest.approx(1.0)
    with pytest.raises(DataError, match="unknown shape 'heart'"):
        outline("heart")


def test_draw_refuses_an_unknown_prompt():
    with pytest.raises(DataError, match="cannot parse"):
        draw("a photo of a cat", np.random.default_rng(0))
