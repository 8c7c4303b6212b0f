"""Architectures of published checkpoints as weightless folders: the sizes in their configuration files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import tiny

Sizes = dict[str, dict[str, Any]]

CLIP_L = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 49408, "max_position_embeddings": 77, "projection_dim": 768,
}  # fmt: skip
CLIP_G = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "vocab_size": 49408, "max_position_embeddings": 77, "projection_dim": 1280,
}  # fmt: skip
T5_XXL = {"d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_layers": 24, "num_heads": 64, "vocab_size": 32128,
          "feed_forward_proj": "gated-gelu", "is_gated_act": True}  # fmt: skip
VAE = {
    "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2, "norm_num_groups": 32,
    "sample_size": 1024, "mid_block_add_attention": True,
}  # fmt: skip

FLUX_DEV: Sizes = {
    "transformer": {
        "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128, "num_attention_heads": 24,
        "joint_attention_dim": 4096, "pooled_projection_dim": 768, "in_channels": 64, "guidance_embeds": True,
        "axes_dims_rope": [16, 56, 56],
    },
    "text_encoder": CLIP_L,
    "text_encoder_2": T5_XXL,
    "vae": VAE | {"latent_channels": 16},
}  # fmt: skip
SD35_MEDIUM: Sizes = {
    "transformer": {
        "num_layers": 24, "attention_head_dim": 64, "num_attention_heads": 24, "joint_attention_dim": 4096,
        "caption_projection_dim": 1536, "pooled_projection_dim": 2048, "in_channels": 16, "out_channels": 16,
        "pos_embed_max_size": 384, "sample_size": 128, "dual_attention_layers": list(range(13)),
        "qk_norm": "rms_norm",
    },
    "text_encoder": CLIP_L,
    "text_encoder_2": CLIP_G,
    "text_encoder_3": T5_XXL,
    "vae": VAE | {"latent_channels": 16},
}  # fmt: skip
SD14: Sizes = {
    "unet": {
        "sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "cross_attention_dim": 768, "attention_head_dim": 8, "norm_num_groups": 32,
    },
    "text_encoder": CLIP_L,
    "vae": VAE | {"latent_channels": 4, "sample_size": 512},
}  # fmt: skip
QWEN_IMAGE: Sizes = {
    "transformer": {
        "num_layers": 60, "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 3584,
        "in_channels": 64, "out_channels": 16, "axes_dims_rope": [16, 56, 56],
    },
    "vae": {"base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2,
            "temperal_downsample": [False, True, True],
            "latents_mean": [0.0] * 16, "latents_std": [1.0] * 16},
}  # fmt: skip
QWEN_TEXT = {
    "text_config": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
    },
    "vision_config": {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
}  # fmt: skip
Z_IMAGE: Sizes = {
    "transformer": {
        "in_channels": 16, "dim": 3840, "n_layers": 30, "n_refiner_layers": 2, "n_heads": 30,
        "n_kv_heads": 30, "cap_feat_dim": 2560, "axes_dims": [32, 48, 48], "axes_lens": [1024, 512, 512],
    },
    "text_encoder": {
        "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    },
    "vae": VAE | {"latent_channels": 16},
}  # fmt: skip
ARCHITECTURES: dict[str, tuple[str, Sizes]] = {
    "FLUX.1-dev": ("flux", FLUX_DEV),
    "stable-diffusion-3.5-medium": ("sd3", SD35_MEDIUM),
    "stable-diffusion-v1-4": ("sd", SD14),
    "Qwen-Image": ("qwen", QWEN_IMAGE),
    "Z-Image": ("zimage", Z_IMAGE),
}
"""name -> (tiny pipeline of the same class, sizes that replace its own)."""


def save(name: str, folder: Path) -> str:
    """A folder with the configuration files of `name`, tiny tokenizers, and no weight."""
    kind, sizes = ARCHITECTURES[name]
    tiny.save(kind, folder)
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    if name == "Qwen-Image":
        sizes = sizes | {"text_encoder": QWEN_TEXT}
    for part, values in sizes.items():
        path = folder / part / "config.json"
        kept = json.loads(path.read_text())
        for key, value in values.items():
            kept[key] = kept[key] | value if isinstance(kept.get(key), dict) else value
        for key in ("layer_types", "block_out_channels") if part.startswith("text") else ():
            kept.pop(key, None)
            kept.get("text_config", {}).pop(key, None)
        path.write_text(json.dumps(kept))
    return str(folder)


def shallower(folder: str, target: Path, **sizes: dict[str, int]) -> str:
    """The same folder with some numbers lowered, for tests that need the width only."""
    shutil.copytree(folder, target)
    for part, values in sizes.items():
        path = target / part / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return str(target)
