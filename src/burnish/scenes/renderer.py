"""From a scene to pixels: choose concrete objects, then draw them antialiased on a quiet background.

Lengths are fractions of the canvas side, x to the right and y down; `PX` converts from pixels of the
64-pixel reference canvas. A layout holds everything random, so `render` is a pure function.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from burnish.errors import DataError
from burnish.scenes.grammar import COLORS, HELD_OUT_PAIRS, SHAPES, SIZES, Scene, Thing, parse

PX = 1 / 64
RADII = {"small": (9.0 * PX, 9.4 * PX), "large": (12.4 * PX, 12.8 * PX)}
"""Circumscribed radius of each size."""
GAP, MARGIN = 3.5 * PX, 2.5 * PX
LATTICE = 4
"""Centres lie on multiples of 1/LATTICE of the side: few phases of an outline, so a small model learns it."""
TILT = 0.0
"""Largest rotation, in degrees either way."""
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (218, 30, 38),
    "green": (34, 150, 50),
    "blue": (35, 70, 215),
    "yellow": (246, 212, 20),
    "purple": (122, 40, 165),
    "orange": (250, 128, 10),
    "cyan": (20, 195, 215),
    "pink": (250, 100, 175),
}
_SUPERSAMPLE = 4
Point = tuple[float, float]
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Placed:
    """One concrete object: `center` (x, y) and `radius` as fractions, `rotation` in degrees."""

    shape: str
    color: str
    size: str
    center: tuple[float, float]
    radius: float
    rotation: float
    rgb: tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    """Objects in drawing order; background: RGB at both ends of a gradient, its angle, a texture seed."""

    objects: tuple[Placed, ...]
    background: tuple[RGB, RGB]
    angle: float
    texture: int


def layout(scene: Scene, rng: np.random.Generator, *, allow_held_out: bool = True) -> Layout:
    """A random arrangement that satisfies `scene`: exactly its objects, apart by at least `GAP`.

    Free colours and sizes are filled at random; with `allow_held_out=False` never to a held-out
    colour-shape pair. Raises `DataError` when the scene itself then names such a pair.
    """
    things = [thing for thing in scene.things for _ in range(thing.count)]
    if not allow_held_out and any(thing.held_out for thing in things):
        raise DataError(f"{scene.text()!r} names a held-out pair: pass allow_held_out=True to draw it")
    colors = [_fill_color(thing, rng, allow_held_out) for thing in things]
    sizes = [thing.size or SIZES[rng.integers(len(SIZES))] for thing in things]
    radii = [float(rng.uniform(*RADII[size])) for size in sizes]
    centers = _scatter(radii, scene.relation, rng) or _quadrants(radii, rng)
    objects = tuple(
        Placed(thing.shape, color, size, center, radius, rng.uniform(-TILT, TILT), _shade(color, rng))
        for thing, color, size, center, radius in zip(things, colors, sizes, centers, radii, strict=True)
    )
    return Layout(objects, _background(rng), float(rng.uniform(0, 2 * math.pi)), int(rng.integers(2**31)))


def _fill_color(thing: Thing, rng: np.random.Generator, allow_held_out: bool) -> str:
    if thing.color:
        return thing.color
    free = [c for c in COLORS if allow_held_out or (c, thing.shape) not in HELD_OUT_PAIRS]
    return free[rng.integers(len(free))]


def _scatter(radii: list[float], relation: str | None, rng: np.random.Generator) -> list[Point] | None:
    """Centres anywhere on the canvas by rejection; None when a crowd of three or four found no room."""
    for _ in range(8 if len(radii) > 2 else 10_000):
        centers: list[Point] = []
        for radius in radii:
            spot = _free_spot(radius, centers, radii, rng)
            if spot is None:
                break
            centers.append(spot)
        if len(centers) == len(radii) and (relation is None or _holds(relation, *centers)):
            return centers
    return None


def _free_spot(
    radius: float, centers: list[Point], radii: list[float], rng: np.random.Generator
) -> Point | None:
    low, high = MARGIN + radius, 1 - MARGIN - radius
    for _ in range(12):
        x, y = _snapped(low, high, rng), _snapped(low, high, rng)
        taken = zip(centers, radii, strict=False)
        if all(math.hypot(x - u, y - v) >= radius + other + GAP for (u, v), other in taken):
            return x, y
    return None


def _quadrants(radii: list[float], rng: np.random.Generator) -> list[Point]:
    """Up to four centres, one a quadrant: always fits, because no radius exceeds 13 of 64 pixels."""
    centers = []
    for cell, radius in zip(rng.permutation(4), radii, strict=False):
        x, y = (_snapped(MARGIN + radius, 0.5 - GAP / 2 - radius, rng) for _ in range(2))
        centers.append((1 - x if cell % 2 else x, 1 - y if cell // 2 else y))
    return centers


def _snapped(low: float, high: float, rng: np.random.Generator) -> float:
    """A point of the lattice in [low, high]."""
    return int(rng.integers(math.ceil(low * LATTICE), math.floor(high * LATTICE) + 1)) / LATTICE


def _holds(relation: str, a: Point, b: Point) -> bool:
    """Whether `a` is clearly `relation` `b`: that axis dominates by a quarter, the sign is right."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    along, across = (dx, dy) if relation in ("left of", "right of") else (dy, dx)
    sign = 1 if relation in ("left of", "above") else -1
    return sign * along >= max(1.25 * abs(across), 12 * PX)


