"""`burnish scenes pretrain`: builds a bundled model from nothing: scenes, autoencoder, flow transformer.

1. scenes of the `train` split are rendered (never a held-out composition);
2. the `AutoencoderKL` learns to reconstruct them; its latents are scaled to unit variance;
3. the text encoders, which FLUX takes pre-trained, learn to name what a prompt asks for;
4. transformer and text encoders learn the rectified flow x_t = (1−t)·x_0 + t·ε, target ε − x_0
   (Liu et al., 2209.03003), t drawn towards noise (Esser et al., 2403.03206, §5.3.2), where layout and colour
   are decided, with a constant learning rate, so a snapshot at step k equals a run of k steps;
5. the exponential average of the weights is saved as float16 in the hub's folder format.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.errors import RecipeError
from burnish.scenes import models
from burnish.scenes.grammar import COLORS, RELATIONS, SHAPES, SIZES, parse, prompts, sample
from burnish.scenes.renderer import layout, render

BLOCK = 1000
SHIFT = 3.0
"""Times of training are drawn as SHIFT·u / (1 + (SHIFT − 1)·u), u uniform."""

CARD = """---
library_name: diffusers
pipeline_tag: text-to-image
license: apache-2.0
---
# burnish scenes, {size}

A `FluxPipeline` of {parameters:.1f} M parameters in all, trained from nothing on rendered scenes of coloured
shapes. It exists to study reinforcement-learning post-training in minutes: it draws {pixels}×{pixels}
pictures of prompts like "a red circle left of a blue star" and is often wrong.

- strict accuracy, 10 ODE steps, 512 prompts: {strict_test:.3f} (trained compositions, unseen prompts),
  {strict_ood:.3f} (compositions never trained on); float32 weights before rounding to float16
- trained by `{command}`; the seed fixes data and initial weights, bits differ between machines
- use: `FluxPipeline.from_pretrained(folder, dtype=torch.float32)`, then
  `pipe("a red circle", height={pixels}, width={pixels}, num_inference_steps=10, max_sequence_length=16)`
"""


def render_block(seed: int, side: int = models.PIXELS) -> tuple[np.ndarray, list[str]]:
    """`BLOCK` training scenes: uint8 [BLOCK, side, side, 3] and their prompts."""
    rng = np.random.default_rng([seed, 20_631])
    texts = [sample(rng, "train") for _ in range(BLOCK)]
    images = [render(layout(parse(text), rng, allow_held_out=False), side) for text in texts]
    return np.stack(images), texts


def render_scenes(count: int, seed: int, workers: int, side: int) -> tuple[Tensor, list[str]]:
    """`count` images as uint8 [count, 3, side, side], with prompts; the same for any number of workers."""
    seeds = [seed * 1_000_000 + block for block in range(-(-count // BLOCK))]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        blocks = list(pool.map(partial(render_block, side=side), seeds))
    images = torch.from_numpy(np.concatenate([block[0] for block in blocks])[:count])
    return images.permute(0, 3, 1, 2).contiguous(), [text for block in blocks for text in block[1]][:count]


def pixels(images: Tensor) -> Tensor:
    """uint8 to float in [−1, 1]."""
    return images.float() / 127.5 - 1


def train_autoencoder(images: Tensor, steps: int, seed: int, lr: float = 2e-3) -> Any:
    """The autoencoder, with `scaling_factor` and `shift_factor` set from its latents.

    Loss: absolute error, weighted up at edges, plus a little KL.
    """
    torch.manual_seed(seed)
    vae = models.vae(pixels=images.shape[-1]).to(images.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    started = time.time()
    for step in range(1, steps + 1):
        rows = torch.randint(len(images), (32,)).to(images.device)
        x = pixels(images[rows]).to(memory_format=torch.channels_last)
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
        edge = (x - torch.nn.functional.avg_pool2d(x, 5, 1, 2)).abs().amax(1, keepdim=True)
        loss = ((y - x).abs() * (1 + 4 * edge)).mean() + 2e-6 * posterior.kl().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps:
            error = (y - x).square().mean().item() / 4
            psnr = -10 * np.log10(error)
            print(
                f"autoencoder {step}/{steps}  psnr {psnr:.1f} dB  {time.time() - started:.0f} s", flush=True
            )
    vae.eval().requires_grad_(False)
    latents = encode(vae, images[:4000], raw=True)
    shift, scale = latents.mean().item(), 1 / latents.std().item()
    vae.register_to_config(scaling_factor=round(scale, 5), shift_factor=round(shift, 5))
    return vae


@torch.no_grad()
def encode(vae: Any, images: Tensor, raw: bool = False) -> Tensor:
    """Latent means [N, C, side / 4, side / 4], scaled to unit variance unless `raw`."""
    means = [vae.encode(pixels(part)).latent_dist.mean for part in images.split(1000)]
    latents = torch.cat(means)
    return latents if raw else (latents - vae.config.shift_factor) * vae.config.scaling_factor


def embed(pipe: Any, clip_ids: Tensor, t5_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled CLIP [B, D] and T5 [B, L, D] embeddings, as `FluxPipeline.encode_prompt` computes them."""
    return pipe.text_encoder(clip_ids).pooler_output, pipe.text_encoder_2(t5_ids)[0]


