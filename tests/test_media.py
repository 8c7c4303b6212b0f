"""Pictures are opened late, upright, in RGB, and only if they are harmless."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from burnish import media
from burnish.errors import DataError
from burnish.media import Picture


def encoded(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def test_transparent_is_over_white_and_grey_becomes_rgb() -> None:
    clear = Picture(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0))), "row").open()
    assert (clear.mode, clear.getpixel((0, 0))) == ("RGB", (255, 255, 255))
    assert Picture(encoded(Image.new("L", (2, 2), 9)), "row").open().getpixel((0, 0)) == (9, 9, 9)


def test_pictures_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Picture(encoded(Image.new("RGB", (4, 2)), "JPEG", exif=exif), "row").open()
    assert image.size == (2, 4)


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "later.png"
    picture = Picture(path, "row 3")
    with pytest.raises(DataError, match="row 3: the picture cannot be read"):
        picture.open()
    path.write_bytes(encoded(Image.new("RGB", (2, 2))))
    assert picture.open().size == (2, 2)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded(Image.new("RGB", (64, 64)))[:60], b"%!PS-Adobe"]
)
def test_damaged_and_foreign_files_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="row 1: the picture cannot be read"):
        Picture(data, "row 1").open()


def test_too_large_a_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "PIXELS", 100)
    with pytest.raises(DataError, match="row 2: a picture of 20×20 is too large"):
        Picture(encoded(Image.new("RGB", (20, 20))), "row 2").open()
