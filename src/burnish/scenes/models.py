"""The bundled models: genuine `FluxPipeline`s of a few million parameters, in the hub's folder format.

They are built from the same classes as FLUX.1-dev (`FluxTransformer2DModel`, `AutoencoderKL`,
`CLIPTextModel`, `T5EncoderModel`, `FlowMatchEulerDiscreteScheduler`) and load through the same lines.
Only sizes differ; the tokenizers are trained on the grammar's prompts.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from burnish.errors import ModelError

PIXELS = 32
TEXT_TOKENS = 16
LATENT_CHANNELS = 6
BUNDLED = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Size:
    """Widths and depths of one model, and the side of its pictures; a head is 32 wide."""

    heads: int
    double_blocks: int
    single_blocks: int
    text_width: int
    text_layers: int
    pixels: int = PIXELS


SIZES = {
    "tiny": Size(1, 1, 1, 32, 1),
    "mini": Size(2, 2, 3, 64, 1),
    "small": Size(4, 2, 4, 96, 2),
    "base": Size(5, 3, 4, 96, 2),
    "large": Size(12, 4, 8, 192, 2, pixels=64),  # 42 M parameters in all: for a GPU
}


def bundled(name: str) -> Path:
    """Folder of a bundled model, such as `scenes-small`.

    Raises:
        ModelError: no bundled model has that name.
    """
    folder = BUNDLED / name.removeprefix("scenes-")
    if not any((folder / name).is_file() for name in ("model_index.json", "config.json")):
        known = sorted(f"scenes-{path.name}" for path in BUNDLED.iterdir() if path.is_dir())
        raise ModelError(f"there is no bundled model {name!r}; bundled are {', '.join(known) or 'none'}")
    return folder


def tokenizers(texts: list[str]) -> tuple[Any, Any]:
    """CLIP and T5 tokenizers trained on `texts`, `TEXT_TOKENS` long at most.

    CLIP's is a byte-level BPE; T5's a unigram model of whole words (score: log frequency) that falls back
    to single characters for words it has not met.
    """
    from tokenizers import pre_tokenizers
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer, T5Tokenizer

    specials, alphabet = ["<|startoftext|>", "<|endoftext|>"], sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = CLIPTokenizer().backend_tokenizer
    bpe.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=768,
            special_tokens=specials,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )
    merges: Any = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    merged = ["".join(pair) for pair in merges]
    ends = sorted({*bpe.get_vocab(False)} - {*specials, *alphabet, *merged})  # the trainer's order is chance
    numbers = {token: number for number, token in enumerate([*specials, *alphabet, *ends, *merged])}
    clip = CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=TEXT_TOKENS)
    words = Counter(word for text in texts for word in text.split())
    total = sum(words.values())
    vocab: list[tuple[str, float]] = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(f"▁{word}", math.log(count / total)) for word, count in sorted(words.items())]
    vocab += [(character, -20.0) for character in ["▁", *map(chr, range(33, 127))]]
    return clip, T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=TEXT_TOKENS)


def vae(channels: tuple[int, ...] = (16, 32, 64), pixels: int = PIXELS) -> Any:
    """An `AutoencoderKL` of square pictures; latents are a quarter as wide and have `LATENT_CHANNELS`."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=2,
        sample_size=pixels,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def autoencoder_of(name: str) -> Any:
    """The trained autoencoder of a bundled model, float32 and frozen; models that share it draw alike.

    Raises:
        ModelError: no bundled model has that name, or it draws nothing.
    """
    from diffusers import AutoencoderKL

    folder = bundled(name) / "vae"
    if not folder.is_dir():
        raise ModelError(f"{name} makes no images, so it has no autoencoder: take scenes-small")
    loaded: Any = AutoencoderKL.from_pretrained(folder, dtype=torch.float32)
    copy = vae(tuple(loaded.config.block_out_channels))  # its configuration names no folder
    copy.load_state_dict(loaded.state_dict())
    factors = {key: loaded.config[key] for key in ("scaling_factor", "shift_factor")}
    copy.register_to_config(**factors)
    return copy.eval().requires_grad_(False)


def pipeline(size: Size, texts: list[str], autoencoder: Any, seed: int) -> Any:
    """A `FluxPipeline` with fresh weights around a trained autoencoder.

    Args:
        size: a row of `SIZES`.
        texts: prompts the tokenizers are trained on.
        autoencoder: from `vae()`.
        seed: of the initial weights.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    torch.manual_seed(seed)
    clip_tokenizer, t5_tokenizer = tokenizers(texts)
    width, layers = size.text_width, size.text_layers
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip_tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            max_position_embeddings=TEXT_TOKENS,
            bos_token_id=clip_tokenizer.bos_token_id,
            eos_token_id=clip_tokenizer.eos_token_id,
            pad_token_id=clip_tokenizer.pad_token_id,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer),
            d_model=width,
            d_kv=32,
            d_ff=2 * width,
            num_layers=layers,
            num_heads=width // 32,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * LATENT_CHANNELS,
        num_layers=size.double_blocks,
        num_single_layers=size.single_blocks,
        attention_head_dim=32,
        num_attention_heads=size.heads,
        joint_attention_dim=width,
        pooled_projection_dim=width,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )
    initialise(transformer)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=2.0, use_dynamic_shifting=False)
    return FluxPipeline(scheduler, autoencoder, clip, clip_tokenizer, t5, t5_tokenizer, transformer)


def initialise(transformer: Any) -> None:
    """Weights to train from: every block starts as the identity (adaLN-Zero, 2212.09748, §3.2)."""
    for name, module in transformer.named_modules():
        if isinstance(module, torch.nn.Linear):
            if ".norm" in name or name.startswith(("norm_out", "proj_out")):
                torch.nn.init.zeros_(module.weight)
            else:
                torch.nn.init.xavier_uniform_(module.weight)
            torch.nn.init.zeros_(module.bias)
