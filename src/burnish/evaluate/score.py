"""`burnish score`: any reward over a folder of pictures with prompts, or over a run's base and tuned model.

A picture's prompt stands in `prompts.jsonl` beside it (`{"file": …, "prompt": …, …}`, as `burnish sample`
writes it; further fields are the reward's columns), or in a text file of the same name. Pictures of one
prompt and size are a group.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from burnish.errors import DataError
from burnish.evaluate.evaluate import ROWS, evaluation_set, load_weights, means, measure, open_model
from burnish.recipes.load import load_recipe
from burnish.rewards.reward import load_rewards
from burnish.types import Prompt

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def score_folder(folder: Path, rewards: list[str]) -> list[dict[str, Any]]:
    """One row a picture: `file`, `prompt`, and each reward's score (None where it could not be scored).

    Raises:
        DataError: no pictures, a picture without a prompt, a prompt without a picture, a broken file.
    """
    pairs = find_pairs(folder)
    scorer = load_rewards(rewards)
    most = max(Counter(prompt.text for _, prompt in pairs).values())
    scorer.check_groups(most, "score a folder with several pictures of a prompt")
    rows: list[dict[str, Any]] = [{"file": path.name, "prompt": prompt.text} for path, prompt in pairs]
    sizes: dict[tuple[int, ...], list[int]] = {}
    pictures = [_read(path) for path, _ in pairs]
    for number, picture in enumerate(pictures):
        sizes.setdefault(picture.shape, []).append(number)
    for which in sizes.values():
        prompts = [pairs[i][1] for i in which]
        stack = np.stack([pictures[i] for i in which])
        scores = scorer.score(stack, prompts, [prompt.text for prompt in prompts])
        for name, values in scores.by_name.items():
            for i, value in zip(which, values.tolist(), strict=True):
                rows[i][name] = value if value == value else None
    return rows


def score_run(run: Path, rewards: list[str]) -> list[dict[str, Any]]:
    """A run's base and tuned model on its own evaluation prompts and noise, as `evaluate_model` rows."""
    settings = load_recipe(str(run)).evaluation
    scorer = load_rewards(rewards)
    scorer.check_groups(settings.group_size, "give `burnish evaluate RUN --group-size` of at least 2")
    chosen = evaluation_set(settings.prompts, settings.count, settings.seed, settings.group_size)
    policy, rows = open_model(str(run), "auto", base=True), []
    for base in (True, False):
        if not base:
            load_weights(policy, run)
        _, scores = measure(policy, chosen, scorer, steps=settings.steps, rows=ROWS)
        rows.append({"model": str(run), "base": base, **means(chosen, scores)})
    return rows


def find_pairs(folder: Path) -> list[tuple[Path, Prompt]]:
    """The folder's pictures with their prompts, in order of file name."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one with pictures and prompts.jsonl, or a run")
    listing = folder / "prompts.jsonl"
    if listing.is_file():
        return _listed(folder, listing)
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not paths:
        raise DataError(f"{folder} holds neither prompts.jsonl nor pictures ({', '.join(PICTURES)})")
    pairs = []
    for path in paths:
        text = path.with_suffix(".txt")
        if not text.is_file():
            raise DataError(f"{path} has no prompt: write {text.name} beside it, or a prompts.jsonl")
        pairs.append((path, Prompt(text.read_text(encoding="utf-8").strip())))
    return pairs


def _listed(folder: Path, listing: Path) -> list[tuple[Path, Prompt]]:
    pairs = []
    for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            path, text = folder / row.pop("file"), row.pop("prompt")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f'{listing}, line {number}: write {{"file": …, "prompt": …}}') from None
        if not path.is_file():
            raise DataError(f"{listing}, line {number}: there is no {path}")
        pairs.append((path, Prompt(str(text), row)))
    if not pairs:
        raise DataError(f"{listing} is empty")
    return pairs


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:
        raise DataError(f"{path} is not a readable picture ({problem})") from None


def summary(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Mean, standard error, count and unscored count of each reward."""
    found = []
    for name in names:
        values = np.array([row[name] for row in rows if row[name] is not None])
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        mean = float(values.mean()) if len(values) else None
        found.append(
            {
                "reward": name,
                "mean": mean,
                "se": error,
                "count": len(values),
                "unscored": len(rows) - len(values),
            }
        )
    return found
