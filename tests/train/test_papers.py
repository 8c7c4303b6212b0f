"""The papers' recipes: loaded by name, equal where methods are compared, one step of each on a model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tiny
import torch
import true_size

from burnish.cli import main
from burnish.recipes import load
from burnish.recipes.load import bundled, load_recipe
from burnish.recipes.schema import Model, Recipe
from burnish.report.events import read_events

CLASSES = {
    "papers/dance_grpo_flux": "flux",
    "papers/slas_flux": "flux",
    "papers/gcpo_flux": "flux",
    "papers/dance_grpo_sd14": "sd",
    "papers/slas_sd14": "sd",
    "papers/flow_grpo_sd35": "sd3",
}
NAMES = list(CLASSES)
FILES = Path(load.__file__).parent


def test_every_paper_recipe_is_tried_here() -> None:
    assert [name for name in bundled() if name.startswith("papers/")] == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_dry_run_prints_a_recipe_that_loads_back(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = ["model.path=/nowhere/model", "data.prompts=/nowhere/prompts.txt"]
    assert main(["train", name, *changed, "--dry-run"]) == 0
    again = tmp_path / "again.yaml"
    again.write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_recipe(str(again)) == load_recipe(name, changed)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_says_where_it_is_from(name: str) -> None:
    """Leaves of model, algorithm, sampling and train: a [source], or ours, on the line."""
    section = ""
    for line in (FILES / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"(\w+):", line):
            section = heading[1]
        elif section in ("model", "algorithm", "sampling", "train") and re.match(r" +\w+: *[^ #]", line):
            assert re.search(r"# .*(\[(paper|code|DanceGRPO)[^]]*\]|ours)", line), line


def differences(first: Recipe, second: Recipe) -> set[str]:
    return {
        f"{section}.{key}"
        for section, mine in first.dump().items()
        if isinstance(mine, dict)
        for key, value in mine.items()
        if second.dump()[section].get(key) != value
    }


@pytest.mark.parametrize("model", ["flux", "sd14"])
def test_slas_differs_from_its_baseline_in_the_method_alone(model: str) -> None:
    slas, baseline = load_recipe(f"papers/slas_{model}"), load_recipe(f"papers/dance_grpo_{model}")
    assert differences(slas, baseline) == {"run.dir", "algorithm.preset", "algorithm.advantage"}
    assert slas.rewards == baseline.rewards
    by_preset = load_recipe(f"papers/dance_grpo_{model}", ["algorithm.preset=slas"])
    assert by_preset.algorithm == slas.algorithm


def test_gcpo_s_baseline_is_one_override_away() -> None:
    chunks, steps = (load_recipe("papers/gcpo_flux", more) for more in ([], ["algorithm.preset=dance_grpo"]))
    assert differences(chunks, steps) == {"algorithm.preset", "algorithm.unit"}
    assert steps.algorithm.unit.name == "decision"
    assert steps.algorithm.unit.fraction == chunks.algorithm.unit.fraction == 0.5
    adaptive = load_recipe("papers/gcpo_flux", ["algorithm.unit.sizes=dynamic"])
    assert differences(chunks, adaptive) == {"algorithm.unit"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {kind: tiny.save(kind, tmp_path_factory.mktemp(kind)) for kind in ("flux", "sd", "sd3")}


@pytest.mark.parametrize("name", NAMES)
def test_one_step_on_a_small_model_of_the_same_class(
    name: str, models: dict[str, str], redness: str, tmp_path: Path
) -> None:
    """Method, sampler, window, updates and optimiser as the recipe has them; size and counts are not.

    (SD1.4's 50 steps are 10 here, so its window is nine steps long; float32 makes the ratio exact.)
    """
    recipe = load_recipe(name)
    short = ["sampling.steps=10"] if recipe.sampling.steps == 50 else []
    hybrid = [] if recipe.evaluation.hybrid is None else ["evaluation.hybrid=3"]
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red circle\na blue square\na green star\ntwo red squares\n", encoding="utf-8")
    run = tmp_path / "run"
    words = [
        f"model.path={models[CLASSES[name]]}",
        "model.height=32",
        "model.width=32",
        "model.embeddings=null",
        "model.dtype=float32",
        f"run.dir={run}",
        "run.device=cpu",
        f"data.prompts={prompts}",
        f"rewards=[{{name: '{redness}'}}]",
        f"evaluation.reward=[{{name: '{redness}'}}]",
        f"evaluation.prompts={prompts}",
        "evaluation.held_out=[]",
        "evaluation.count=2",
        "evaluation.steps=5",
        *hybrid,
        *short,
        "evaluation.pictures=1",
        f"sampling.prompts_per_step={recipe.train.updates}",
        "sampling.group_size=2",
        "train.steps=1",
    ]
    assert main(["train", name, *words]) == 0
    tried = load_recipe(str(run))
    assert tried.algorithm == recipe.algorithm
    assert differences(tried, recipe) - {word.partition("=")[0] for word in words} == set()
    events = list(read_events(run / "metrics.jsonl"))
    (step,) = [event for event in events if event["kind"] == "train"]
    assert step["grad_norm"] > 0
    assert step["ratio_drift"] < 0.1 * recipe.algorithm.objective.clip_low
    assert [event["step"] for event in events if event["kind"] == "evaluate"] == [0, 1]
    checks = [event for event in events if event["kind"] == "health"]
    assert len(checks) >= 5
    assert all(event["ok"] for event in checks), [event for event in checks if not event["ok"]]
    assert any((run / "model").iterdir())


def test_a_copy_of_the_checkpoint_can_have_the_public_code_s_schedule(tmp_path: Path) -> None:
    """DanceGRPO and GCPO: s·t/(1 + (s−1)·t) of 16 equal parts with s = 3; docs/papers.md says how."""
    folder = Path(true_size.save("FLUX.1-dev", tmp_path))
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"use_dynamic_shifting": False, "shift": 3.0}))
    from burnish.train.plan import skeleton

    _, backbone = skeleton(Model(path=str(folder), height=720, width=720))
    t = torch.linspace(1, 0, 17, dtype=torch.float64)
    assert torch.allclose(backbone.schedule(16).sigma_T1, 3 * t / (1 + 2 * t), atol=1e-6)


def test_the_checkpoint_s_own_shift_at_720_pixels(tmp_path: Path) -> None:
    """FLUX.1-dev's dynamic shift: μ is 0.5 at 256 tokens and 1.15 at 4096, the shift e^μ."""
    from burnish.train.plan import skeleton

    folder = Path(true_size.save("FLUX.1-dev", tmp_path))
    file = folder / "scheduler" / "scheduler_config.json"
    published = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0}
    file.write_text(json.dumps(json.loads(file.read_text()) | published))
    _, backbone = skeleton(Model(path=str(folder), height=720, width=720))
    s = 2.7182818284590452 ** (0.5 + 0.65 * (45 * 45 - 256) / (4096 - 256))
    assert s == pytest.approx(2.22, abs=0.01)
    t = torch.linspace(1, 0, 17, dtype=torch.float64)
    assert torch.allclose(backbone.schedule(16).sigma_T1, s * t / (1 + (s - 1) * t), atol=1e-6)
