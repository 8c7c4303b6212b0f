"""The estimate: exact where it can be checked, of the right size on the published architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import true_size

from burnish.cli import main
from burnish.errors import ModelError
from burnish.policies.load import load_policy
from burnish.recipes import load
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Lora, Model
from burnish.train.plan import measure_forward, measure_update, plan, skeleton

RECIPES = {
    "flux_dev_lora": ("FLUX.1-dev", 80, 11.90e9),
    "sd35_medium_lora": ("stable-diffusion-3.5-medium", 24, 2.243e9),
    "sd14_lora": ("stable-diffusion-v1-4", 24, 0.860e9),
    "qwen_image_lora": ("Qwen-Image", 141, 20.43e9),
    "z_image_lora": ("Z-Image", 80, 6.155e9),
}
"""Bundled recipe -> architecture, GB of the card it names, published parameters of the denoiser."""


@pytest.fixture(scope="module")
def shallow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """FLUX.1-dev's widths, a tenth as deep."""
    folder = tmp_path_factory.mktemp("flux")
    return true_size.shallower(
        true_size.save("FLUX.1-dev", folder / "whole"),
        folder / "shallow",
        transformer={"num_layers": 2, "num_single_layers": 4},
        text_encoder_2={"num_layers": 2},
    )


def recipe(path: str, *more: str) -> Any:
    return load_recipe("flux_dev_lora", [f"model.path={path}", "run.device=cpu", *more])


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_bundled_recipe_fits_the_card_it_names(name: str, tmp_path: Path) -> None:
    architecture, card, size = RECIPES[name]
    chosen = load_recipe(name, [f"model.path={true_size.save(architecture, tmp_path / 'model')}"])
    found = plan(chosen)
    denoiser = found.parameters.get("transformer") or found.parameters["unet"]
    assert denoiser == pytest.approx(size, rel=0.002)
    assert 0.002 * size < found.trained < 0.03 * size
    assert [phase.name for phase in found.phases] == ["encode", "sample", "decode", "train"]
    assert 2 * size / 1e9 < found.gigabytes < 0.95 * card
    source = Path(load.__file__).with_name(f"{name}.yaml").read_text().splitlines()[0]
    assert f"{card} GB" in source


def test_one_forward_costs_what_the_architecture_says(shallow: str) -> None:
    """Two operations a weight and token that meets it, and attention; 512 px are 32 × 32 patches."""
    backbone = skeleton(recipe(shallow, "model.lora=null").model)[1]
    text, image, wide, deep_double, deep_single = backbone.text_tokens, 32 * 32, 3072, 2, 4
    stream = 4 * wide**2 + 8 * wide**2  # q, k, v, out; the two of the MLP
    double = 2 * stream * (image + text)
    single = 2 * (3 * wide**2 + 4 * wide**2 + 5 * wide**2) * (image + text)
    attention = 4 * (image + text) ** 2 * wide
    expected = deep_double * (double + attention) + deep_single * (single + attention)
    assert measure_forward(backbone)[0] == pytest.approx(expected, rel=0.05)  # + modulation and embeddings


def test_checkpointing_trades_memory_for_operations(shallow: str) -> None:
    plain, recomputed = (
        measure_update(skeleton(settings)[1], settings)
        for settings in (recipe(shallow, f"model.gradient_checkpointing={on}").model for on in (False, True))
    )
    assert recomputed[0] > 1.2 * plain[0]
    assert recomputed[1] < 0.5 * plain[1]


def test_offloading_frees_the_other_networks(shallow: str) -> None:
    stay, leave = (plan(recipe(shallow, f"model.offload={on}")) for on in (False, True))
    by_name = [{phase.name: phase.gigabytes for phase in found.phases} for found in (stay, leave)]
    others = sum(count for name, count in stay.parameters.items() if name != "transformer")
    assert by_name[0]["train"] - by_name[1]["train"] == pytest.approx(2 * others / 1e9)
    assert by_name[1]["encode"] < by_name[0]["encode"]


@pytest.mark.parametrize("name", list(tiny.PIPELINES))
@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_the_skeleton_has_the_parameters_of_the_real_thing(
    name: str, lora: Lora | None, tmp_path: Path
) -> None:
    settings = Model(path=tiny.save(name, tmp_path), height=32, width=32, lora=lora)
    _, backbone = skeleton(settings)
    real = load_policy(settings, "cpu")
    trained = {n: p.shape for n, p in backbone.denoiser.named_parameters() if p.requires_grad}
    assert trained == {n: p.shape for n, p in real.parameters.items()}
    assert all(p.is_meta for p in backbone.denoiser.parameters())
    flops, kept = measure_update(backbone, settings)
    assert flops > measure_forward(backbone)[0] > 0
    assert kept > 0


def test_the_bytes_autograd_keeps_are_those_of_a_real_run(tmp_path: Path) -> None:
    """Counted on the real model by the same rule, unique storages, without its weights."""
    settings = Model(path=tiny.save("sd3", tmp_path), height=32, width=32)
    _, estimate = measure_update(skeleton(settings)[1], settings)
    policy = load_policy(settings, "cpu")
    weights = {p.untyped_storage().data_ptr() for p in policy.backbone.denoiser.parameters()}
    kept: dict[int, int] = {}
    alive = []

    def keep(value: torch.Tensor) -> torch.Tensor:
        alive.append(value)
        if value.untyped_storage().data_ptr() not in weights:
            kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    blank = {name: value[None] for name, value in policy.backbone.blank().items()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        policy.backbone.predict(torch.randn(1, *policy.backbone.latent_shape), torch.full((1,), 0.5), blank)
    assert estimate == pytest.approx(sum(kept.values()), rel=0.3)


def test_the_command_prints_three_tables(tiny_flux: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"model.path={tiny_flux}"]) == 0
    out = capsys.readouterr().out
    for word in ("network", "transformer", "trained", "TFLOP", "sample", "24 GB", "141 GB", "yes"):
        assert word in out


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    folder = Path(tiny.save("sd", tmp_path))
    (folder / "unet" / "config.json").unlink()
    with pytest.raises(ModelError, match="unet could not be read"):
        plan(load_recipe(None, [f"model.path={folder}", "sampling.transition=ddim"]))
