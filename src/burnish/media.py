"""Pictures of training data: opened when they are needed, and only in ways that cannot do harm."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from burnish.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PIXELS = 64_000_000
"""Largest picture that is decoded."""


@dataclass(frozen=True)
class Picture:
    """A picture not yet decoded.

    Attributes:
        source: a file, the bytes of one, or a function that makes the picture.
        where: words for messages: the file and row it came from.
    """

    source: Path | bytes | Callable[[], Image.Image]
    where: str

    def open(self) -> Image.Image:
        """The picture in RGB, upright, over white where it is transparent.

        Raises:
            DataError: not a picture, a damaged one, or one too large.
        """
        if not isinstance(self.source, Path | bytes):
            return self.source().convert("RGB")
        stream = self.source if isinstance(self.source, Path) else io.BytesIO(self.source)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(stream, formats=FORMATS)
                if image.width * image.height > PIXELS:
                    raise DataError(f"{self.where}: a picture of {image.width}×{image.height} is too large")
                upright = ImageOps.exif_transpose(image)
                upright.load()
        except DataError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as problem:
            raise DataError(f"{self.where}: the picture cannot be read ({problem})") from None
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            page = Image.new("RGBA", layer.size, "white")
            upright = Image.alpha_composite(page, layer)
        return upright.convert("RGB")


def data_url(text: str, where: str) -> Picture:
    """The picture in a `data:image/…;base64,…` URL.

    Raises:
        DataError: another kind of URL (nothing is fetched), or damaged base64.
    """
    head, comma, body = text.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        raise DataError(f"{where}: {text[:40]!r} is not a data: URL of an image; download pictures first")
    try:
        return Picture(base64.b64decode(body, validate=True), where)
    except (binascii.Error, ValueError):
        raise DataError(f"{where}: the data: URL is not valid base64") from None
