import numpy as np
import pytest
from PIL import Image, ImageFont

from burnish.errors import BurnishError, RunError
from burnish.report.grid import _GAP, _MARGIN, _wrap, grid, save_png

RED = np.full((32, 32, 3), (200, 0, 0), np.uint8)


def inks(image):
    """Which pixels are neither white nor red."""
    pixels = np.asarray(image).astype(int)
    return (pixels.max(2) < 200) & (np.ptp(pixels, axis=2) < 30)


@pytest.mark.parametrize(("side", "shown"), [(32, 128), (64, 128), (48, 96), (128, 128), (512, 512)])
def test_small_images_are_enlarged(side, shown):
    picture = grid([[np.zeros((side, side, 3), np.uint8)]])
    assert picture.size == (shown + 2 * _MARGIN, shown + 2 * _MARGIN)


def test_scale_multiplies_and_rows_may_be_ragged():
    picture = grid([[RED, RED, RED], [RED]], scale=1)
    assert picture.size == (3 * 32 + 2 * _GAP + 2 * _MARGIN, 2 * 32 + _GAP + 2 * _MARGIN)
    reds = (np.asarray(picture) == (200, 0, 0)).all(2)
    assert reds.sum() == 4 * 32 * 32
    assert tuple(picture.getpixel((picture.width - _MARGIN - 1, picture.height - _MARGIN - 1))) == (255,) * 3


def test_texts_make_room_and_leave_the_images_alone():
    plain = grid([[RED, RED]], scale=2)
    texts = grid(
        [[RED, RED]],
        captions=[["a red circle left of a blue square", "b"]],
        row_captions=["step 10"],
        column_captions=["one", "two"],
        scale=2,
    )
    assert texts.width > plain.width
    assert texts.height > plain.height
    reds = (np.asarray(texts) == (200, 0, 0)).all(2)
    assert reds.sum() == 2 * 64 * 64
    assert inks(texts).any()
    assert not inks(plain).any()


def test_captions_wrap_to_the_cell_and_long_words_are_cut():
    font = ImageFont.load_default(size=12)
    text = "a small circle " + "x" * 60
    lines = _wrap(text, font, 64)
    assert all(font.getlength(line) <= 64 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert _wrap("", font, 64) == [""]
    assert _wrap("one\ntwo", font, 64) == ["one", "two"]


@pytest.mark.parametrize("rows", [[], [[]]])
def test_nothing_to_show_is_an_error(rows):
    with pytest.raises(BurnishError, match="at least one image"):
        grid(rows)


@pytest.mark.parametrize("wrong", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8)])
def test_other_arrays_are_refused(wrong):
    with pytest.raises(BurnishError, match="uint8 images"):
        grid([[wrong]])


def test_save_png(tmp_path):
    path = tmp_path / "new" / "grid.png"
    save_png(grid([[RED]]), path)
    assert Image.open(path).size == (152, 152)
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]
    with pytest.raises(RunError, match="cannot write"):
        save_png(grid([[RED]]), path / "below.png")
