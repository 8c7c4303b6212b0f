"""The doctor of a language model: clean on a sound run, and each fault named."""

from __future__ import annotations

import torch

from burnish.cli import main
from burnish.recipes.load import load_recipe
from burnish.train import doctor_language
from burnish.train.doctor import diagnose
from burnish.types import Completion


def test_a_sound_run_is_looked_at_from_all_sides(language_run: list[str]) -> None:
    found = {f.check: f for f in diagnose(load_recipe(language_run[0], language_run[1:]))}
    for name in (
        "pictures are in the batch",
        "placeholders are never sampled",
        "padding does not matter",
        "sampling is what is scored",
        "ratio is one before the update",
        "weights move",
    ):
        assert found[name].ok, found[name].message
    assert not found["completions end"].ok  # eight tokens of random letters
    assert "model.max_new_tokens" in found["completions end"].message


def test_the_bundled_reader_passes(capsys) -> None:
    words = ["scenes-vqa", "sampling.prompts_per_step=8", "sampling.group_size=4", "data.limit=40"]
    assert main(["doctor", *words]) == 0
    assert "FAULT" not in capsys.readouterr().out


def test_form_alone_is_seen() -> None:
    assert not doctor_language.not_form_alone({"reward/think_answer": 1.0, "reward/exact": 0.0}).ok
    assert doctor_language.not_form_alone({"reward/think_answer": 1.0, "reward/exact": 0.1}).ok
    assert doctor_language.not_form_alone({"reward/exact": 0.0}).ok


def test_canaries_sing() -> None:
    outputs = [Completion("a " * n, n) for n in (3, 9, 20, 40)]
    assert not doctor_language.length_pays_not(outputs, torch.tensor([0.1, 0.3, 0.6, 1.0])).ok
    assert doctor_language.length_pays_not(outputs, torch.tensor([0.6, 0.1, 1.0, 0.3])).ok
    assert not doctor_language.repetition(outputs).ok
    assert doctor_language.repetition([Completion("one two three four five", 5)]).ok
    assert not doctor_language.truncation(0.5, 8).ok
    assert doctor_language.truncation(0.1, 8).ok
