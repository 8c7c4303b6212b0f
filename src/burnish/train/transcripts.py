"""What a language model said, beside what it was shown: `RUN/transcripts` and pictures with captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from burnish.types import Completion, Prompt

SIDE = 160
"""Pixels of a shown picture's side."""


def keep_transcripts(
    folder: Path, name: str, step: int, prompts: list[Prompt], outputs: list[Completion]
) -> Path:
    """Writes `transcripts/NAME_STEP.jsonl`: prompt, answer, completion, length and truncated, a line each."""
    path = folder / "transcripts" / f"{name}_{step:06d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            {
                "prompt": prompt.text,
                "answer": prompt.columns.get("answer"),
                "completion": output.text,
                "length": output.length,
                "truncated": output.truncated,
            },
            ensure_ascii=False,
            default=str,
        )
        for prompt, output in zip(prompts, outputs, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def illustrated(prompts: list[Prompt], outputs: list[Completion]) -> tuple[np.ndarray, list[str]]:
    """Each prompt's first picture, uint8 [N, SIDE, SIDE, 3] (white where there is none), and captions."""
    tiles = [_tile(prompt) for prompt in prompts]
    captions = [
        f"{' '.join(prompt.text.replace('<image>', '').split())} → {' '.join(output.text.split())}"
        for prompt, output in zip(prompts, outputs, strict=False)
    ]
    images = np.stack(tiles) if tiles else np.zeros((0, SIDE, SIDE, 3), np.uint8)
    return images, captions


def _tile(prompt: Prompt) -> np.ndarray:
    page = Image.new("RGB", (SIDE, SIDE), "white")
    if prompt.images:
        source = prompt.images[0]
        image = source.open() if hasattr(source, "source") else source
        scale = min(SIDE / image.width, SIDE / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        page.paste(image.resize(size), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(page)
