"""From pixels back to objects: a deterministic judge of whether a picture shows what a prompt requires.

`find` estimates the background (a plane a channel), explains every other pixel as background mixed with one
palette colour, groups pixels into objects and matches each silhouette to templates drawn by the renderer.
`verify` compares the objects with a scene: `strict` is all or nothing, `graded` is smooth partial credit.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from burnish.errors import DataError
from burnish.scenes.grammar import COLORS, SHAPES, Scene, Thing, parse
from burnish.scenes.renderer import PALETTE, TILT, mask

SIDE = 64
"""Every image is resampled to this side before anything else; pixel counts below refer to it."""
SPECK = 14
"""A group of fewer pixels is dirt, not an object."""
CROWD = 12
"""Only this many of the largest groups are looked at; the rest is dirt."""
SURE = 0.25
"""Least confidence at which an object counts for `strict`."""
DIRT = 40
"""Most coloured pixels outside of objects that `strict` tolerates."""
_RADIUS_SPLIT = 10.8
_GRID = 20
_PALETTE = np.array([PALETTE[color] for color in COLORS], dtype=np.float32)


@dataclass(frozen=True)
class Found:
    """One object seen: `center` (x, y) in [0, 1], y down; `area` a fraction of the image in (0, 1].

    `confidence` in [0, 1] falls with blur, odd silhouettes and off-palette colour.
    """

    shape: str
    color: str
    size: str
    center: tuple[float, float]
    area: float
    confidence: float


@dataclass(frozen=True)
class Verdict:
    """`strict`: all requirements hold and nothing else is there; `graded` in [0, 1], over 0.8 only if strict.

    `reason` is one sentence naming the first requirement that fails, or "all requirements hold".
    """

    strict: bool
    graded: float
    found: list[Found]
    reason: str


def find(image: np.ndarray | Image.Image) -> list[Found]:
    """The objects of an image, from top to bottom. Empty for a blank picture.

    `image`: PIL, uint8 [h, w, 3] or float [h, w, 3] in [0, 1]; any size, best at 64 pixels.
    Raises `DataError` for another shape or type.
    """
    return _see(image)[0]


def verify(image: np.ndarray | Image.Image, scene: Scene | str) -> Verdict:
    """Judge an image (as `find` takes it) against a scene or its prompt.

    Raises `DataError` for an image that `find` refuses or a prompt that `parse` refuses.
    """
    scene = parse(scene) if isinstance(scene, str) else scene
    found, dirt = _see(image)
    required = [thing for thing in scene.things for _ in range(thing.count)]
    reason = _complaint(scene, required, found, dirt)
    raw = _partial_credit(scene, required, found) * (1 - 0.3 * min(1.0, dirt / 400))
    strict = reason is None
    quality = math.fsum(f.confidence for f in found) / len(found) if strict else 0.0
    graded = min(1.0, 0.8 * raw + 0.2 * quality)
    return Verdict(strict, graded, found, reason or "all requirements hold")


# ---------------------------------------------------------------- seeing


def _pixels(image: np.ndarray | Image.Image) -> np.ndarray:
    """float32 [64, 64, 3] in 0-255."""
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        shape = list(image.shape)
        raise DataError(f"an image must be [height, width, 3], got {shape}: move the channels last")
    if np.issubdtype(image.dtype, np.floating):
        if not (np.isfinite(image).all() and image.min() >= -0.01 and image.max() <= 1.01):
            raise DataError("a float image must be finite and within [0, 1]: clip it or pass uint8")
        image = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError(f"an image must be uint8 or float, got {image.dtype}")
    if image.shape[:2] != (SIDE, SIDE):
        shrink = image.shape[0] > SIDE
        way = Image.Resampling.BOX if shrink else Image.Resampling.BICUBIC
        image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), way))
    return image.astype(np.float32)


@cache
def _plane() -> np.ndarray:
    """The basis 1, x, y of a linear background: float32 [3, 4096]."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].reshape(2, -1) / (SIDE - 1) - 0.5
    return np.stack([np.ones_like(x), x, y]).astype(np.float32)


def _background(flat: np.ndarray) -> np.ndarray:
    """A plane a channel through the pixels near the median of the frame: [3, 4096] -> [3, 4096] or [3, 1]."""
    basis = _plane()
    edge = np.abs(basis[1:]).max(0) > 0.5 - 2 / SIDE
    guess = np.median(flat[:, edge], axis=1, keepdims=True)
    for tolerance in (80.0, 50.0):
        near = np.abs(flat - guess).sum(0) < tolerance
        if near.sum() < 200:
            break
        rows = basis * near
        weights = np.linalg.solve(rows @ rows.T + 1e-3 * np.eye(3, dtype=np.float32), rows @ flat.T)
        guess = weights.T @ basis
    return guess


