"""What a reward client and a reward server say to each other: JSON with pictures as base64 PNG or JPEG.

    GET  /about → {"protocol": 1, "reward": NAME, "max_items": N, "max_bytes": N}
    POST /score ← {"protocol": 1, "items": [{"image": BASE64, "prompt": TEXT, "columns": {…}}, …]}
                → {"protocol": 1, "scores": [NUMBER or null, …]}

Every request carries `Authorization: Bearer TOKEN` where the server has a token. Nothing is pickled.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

PROTOCOL = 1
TOKEN_VARIABLE = "BURNISH_REWARD_TOKEN"  # noqa: S105
MAX_ITEMS, MAX_BYTES = 64, 64 * 2**20
"""Default limits of one request."""
MAX_PIXELS = 4096 * 4096


def pack_image(image: np.ndarray) -> str:
    """uint8 [H, W, 3] as base64 PNG, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unpack_image(text: Any) -> Image.Image:
    """The RGB picture in a base64 PNG or JPEG.

    Raises:
        ValueError: not base64, not a PNG or JPEG, or larger than `MAX_PIXELS`.
    """
    if not isinstance(text, str):
        raise ValueError("an image must be base64 text")
    raw = base64.b64decode(text, validate=True)
    try:
        picture = Image.open(io.BytesIO(raw), formats=("PNG", "JPEG"))
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"an image of {picture.width}×{picture.height} pixels is too large")
        return picture.convert("RGB")
    except (OSError, SyntaxError) as problem:
        raise ValueError(f"an image is not a readable PNG or JPEG ({problem})") from None


def unpack_scores(body: Any, count: int) -> list[float | None]:
    """The scores of a reply, checked.

    Raises:
        ValueError: another protocol, a wrong number of scores, or anything but finite numbers and null.
    """
    if not isinstance(body, dict) or body.get("protocol") != PROTOCOL:
        raise ValueError("the reply is not of this protocol")
    scores = body.get("scores")
    if not isinstance(scores, list) or len(scores) != count:
        size = len(scores) if isinstance(scores, list) else "no"
        raise ValueError(f"the reply holds {size} scores for {count} images")
    for score in scores:
        if score is not None and (
            isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score)
        ):
            raise ValueError(f"the reply holds {score!r} where a finite number or null belongs")
    return [None if score is None else float(score) for score in scores]
