"""Pictures, prompts, and a small CLIP model as the hub holds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from burnish.scenes import models
from burnish.scenes.renderer import draw
from burnish.types import Prompt

SIDE, WIDTH, EMBEDDING = 32, 32, 24


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Rendered ones, an upright and a lying one of noise, and one without colour: uint8 [H, W, 3]."""
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.integers(0, 256, (50, 50, 1), dtype=np.uint8), 3, axis=2)
    return [
        draw("a red circle", rng, 48),
        draw("a blue square", rng, SIDE),
        rng.integers(0, 256, (70, 33, 3), dtype=np.uint8),
        rng.integers(0, 256, (40, 101, 3), dtype=np.uint8),
        grey,
    ]


@pytest.fixture(scope="session")
def prompts() -> list[Prompt]:
    """As many; the first is there twice, one is far too long, one has braces and is empty otherwise."""
    texts = ["a red circle", "a blue square", "a red circle", "a green star " * 60, "{}"]
    return [Prompt(text) for text in texts]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("clip")
    tokenizer, _ = models.tokenizers(tiny.corpus())
    config = CLIPConfig(
        text_config=tiny.clip_config(tokenizer, hidden_act="gelu").to_dict(),
        vision_config={
            "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 8, "hidden_act": "gelu",
        },
        projection_dim=EMBEDDING,
    )  # fmt: skip
    model, generator = CLIPModel(config), torch.Generator().manual_seed(0)
    with torch.no_grad():  # as freshly made, all images would look alike
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a model of another kind."""
    folder = tmp_path_factory.mktemp("other")
    (Path(folder) / "config.json").write_text('{"model_type": "bert"}')
    return str(folder)


@pytest.fixture(scope="session")
def prepared(images: list[np.ndarray]) -> Callable[[int], torch.Tensor]:
    """side -> what CLIP's preprocessing makes of the images, by Pillow alone: float [B, 3, side, side]."""
    return lambda side: torch.stack([clip_pixels(image, side) for image in images])


def clip_pixels(image: np.ndarray, side: int) -> torch.Tensor:
    picture = Image.fromarray(image)
    scale = side / min(picture.size)
    picture = picture.resize([int(length * scale + 1e-9) for length in picture.size], Image.BICUBIC)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    values = np.asarray(picture.crop((left, top, left + side, top + side))) / 255
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    return torch.tensor((values - mean) / std, dtype=torch.float32).movedim(-1, 0)