def _see(image: np.ndarray | Image.Image) -> tuple[list[Found], int]:
    """The objects, and the number of coloured pixels that belong to none."""
    flat = np.ascontiguousarray(_pixels(image).reshape(-1, 3).T)
    base = _background(flat)
    delta = flat - base
    away = np.flatnonzero((delta * delta).sum(0) > 30.0**2)
    pure = _PALETTE - base.mean(1)
    near = delta[:, away]
    share = np.clip(pure @ near / np.maximum((pure * pure).sum(1), 1)[:, None], 0, 1.1)
    rest = ((near[:, None] - pure.T[..., None] * share) ** 2).sum(0)
    best = rest.argmin(0)
    alpha, kind = np.zeros((SIDE, SIDE), np.float32), np.full((SIDE, SIDE), -1)
    kind.flat[away], alpha.flat[away] = best, share[best, np.arange(len(away))]
    delta = delta.reshape(3, SIDE, SIDE)
    parts = _parts(alpha > 0.5, kind)
    every = np.zeros((SIDE, SIDE), np.uint8)
    for part in parts:
        every += part
    claimed = np.zeros((SIDE, SIDE), bool)
    found = []
    for part in parts:
        box, origin = _box(part)
        halo = ndimage.binary_dilation(part[box], iterations=2)
        claimed[box] |= halo
        soft = alpha[box] * (halo & (every[box] <= part[box]))
        found.append(_describe(part[box], soft, kind[box], delta[(slice(None), *box)], pure, origin))
    dirt = int(((alpha > 0.3) & ~claimed).sum())
    return sorted(found, key=lambda f: (f.center[1], f.center[0])), dirt


def _box(part: np.ndarray) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The window around a mask with three pixels to spare, and its corner (x, y)."""
    rows, cols = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    top, left = max(int(rows[0]) - 3, 0), max(int(cols[0]) - 3, 0)
    return (slice(top, int(rows[-1]) + 4), slice(left, int(cols[-1]) + 4)), (left, top)


def _parts(solid: np.ndarray, kind: np.ndarray) -> list[np.ndarray]:
    """Boolean masks of single objects: connected groups, split by colour where two colours meet."""
    labels, _ = ndimage.label(solid)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    largest = np.argsort(-areas, kind="stable")[:CROWD]
    parts: list[np.ndarray] = []
    for index in largest[areas[largest] >= SPECK]:
        group, area = labels == index, areas[index]
        votes = np.bincount(kind[group], minlength=len(COLORS))
        if votes.max() >= 0.8 * area:
            parts.append(group)
            continue
        for color in np.flatnonzero(votes >= max(SPECK, 0.15 * area)):
            pieces, count = ndimage.label(group & (kind == color))
            parts += [piece for piece in (pieces == i + 1 for i in range(count)) if piece.sum() >= SPECK]
    return parts


def _describe(
    part: np.ndarray,
    alpha: np.ndarray,
    kind: np.ndarray,
    delta: np.ndarray,
    pure: np.ndarray,
    origin: tuple[int, int],
) -> Found:
    """One object from its window: mask, coverage, palette index [h, w]; colour offset [3, h, w]."""
    inner = alpha[part]
    soft = np.minimum(alpha / max(float(np.percentile(inner, 80)), 0.3), 1)
    patch, center, area = _patch(soft)
    tables, names, unit = _templates()
    overlap = np.minimum(tables, patch).sum(1) / np.maximum(tables, patch).sum(1)
    scores = np.array([overlap[names == i].max() for i in range(len(SHAPES))])
    order = scores.argsort()[::-1]
    core = part & (alpha >= np.quantile(inner, 0.4))
    tint = np.median(delta[:, core], axis=1)
    distances = np.sqrt(((pure - tint) ** 2).sum(1))
    color = int(distances.argmin())
    agreement = float((kind[part] == color).mean())
    confidence = (
        np.clip((scores[order[0]] - 0.6) / 0.33, 0, 1)
        * np.clip((scores[order[0]] - scores[order[1]]) / 0.05, 0, 1) ** 0.5
        * np.clip(1.2 - distances[color] / 90, 0, 1)
        * agreement
    )
    radius = math.sqrt(area / unit[order[0]])
    return Found(
        shape=SHAPES[order[0]],
        color=COLORS[color],
        size="large" if radius > _RADIUS_SPLIT else "small",
        center=((origin[0] + center[0]) / SIDE, (origin[1] + center[1]) / SIDE),
        area=area / SIDE**2,
        confidence=float(confidence),
    )


def _patch(soft: np.ndarray) -> tuple[np.ndarray, tuple[float, float], float]:
    """A silhouette moved to its centroid and scaled to unit area: [400]; its centre (x, y); its area."""
    area = float(soft.sum())
    y = float(soft.sum(1) @ np.arange(soft.shape[0])) / area
    x = float(soft.sum(0) @ np.arange(soft.shape[1])) / area
    steps = np.linspace(-1, 1, _GRID) * math.sqrt(area)
    points = np.meshgrid(y + steps, x + steps, indexing="ij")
    patch = ndimage.map_coordinates(soft, points, order=1, mode="constant", prefilter=False)
    return patch.ravel().astype(np.float32), (x + 0.5, y + 0.5), area


@cache
def _templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches of every shape at two radii and seven rotations, the shape index of each, unit-radius areas."""
    patches, names, unit = [], [], []
    for index, shape in enumerate(SHAPES):
        for radius, degrees in itertools.product((7.0, 12.0), np.linspace(-1.2 * TILT, 1.2 * TILT, 7)):
            patch, _, area = _patch(mask(shape, (SIDE / 2, SIDE / 2), radius, float(degrees), SIDE))
            patches.append(patch)
            names.append(index)
        unit.append(area / radius**2)
    return np.stack(patches), np.array(names), np.array(unit)