def tokenize(pipe: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    """CLIP and T5 token ids [N, TEXT_TOKENS], padded as the pipeline pads."""
    options = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
    clip = pipe.tokenizer(texts, max_length=models.TEXT_TOKENS, **options).input_ids
    return clip, pipe.tokenizer_2(texts, max_length=models.TEXT_TOKENS, **options).input_ids


def slots(text: str) -> list[int]:
    """What a prompt asks for, as classes: shape, colour, size of two things, count, relation; 0 is "none"."""
    scene = parse(text)
    first, second = (*scene.things, None)[:2]
    named = [
        (known, getattr(thing, kind, None))
        for thing in (first, second)
        for known, kind in ((SHAPES, "shape"), (COLORS, "color"), (SIZES, "size"))
    ]
    classes = [known.index(value) + 1 if value else 0 for known, value in named]
    return [*classes, scene.things[0].count, RELATIONS.index(scene.relation) + 1 if scene.relation else 0]


def train_text(pipe: Any, texts: list[str], settings: argparse.Namespace) -> None:
    """Both text encoders by linear probes: CLIP's pooled state and T5's mean state must tell every slot."""
    torch.manual_seed(settings.seed + 2)
    device = settings.device
    clip_ids, t5_ids = (ids.to(device) for ids in tokenize(pipe, texts))
    target = torch.tensor([slots(text) for text in texts], device=device)
    classes = (target.amax(0) + 1).tolist()
    encoders = (pipe.text_encoder.to(device).train(), pipe.text_encoder_2.to(device).train())
    heads = [torch.nn.Linear(part.config.hidden_size, sum(classes)).to(device) for part in encoders]
    parameters = [p for module in (*encoders, *heads) for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    for step in range(1, settings.text_steps + 1):
        rows = torch.randint(len(texts), (128,), device=device)
        pooled, sequence = embed(pipe, clip_ids[rows], t5_ids[rows])
        guesses = [heads[0](pooled).split(classes, 1), heads[1](sequence.mean(1)).split(classes, 1)]
        loss = torch.stack(
            [
                torch.nn.functional.cross_entropy(guess, target[rows, slot])
                for each in guesses
                for slot, guess in enumerate(each)
            ]
        ).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 200 == 0:
            print(f"text {step}/{settings.text_steps}  loss {loss.item():.4f}", flush=True)


def train_flow(pipe: Any, latents: Tensor, texts: list[str], settings: argparse.Namespace, save: Any) -> None:
    """Transformer and text encoders by conditional flow matching; calls `save(step)` at every snapshot."""
    device = latents.device
    unique = sorted(set(texts))
    index = {text: i for i, text in enumerate(unique)}
    which = torch.tensor([index[text] for text in texts], device=device)
    clip_ids, t5_ids = (ids.to(device) for ids in tokenize(pipe, unique))
    packed = pipe._pack_latents(latents, *latents.shape)
    side = latents.shape[-1] // 2
    image_ids = pipe._prepare_latent_image_ids(1, side, side, device, torch.float32)
    text_ids = torch.zeros(t5_ids.shape[1], 3, device=device)
    parts = (pipe.transformer, pipe.text_encoder, pipe.text_encoder_2)
    parameters = [p for part in parts for p in part.to(device).train().requires_grad_(True).parameters()]
    averaged = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=0.01, betas=(0.9, 0.99))
    transformer = torch.compile(pipe.transformer) if settings.compile else pipe.transformer
    torch.manual_seed(settings.seed + 1)
    started, running = time.time(), torch.zeros((), device=device)
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1.0, step / 300)
        rows = torch.randint(len(packed), (settings.batch,), device=device)
        x0, noise = packed[rows], torch.randn_like(packed[rows])
        t = torch.rand(len(rows), device=device)
        t = SHIFT * t / (1 + (SHIFT - 1) * t)
        pooled, sequence = embed(pipe, clip_ids[which[rows]], t5_ids[which[rows]])
        velocity = transformer(
            hidden_states=(1 - t)[:, None, None] * x0 + t[:, None, None] * noise,
            timestep=t,
            pooled_projections=pooled,
            encoder_hidden_states=sequence,
            txt_ids=text_ids,
            img_ids=image_ids,
            return_dict=False,
        )[0]
        loss = (velocity - (noise - x0)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        decay = min(0.999, step / (step + 20))
        torch._foreach_lerp_(averaged, [p.detach() for p in parameters], 1 - decay)
        running.lerp_(loss.detach(), 0.01)
        if step % 200 == 0:
            rate = step / (time.time() - started)
            left = (settings.steps - step) / rate
            print(
                f"flow {step}/{settings.steps}  loss {running.item():.4f}  {rate:.1f}/s  left {left:.0f} s",
                flush=True,
            )
        if step % settings.every == 0 or step == settings.steps:
            live = [p.detach() for p in parameters]
            weights = [p.clone() for p in live]
            torch._foreach_copy_(live, averaged)
            save(step)
            torch._foreach_copy_(live, weights)


@torch.no_grad()
def strict_score(pipe: Any, count: int = 512, seed: int = 1234, split: Any = "test") -> float:
    """Share of `count` prompts of `split` whose 10-step ODE sample satisfies every requirement."""
    from burnish.scenes.verifier import verify

    rng = np.random.default_rng(seed)
    texts = [sample(rng, split) for _ in range(count)]
    images = draw_samples(pipe, texts, seed)
    return float(np.mean([verify(image, text).strict for image, text in zip(images, texts, strict=True)]))


@torch.no_grad()
def draw_samples(pipe: Any, texts: list[str], seed: int, steps: int = 10) -> list[np.ndarray]:
    """uint8 images [side, side, 3] by the pipeline itself."""
    pipe.set_progress_bar_config(disable=True)
    out = pipe(
        texts,
        height=pipe.vae.config.sample_size,
        width=pipe.vae.config.sample_size,
        num_inference_steps=steps,
        max_sequence_length=models.TEXT_TOKENS,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    )
    return list((out.images * 255).round().astype(np.uint8))


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line of `burnish scenes pretrain`."""
    parser = argparse.ArgumentParser(prog="burnish scenes pretrain", description=__doc__)
    parser.add_argument("--size", choices=sorted(models.SIZES), default="small")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=60_000, help="rendered training images")
    parser.add_argument("--autoencoder-steps", type=int, default=1500)
    parser.add_argument("--autoencoder", help="take that of a bundled model instead of training one")
    parser.add_argument("--text-steps", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=6000, help="flow-matching steps")
    parser.add_argument("--every", type=int, default=10**9, help="steps between snapshots OUT/step_N")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--compile", action="store_true", help="torch.compile: pays on long trainings")
    parser.add_argument("--workers", type=int, default=2, help="rendering processes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Builds, trains, scores and saves one model; returns the exit code."""
    settings = arguments(argv)
    if settings.out.exists() and any(settings.out.iterdir()):
        raise RecipeError(f"{settings.out} is not empty; choose another --out or empty it")
    size = models.SIZES[settings.size]
    taken = models.autoencoder_of(settings.autoencoder).to(settings.device) if settings.autoencoder else None
    if taken and taken.config.sample_size != size.pixels:
        raise RecipeError(
            f"--autoencoder {settings.autoencoder} is of {taken.config.sample_size} pixels, "
            f"--size {settings.size} of {size.pixels}: leave --autoencoder out"
        )
    images, texts = render_scenes(settings.scenes, settings.seed, settings.workers, size.pixels)
    images = images.to(settings.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    vae = taken or train_autoencoder(images, settings.autoencoder_steps, settings.seed)
    latents = encode(vae, images)
    corpus = [text for split in ("train", "test", "ood") for text in prompts(split)]
    pipe = models.pipeline(size, corpus, vae, settings.seed).to(settings.device)

    train_text(pipe, prompts("train"), settings)

    def save(step: int) -> None:
        last = step == settings.steps
        folder = settings.out if last else settings.out / f"step_{step}"
        facts = {
            "step": step,
            **{f"strict_{split}": strict_score(pipe, split=split) for split in ("test", "ood")},
        }
        print(json.dumps(facts), flush=True)
        save_half(pipe, folder)
        described = {**facts, "parameters": count_parameters(pipe), "command": command(settings, step)}
        (folder / "training.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(
            CARD.format(size=settings.size, pixels=size.pixels, **described), encoding="utf-8"
        )

    train_flow(pipe, latents, texts, settings, save)
    return 0


def count_parameters(pipe: Any) -> float:
    """Millions of parameters of all parts."""
    parts = (part for part in pipe.components.values() if isinstance(part, torch.nn.Module))
    return sum(p.numel() for part in parts for p in part.parameters()) / 1e6


def command(settings: argparse.Namespace, step: int) -> str:
    """The command that trains this snapshot."""
    autoencoder = "autoencoder" if settings.autoencoder else "autoencoder_steps"
    names = ("size", "seed", "scenes", autoencoder, "text_steps", "batch", "lr")
    words = [f"--{name.replace('_', '-')} {getattr(settings, name)}" for name in names]
    return f"burnish scenes pretrain --out FOLDER --steps {step} {' '.join(words)}"


def save_half(pipe: Any, folder: Path) -> None:
    """`pipe.save_pretrained` with float16 weights; `pipe` itself stays as it is."""
    import copy

    parts = {name: copy.deepcopy(part) for name, part in pipe.components.items()}
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.to("cpu", torch.float16)
    type(pipe)(**parts).save_pretrained(folder)
