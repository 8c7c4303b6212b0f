"""Tiny random pipelines of every supported class, saved in the hub's own folder formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
)

from burnish.scenes import models
from burnish.scenes.grammar import balanced

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def corpus() -> list[str]:
    return list(balanced("train"))


def qwen_tokenizer() -> Qwen2Tokenizer:
    """A byte-level BPE of the grammar, with the chat markers."""
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        corpus(), BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    tokenizer = Qwen2Tokenizer(vocab=bpe.get_vocab(False), merges=merges, model_max_length=1024)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIALS[1:]})
    tokenizer.chat_template = CHAT
    return tokenizer


def clip_config(tokenizer: Any, **more: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=models.TEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )


def autoencoder(channels: int = 4, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        sample_size=32,
        mid_block_add_attention=False,
        **more,
    )


def sd3() -> StableDiffusion3Pipeline:
    clip, t5 = models.tokenizers(corpus())
    text = [CLIPTextModelWithProjection(clip_config(clip, projection_dim=32)) for _ in range(2)]
    config = T5Config(
        vocab_size=len(t5), d_model=64, d_kv=32, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=64,
        caption_projection_dim=32,
        pooled_projection_dim=64,
        out_channels=4,
        pos_embed_max_size=16,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer, FlowMatchEulerDiscreteScheduler(shift=3.0),
        autoencoder(scaling_factor=1.5, shift_factor=0.1), text[0], clip, text[1], clip,
        T5EncoderModel(config), t5,
    )  # fmt: skip


def qwen_image() -> QwenImagePipeline:
    tokenizer = qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
    }
    vision = {
        "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
        "fullatt_block_indexes": [0],
    }  # fmt: skip
    encoder = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.0, 2.0, 0.5, 1.5],
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
    )
    return QwenImagePipeline(scheduler, vae, encoder, tokenizer, transformer)


def z_image() -> ZImagePipeline:
    tokenizer = qwen_tokenizer()
    encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=3,
            num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        )
    )  # fmt: skip
    transformer = ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=32,
        axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    vae = autoencoder(scaling_factor=0.4, shift_factor=0.1)
    return ZImagePipeline(scheduler, vae, encoder, tokenizer, transformer)


def sd(prediction: str = "epsilon", **more: Any) -> StableDiffusionPipeline:
    clip, _ = models.tokenizers(corpus())
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=4,
    )
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction,
        steps_offset=1, skip_prk_steps=True, **more,
    )  # fmt: skip
    return StableDiffusionPipeline(
        autoencoder(scaling_factor=0.2), CLIPTextModel(clip_config(clip)), clip, unet, scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def flux() -> Any:
    return models.pipeline(models.SIZES["tiny"], corpus(), models.vae((8, 16, 16)), seed=0)


PIPELINES: dict[str, Callable[[], Any]] = {
    "flux": flux,
    "sd3": sd3,
    "qwen": qwen_image,
    "zimage": z_image,
    "sd": sd,
    "sd_v": lambda: sd("v_prediction"),
}


def drawn(
    pipe: Any, name: str, texts: list[str], noise: torch.Tensor, steps: int, scale: float | None
) -> np.ndarray:
    """What diffusers itself draws at 32 × 32 pixels, called as its users call it: [B, H, W, 3], 0 to 255."""
    if hasattr(pipe, "unet"):
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    options: dict[str, Any] = {} if scale is None else {"guidance_scale": scale}
    if name == "qwen":
        options = {"true_cfg_scale": scale, "negative_prompt": [" "] * len(texts)}
    if name in ("flux", "sd3"):
        options["max_sequence_length"] = models.TEXT_TOKENS
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        list(texts),
        height=32,
        width=32,
        num_inference_steps=steps,
        latents=noise,
        output_type="np",
        **options,
    ).images
    return images * 255


def save(name: str, folder: Path) -> str:
    """Builds the pipeline `name` with weights that all matter, and saves it."""
    torch.manual_seed(0)
    pipe = PIPELINES[name]()
    denoiser = pipe.transformer if hasattr(pipe, "transformer") else pipe.unet
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():  # zero-initialised gates would hide the blocks behind them
        for parameter in denoiser.parameters():
            if parameter.abs().max() == 0:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    pipe.save_pretrained(folder)
    return str(folder)