# ---------------------------------------------------------------- judging


def _fits(thing: Thing, found: Found) -> bool:
    return (
        thing.shape == found.shape and thing.color in (None, found.color) and thing.size in (None, found.size)
    )


def _cosine(relation: str, a: Found, b: Found) -> float:
    """Cosine between the way from `a` to `b` and the way `relation` asks for: 1 exact, -1 swapped."""
    dx, dy = b.center[0] - a.center[0], b.center[1] - a.center[1]
    along = {"left of": dx, "right of": -dx, "above": dy, "below": -dy}[relation]
    return along / max(math.hypot(dx, dy), 1e-6)


def _complaint(scene: Scene, required: list[Thing], found: list[Found], dirt: int) -> str | None:
    """The first requirement that fails, as a sentence; None when all hold."""
    if len(found) != len(required):
        return f"{len(required)} object(s) required, {len(found)} found"
    for thing in scene.things:
        seen = sum(_fits(thing, f) for f in found)
        if seen != thing.count:
            words = " ".join(word for word in (thing.size, thing.color, thing.shape) if word)
            return f"{thing.count} {words} required, {seen} found"
    vague = [f for f in found if f.confidence < SURE]
    if vague:
        return f"the {vague[0].color} {vague[0].shape} is not clear enough ({vague[0].confidence:.2f})"
    if scene.relation is not None:
        a, b = (next(f for f in found if _fits(thing, f)) for thing in scene.things[:2])
        if _cosine(scene.relation, a, b) < 0.66:
            return f"the {a.shape} is not {scene.relation} the {b.shape}"
    if dirt > DIRT:
        return f"{dirt} coloured pixels belong to no object"
    return None


def _credit(thing: Thing, found: Found) -> float:
    """How much of `thing` an object is, in [0, 1]: presence, shape, and the named attributes."""
    sure = 0.6 + 0.4 * found.confidence
    terms = [(0.2, 1.0), (0.4, sure * (thing.shape == found.shape))]
    if thing.color:
        terms.append((0.3, sure * (thing.color == found.color)))
    if thing.size:
        terms.append((0.15, sure * (thing.size == found.size)))
    return sum(w * value for w, value in terms) / sum(w for w, _ in terms)


def _partial_credit(scene: Scene, required: list[Thing], found: list[Found]) -> float:
    """Mean credit under the best matching, less for extra objects; a relation weighs 0.35 of the whole."""
    if not found:
        return 0.0
    credit = np.array([[_credit(thing, f) for f in found] for thing in required])
    rows, cols = linear_sum_assignment(-credit)
    objects = float(credit[rows, cols].sum()) / max(len(required), len(found))
    if scene.relation is None:
        return objects
    held = 0.0
    if len(rows) == 2 and all(required[r].shape == found[c].shape for r, c in zip(rows, cols, strict=True)):
        a, b = (found[c] for c in cols)
        held = min(1.0, (1 + _cosine(scene.relation, a, b)) / 1.7) * float(credit[rows, cols].min())
    return 0.65 * objects + 0.35 * held * 2 / max(2, len(found))
