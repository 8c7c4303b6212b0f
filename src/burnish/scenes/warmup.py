"""`burnish scenes read`: teaches the embedded reader enough for rewards to tell its answers apart.

Supervised learning on questions whose answers the layout gives, from random weights. In the last steps many
rows carry the answer of another question, as careless data does: the model sees what it should but answers
wrongly about half of the time, and reinforcement learning does the rest.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from burnish.errors import RecipeError
from burnish.scenes import reader
from burnish.scenes.questions import TASKS, Question, questions

CARD = """---
library_name: transformers
pipeline_tag: image-text-to-text
---

# scenes-reader

A Qwen2.5-VL of {parameters:.2f} M parameters that answers questions about rendered scenes, some of them
wrongly on purpose: it is where reinforcement fine-tuning begins. Trained from random weights by

    {command}

Its likeliest answers are right in these shares: {accuracy}.
"""

CARELESS = 0.2
"""Share of the steps, at the end, whose rows are spoiled."""


class Asked(Protocol):
    """A question about a picture."""

    @property
    def text(self) -> str:
        """In words."""
        ...

    def image(self) -> Image.Image:
        """The picture."""
        ...


def encode(batch: Sequence[Any], words: Any, pictures: Any, *, answered: bool) -> dict[str, Tensor]:
    """Inputs of the model: padded on the right with `labels`, or on the left to be answered."""
    made = pictures(images=[question.image() for question in batch], return_tensors="pt")
    tokens = int(made["image_grid_thw"][0].prod()) // reader.MERGE**2
    pad = words.convert_tokens_to_ids("<|image_pad|>")
    asked, answers = [], []
    for question in batch:
        content = [{"type": "image"}, {"type": "text", "text": question.text}]
        text = words.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        ids = words(text, add_special_tokens=False)["input_ids"]
        asked.append([n for i in ids for n in ([i] * tokens if i == pad else [i])])
        target = question.target + reader.END if answered else ""
        answers.append(words(target, add_special_tokens=False)["input_ids"])

    def batched(rows: list[list[int]], fill: int) -> Tensor:
        side = "right" if answered else "left"
        tensors = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, True, fill, padding_side=side)

    rows = [a + b for a, b in zip(asked, answers, strict=True)]
    inputs = {
        "input_ids": batched(rows, words.pad_token_id),
        "attention_mask": batched([[1] * len(row) for row in rows], 0),
        "pixel_values": made["pixel_values"],
        "image_grid_thw": made["image_grid_thw"],
    }
    inputs["mm_token_type_ids"] = (inputs["input_ids"] == pad).long()
    if answered:
        labels = [[-100] * len(a) + b for a, b in zip(asked, answers, strict=True)]
        inputs["labels"] = batched(labels, -100)
    return inputs


def spoiled(batch: list[Question], share: float, seed: int) -> list[Question]:
    """The batch with the answers of a share of its rows exchanged within their task: careless data."""
    rng = np.random.default_rng(seed)
    found = list(batch)
    for i, question in enumerate(batch):
        if rng.random() < share:
            same = [other.answer for other in batch if other.task == question.task]
            found[i] = replace(question, answer=same[rng.integers(len(same))])
    return found


@torch.no_grad()
def answers(model: Any, words: Any, pictures: Any, asked: Sequence[Asked], *, greedy: bool) -> list[str]:
    """The model's completions."""
    found: list[str] = []
    for start in range(0, len(asked), 64):
        inputs = encode(asked[start : start + 64], words, pictures, answered=False)
        inputs = {name: value.to(model.device) for name, value in inputs.items()}
        whole = model.generate(**inputs, max_new_tokens=48, do_sample=not greedy)
        found += words.batch_decode(whole[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def accuracy(
    model: Any, words: Any, pictures: Any, split: Any, count: int = 250, *, greedy: bool = True
) -> dict[str, float]:
    """Share of exactly right answers, for each task and as a whole (`all`)."""
    asked = questions(split, count, seed=1)
    said = answers(model, words, pictures, asked, greedy=greedy)
    right = [f"<answer> {q.answer}</answer>" in text for q, text in zip(asked, said, strict=True)]
    tasks = sorted({q.task for q in asked})
    shares = {}
    for task in tasks:
        mine = [ok for q, ok in zip(asked, right, strict=True) if q.task == task]
        shares[task] = sum(mine) / len(mine)
    return {**shares, "all": sum(right) / len(right)}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line of `burnish scenes read`."""
    parser = argparse.ArgumentParser(prog="burnish scenes read", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument(
        "--noise",
        type=float,
        default=0.7,
        help="share of rows with the answer of another question in the last fifth of the steps",
    )
    parser.add_argument("--every", type=int, default=150, help="steps between tests")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Builds, teaches, tests and saves the reader; returns the exit code."""
    settings = arguments(argv)
    if settings.out.exists() and any(settings.out.iterdir()):
        raise RecipeError(f"{settings.out} is not empty; choose another --out or empty it")
    sample = questions("train", 3000, seed=10_000)
    corpus = [text for q in sample for text in (q.text, q.target)]
    model, words, pictures = reader.build(corpus, settings.seed)
    model.to(settings.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.01)
    shown: dict[str, float] = {}
    began = time.perf_counter()
    for step in range(1, settings.steps + 1):
        batch = questions("train", settings.batch, seed=step + 10 * settings.steps * settings.seed)
        if step > settings.steps * (1 - CARELESS):
            batch = spoiled(batch, settings.noise, step)
        inputs = encode(batch, words, pictures, answered=True)
        warm, left = min(1.0, step / 100), min(1.0, 1.25 * (1 - step / (settings.steps + 1)))
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * warm * left
        loss = model(**{name: value.to(settings.device) for name, value in inputs.items()}).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % settings.every == 0 or step == settings.steps:
            model.eval()
            shown = accuracy(model, words, pictures, "test", 250, greedy=False)
            model.train()
            facts = {"step": step, "loss": round(loss.item(), 4), **shown}
            print(json.dumps({**facts, "seconds": round(time.perf_counter() - began)}), flush=True)
    save(model.eval(), words, pictures, settings)
    return 0


def save(model: Any, words: Any, pictures: Any, settings: argparse.Namespace) -> None:
    """Writes the model in float16, its tokenizer and image processor, what it can do, and a card."""
    splits = {
        f"{split}_{how}": accuracy(model, words, pictures, split, 500, greedy=how == "greedy")
        for split in ("test", "ood", "total")
        for how in ("greedy", "sampled")
    }
    names = ("seed", "steps", "noise", "every", "batch", "lr")
    command = f"burnish scenes read --out FOLDER {' '.join(f'--{n} {getattr(settings, n)}' for n in names)}"
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    facts = {"parameters": parameters, "command": command, "accuracy": splits}
    half = copy.deepcopy(model).to("cpu", torch.float16)
    for part in (half, words, pictures):
        part.save_pretrained(settings.out)
    (settings.out / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    words_of = ", ".join(f"{task} {splits['test_greedy'][task]:.0%}" for task in (*TASKS, "all"))
    (settings.out / "README.md").write_text(
        CARD.format(parameters=parameters, command=command, accuracy=words_of), encoding="utf-8"
    )
