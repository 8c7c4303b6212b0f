"""Does it look good? LAION's improved aesthetic predictor, which reads the image and not the prompt."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from burnish.rewards.models.common import Score, in_batches, load_image_processor
from burnish.rewards.models.contrastive import embed_images, load_clip
from burnish.rewards.models.weights import linear_stack, read_weights, under

CLIP = "openai/clip-vit-large-patch14"
HEAD = "sac+logos+ava1-l14-linearMSE.pth of christophschuhmann/improved-aesthetic-predictor"


def aesthetic(path: str, head: str, device: str = "auto", batch: int = 32) -> Score:
    """The linear layers of the head on the unit embedding of the image (improved-aesthetic-predictor V2).

    The released head takes 768 numbers through layers of 1024, 128, 64 and 16 to one, with nothing between
    them when not in training; its sizes are read from the file.

    Args:
        path: folder of the transformers model openai/clip-vit-large-patch14 with its image processor.
        head: the official `sac+logos+ava1-l14-linearMSE.pth`, or a `.safetensors` file with its names.
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.

    Returns:
        A reward, about 1 to 10 with the released weights.

    Raises:
        RewardError: a folder or file is missing, holds something else, or does not fit the other.
    """
    model = load_clip("aesthetic", path, CLIP, device)
    seen = load_image_processor("aesthetic", path, CLIP)
    layers = under(read_weights("aesthetic", head, HEAD), "layers.")
    width = model.config.projection_dim
    stack = linear_stack("aesthetic", layers, width, head, HEAD).to(model.device)

    def score(images: list[Image.Image], _texts: list[str]) -> Tensor:
        return stack(embed_images(model, seen(images=images, return_tensors="pt").pixel_values))[:, 0]

    return in_batches("aesthetic", batch, score)
