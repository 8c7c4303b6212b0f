"""Grids of images with captions, for the eye: rows of samples, before and after, prompts through time."""

import os
from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from burnish.errors import BurnishError, RunError

CELL = 128
"""Side that small images are enlarged to, in pixels."""
_GAP, _MARGIN, _SIZE, _LEADING = 8, 12, 12, 15
_INK, _PAPER = (51, 51, 51), (255, 255, 255)
Captions = Sequence[str]


def grid(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    captions: Sequence[Captions] | None = None,
    row_captions: Captions | None = None,
    column_captions: Captions | None = None,
    scale: int | None = None,
) -> Image.Image:
    """One picture of all images, uint8 [H, W, 3]; rows may be ragged, every text wraps to its cell.

    `scale` multiplies the sides; None enlarges images smaller than about 128 pixels to about that.
    """
    cells = [[_picture(each, scale) for each in row] for row in rows]
    if not any(cells):
        raise BurnishError("a grid needs at least one image")
    font = ImageFont.load_default(size=_SIZE)
    columns = max(len(row) for row in cells)
    width = max(cell.width for row in cells for cell in row)
    heights = [max((cell.height for cell in row), default=0) for row in cells]
    below = [[_wrap(text, font, width) for text in row] for row in captions or []]
    below += [[] for _ in range(len(cells) - len(below))]
    foot = [max((len(lines) for lines in row), default=0) * _LEADING for row in below]
    foot = [lines and lines + 4 for lines in foot]
    beside = [_wrap(text, font, width) for text in row_captions or []]
    above = [_wrap(text, font, width) for text in column_captions or []]

    side = ceil(max((font.getlength(line) for lines in beside for line in lines), default=0))
    left = _MARGIN + (side + _GAP if beside else 0)
    top = _MARGIN + (max(map(len, above)) * _LEADING + _GAP // 2 if above else 0)
    heights = [max(h, len(b) * _LEADING) for h, b in zip(heights, _padded(beside, len(cells)), strict=True)]
    full_width = left + columns * (width + _GAP) - _GAP + _MARGIN
    full_height = top + sum(heights) + sum(foot) + _GAP * (len(cells) - 1) + _MARGIN
    sheet = Image.new("RGB", (full_width, full_height), _PAPER)
    draw = ImageDraw.Draw(sheet)

    for column, lines in enumerate(above[:columns]):
        _write(draw, font, lines, left + column * (width + _GAP), _MARGIN, width)
    y = top
    for row, images in enumerate(cells):
        if row < len(beside):
            middle = y + (heights[row] - len(beside[row]) * _LEADING) // 2
            _write(draw, font, beside[row], _MARGIN, middle, side, right=True)
        for column, image in enumerate(images):
            x = left + column * (width + _GAP)
            sheet.paste(image, (x + (width - image.width) // 2, y))
            if column < len(below[row]):
                _write(draw, font, below[row][column], x, y + heights[row] + 3, width)
        y += heights[row] + foot[row] + _GAP
    return sheet


def save_png(image: Image.Image, path: Path | str) -> None:
    """Write a PNG atomically, with any folders that are missing."""
    path = Path(path)
    draft = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(draft, format="PNG", optimize=True)
        os.replace(draft, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; check the disk and permissions") from error


def _picture(pixels: np.ndarray, scale: int | None) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BurnishError(f"a grid takes uint8 images [H, W, 3], not {pixels.dtype} {list(pixels.shape)}")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    times = scale if scale is not None else max(1, floor(CELL / max(image.size)))
    return image.resize((image.width * times, image.height * times), Image.Resampling.LANCZOS)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Lines no wider than `width`; a word wider than that is cut."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            while font.getlength(word) > width and len(word) > 1:
                lengths = range(len(word) - 1, 0, -1)
                cut = next((n for n in lengths if font.getlength(word[:n]) <= width), 1)
                lines += [line, word[:cut]] if line else [word[:cut]]
                line, word = "", word[cut:]
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width or not line:
                line = longer
            else:
                lines, line = [*lines, line], word
        lines.append(line)
    return lines


def _write(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    lines: list[str],
    x: int,
    y: int,
    width: int,
    right: bool = False,
) -> None:
    """Lines below one another from (x, y), centred in `width` or set against its right edge."""
    for number, line in enumerate(lines):
        slack = width - font.getlength(line)
        draw.text((x + slack * (1 if right else 0.5), y + number * _LEADING), line, fill=_INK, font=font)


def _padded(lines: list[list[str]], count: int) -> list[list[str]]:
    return [*lines, *([] for _ in range(count - len(lines)))][:count]
