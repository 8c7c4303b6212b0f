"""Does the image carry the text that the prompt asks for?

The reward of Flow-GRPO (2505.05470): r = max(1 − N_e / N_ref, 0), where N_e is the edit distance
between the recognised and the wanted text and N_ref the length of the wanted one. It differs from that
paper's public code in three points: the code gives 1 wherever the wanted text stands anywhere within the
recognised one, here every further letter costs; it reads the first pair of quotation marks only, here all
are joined; it reads with PaddleOCR's English model, here RapidOCR's packaged PP-OCR model does, which
works offline. As there, no turned lines are looked for, and lines read with less than 0.5 are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import RewardError
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]

QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”')


def ocr() -> Score:
    """1 where the image says exactly what the prompt asks for, 0 where nothing of it can be read.

    The wanted text is the prompt's column `text`, else what stands in double quotes (straight or curly) in
    the prompt; without either, or where it is blank, an image cannot be scored. Case and white space do not
    count.

    Raises:
        RewardError: a package is missing, or the recogniser lacks its models.
    """
    read = reader()

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        targets = [wanted(prompt) for prompt in prompts]
        return [
            closeness(read(image), target) if target else None
            for image, target in zip(images, targets, strict=True)
        ]

    return score


def reader() -> Callable[[np.ndarray], str]:
    """Reads the text in a uint8 image [H, W, 3], line after line.

    Raises:
        RewardError: a package is missing, or the recogniser lacks its models.
    """
    try:
        import onnxruntime  # noqa: F401 (rapidocr looks for it only when it reads)
        import rapidfuzz  # noqa: F401
        import rapidocr
    except ImportError as error:
        raise RewardError(f"reward ocr lacks a package ({error}): pip install 'burnish[ocr]'") from None
    read: Any = rapidocr.RapidOCR(params=_settings(Path(str(rapidocr.__file__)).parent / "models"))
    return lambda image: "\n".join(read(np.ascontiguousarray(image[..., ::-1])).txts or ())


def closeness(said: str, target: str) -> float:
    """max(1 − edit distance / length of the target, 0); the target is in `plain` form and not empty."""
    from rapidfuzz.distance import Levenshtein

    return max(1 - Levenshtein.distance(plain(said), target) / len(target), 0.0)


def wanted(prompt: Prompt) -> str:
    """The text that the prompt asks for, lower-cased, without white space; empty if it asks for none."""
    text = prompt.columns.get("text")
    if text is None:
        text = "".join(straight or curly for straight, curly in QUOTED.findall(prompt.text))
    return plain(str(text))


def plain(text: str) -> str:
    """Lower-cased, without white space.

    >>> plain("Lost  City Near")
    'lostcitynear'
    """
    return "".join(text.lower().split())


def _settings(folder: Path) -> dict[str, Any]:
    """Settings under which the recogniser uses the models in its own package and downloads nothing."""
    settings: dict[str, Any] = {"Global.log_level": "error", "Global.use_cls": False}
    for part in ("Det", "Rec"):
        files = sorted(folder.glob(f"*_{part.lower()}_*.onnx"))
        if not files:
            raise RewardError(f"reward ocr: rapidocr has no {part} model in {folder}: reinstall rapidocr")
        settings[f"{part}.model_path"] = str(files[0])
    return settings