def _shade(color: str, rng: np.random.Generator) -> tuple[int, int, int]:
    """The palette colour, each channel off by at most 8 of 255."""
    r, g, b = (int(np.clip(c + rng.integers(-8, 9), 0, 255)) for c in PALETTE[color])
    return r, g, b


def _background(rng: np.random.Generator) -> tuple[RGB, RGB]:
    """Two light, pale colours (0-255), close to each other."""
    base = rng.uniform(205, 248) + rng.uniform(-7, 7, 3)
    other = base + (rng.uniform(-10, 10) + rng.uniform(-4, 4, 3) if rng.random() < 0.6 else 0.0)
    a, b = np.clip(base, 0, 255), np.clip(other, 0, 255)
    return (float(a[0]), float(a[1]), float(a[2])), (float(b[0]), float(b[1]), float(b[2]))


def outline(shape: str, count: int = 48) -> np.ndarray:
    """The outer polygon of a shape: [n, 2] points of the unit circle's disc, centred, y down.

    `count` is the number of corners of round shapes. A ring is a circle with a hole of `RING_HOLE`.
    """
    if shape in ("circle", "ring"):
        return _polar(np.arange(count) * 2 * math.pi / count, np.ones(count))
    if shape == "square":
        return _polar(np.arange(4) * math.pi / 2 + math.pi / 4, np.ones(4))
    if shape == "triangle":
        return _polar(np.arange(3) * 2 * math.pi / 3 - math.pi / 2, np.ones(3))
    if shape == "star":
        return _polar(np.arange(10) * math.pi / 5 - math.pi / 2, np.where(np.arange(10) % 2, 0.42, 1.0))
    if shape == "cross":
        w = 0.32
        e = math.sqrt(1 - w * w)
        arm = np.array([(-w, -e), (w, -e), (w, -w)])
        turns = ((1, 0), (0, 1), (-1, 0), (0, -1))
        return np.concatenate([arm @ np.array([[c, s], [-s, c]]) for c, s in turns])
    raise DataError(f"unknown shape {shape!r}: choose one of {', '.join(SHAPES)}")


RING_HOLE = 0.56
"""Inner radius of a ring over its outer radius."""


def _polar(angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def mask(shape: str, center: tuple[float, float], radius: float, rotation: float, size: int) -> np.ndarray:
    """Coverage of one object: float32 [size, size] in [0, 1]; lengths in pixels, rotation in degrees."""
    k = _SUPERSAMPLE
    c, s = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    points = outline(shape) @ np.array([[c, s], [-s, c]]) * radius + center
    canvas = Image.new("L", (size * k, size * k))
    pen = ImageDraw.Draw(canvas)
    pen.polygon([(x, y) for x, y in points * k - 0.5], fill=255)
    if shape == "ring":
        hole = outline("ring") * (radius * RING_HOLE) + center
        pen.polygon([(x, y) for x, y in hole * k - 0.5], fill=0)
    return np.asarray(canvas.reduce(k), dtype=np.float32) / 255


@cache
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return axis[None, :], axis[:, None]


def render(plan: Layout, size: int = 64) -> np.ndarray:
    """The picture of a layout: uint8 [size, size, 3]; 32 and 64 are the sizes in use."""
    x, y = _grid(size)
    ramp = 0.5 + (math.cos(plan.angle) * x + math.sin(plan.angle) * y) / math.sqrt(2)
    start, end = (np.array(c, dtype=np.float32) for c in plan.background)
    picture = start + ramp[..., None] * (end - start)
    grain = np.random.default_rng(plan.texture).standard_normal((size, size, 1), dtype=np.float32)
    picture = picture + 0.6 * grain
    for thing in plan.objects:
        u, v = thing.center
        cover = mask(thing.shape, (u * size, v * size), thing.radius * size, thing.rotation, size)[..., None]
        picture += cover * (np.array(thing.rgb, dtype=np.float32) - picture)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def draw(scene: Scene | str, rng: np.random.Generator, size: int = 64) -> np.ndarray:
    """A random picture of a prompt or scene: uint8 [size, size, 3]. Raises `DataError` as `parse` does."""
    return render(layout(parse(scene) if isinstance(scene, str) else scene, rng), size)
