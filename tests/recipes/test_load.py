import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from burnish.errors import RecipeError
from burnish.recipes.load import bundled, dump_yaml, load_recipe
from burnish.recipes.presets import OWN, PRESETS
from burnish.recipes.schema import Advantage, Algorithm, Recipe


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def complaint(name=None, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, list(overrides))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_default_is_the_bundled_scenes_recipe_and_mirrors_the_schema():
    assert load_recipe() == load_recipe("scenes") == Recipe()


WHOLE = ("ppo", "gspo", "gmpo")
ELSEWHERE = {
    "scenes-vqa": ("flow_grpo", "grpo_guard", "tempflow", "awm", "diffusion_nft"),
    "scenes-nft": tuple(preset for preset in PRESETS if preset not in ("awm", "diffusion_nft")),
    "papers/dance_grpo_flux": WHOLE,
    "papers/slas_flux": WHOLE,
    "papers/gcpo_flux": WHOLE,
}
"""recipe -> the presets that are for the other kind of model (of image recipes, ppo), or that have one unit
where the recipe trains a part of the units, or that need noise where the recipe samples by the ODE."""


@pytest.mark.parametrize(
    ("name", "preset"),
    [(n, p) for n in bundled() for p in PRESETS if p not in ELSEWHERE.get(n, ("ppo",))],
)
def test_every_bundled_recipe_with_every_preset_survives_a_round_trip(name, preset, tmp_path):
    recipe = load_recipe(name, [f"algorithm.preset={preset}"])
    again = load_recipe(write(tmp_path, dump_yaml(recipe)))
    assert again == recipe
    assert dump_yaml(again) == dump_yaml(recipe)


@pytest.mark.parametrize(
    ("preset", "advantage", "unit", "divergence"),
    [
        ("dance_grpo", "grpo", "decision", "none"),
        ("flow_grpo", "grpo", "decision", "gaussian"),
        ("slas", "slas", "decision", "none"),
        ("chunk_grpo", "grpo", "chunk", "none"),
        ("slas_chunk", "slas", "chunk", "none"),
        ("dr_grpo", "dr_grpo", "decision", "none"),
        ("rloo", "rloo", "decision", "none"),
        ("reinforce_pp", "reinforce_pp", "decision", "none"),
        ("gspo", "grpo", "sequence", "none"),
        ("cispo", "grpo", "decision", "none"),
        ("sapo", "grpo", "decision", "none"),
        ("custom", "batch_std", "decision", "none"),
    ],
)
def test_presets_fill_the_axes(preset, advantage, unit, divergence):
    algorithm = load_recipe(None, [f"algorithm.preset={preset}"]).algorithm
    assert (algorithm.advantage.name, algorithm.unit.name, algorithm.divergence.name) == (
        advantage,
        unit,
        divergence,
    )
    assert algorithm == Algorithm(preset=preset)


def test_every_row_names_every_axis_so_that_switching_leaves_nothing_behind():
    for name, row in PRESETS.items():
        assert name == "custom" or all("name" in row[axis] for axis in OWN)


def test_what_the_file_says_beats_the_row_and_an_override_beats_both(tmp_path):
    path = write(tmp_path, "algorithm: {preset: slas, advantage: {gamma: 0.7}}")
    assert load_recipe(path).algorithm.advantage == Advantage(name="slas", gamma=0.7)
    assert load_recipe(path, ["algorithm.advantage.gamma=0.2"]).algorithm.advantage.gamma == 0.2
    assert load_recipe(path, ["algorithm.preset=slas"]).algorithm.advantage.gamma == 0.7


def test_a_preset_chosen_by_override_replaces_the_method_of_a_resolved_recipe(tmp_path):
    resolved = write(
        tmp_path,
        dump_yaml(load_recipe(None, ["algorithm.preset=slas_chunk", "algorithm.objective.clip_low=0.01"])),
    )
    algorithm = load_recipe(resolved, ["algorithm.preset=dance_grpo"]).algorithm
    assert (
        algorithm
        == load_recipe(None, ["algorithm.preset=dance_grpo", "algorithm.objective.clip_low=0.01"]).algorithm
    )
    beaten = load_recipe(resolved, ["algorithm.advantage.name=rloo", "algorithm.preset=chunk_grpo"]).algorithm
    assert (beaten.advantage.name, beaten.unit.sizes) == ("rloo", "dynamic")


def test_another_member_of_an_axis_drops_the_keys_of_the_old_one():
    algorithm = load_recipe(None, ["algorithm.preset=flow_grpo", "algorithm.divergence.name=none"]).algorithm
    assert (algorithm.divergence.name, algorithm.divergence.beta) == ("none", 0.0)


def test_overrides_reach_lists_sections_and_scalars():
    recipe = load_recipe(
        None,
        [
            "rewards.0.weight=2",
            "rewards.1.name=a.py:f",
            "sampling.window=[1, 4]",
            "model.lora.rank=8",
            "train.lr=1e-5",
            "evaluation.also=[]",
            "run.dir=2026",
        ],
    )
    assert [(r.name, r.weight) for r in recipe.rewards] == [("scenes_graded", 2.0), ("a.py:f", 1.0)]
    assert recipe.trained_steps == (1, 4)
    assert recipe.model.lora is not None
    assert recipe.model.lora.rank == 8
    assert (recipe.train.lr, recipe.evaluation.also, recipe.run.dir) == (1e-5, [], "2026")
    whole = load_recipe(None, ["rewards=[{name: x, weight: -1}]", "sampling.window=null"])
    assert (whole.rewards[0].weight, whole.trained_steps) == (-1.0, (0, 5))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trian.lr=1", "override trian.lr=1: unknown key trian; did you mean train?"),
        ("lr=1", "override lr=1: unknown key lr; did you mean train.lr?"),
        ("train.lrr=1", "override train.lrr=1: unknown key train.lrr; did you mean train.lr?"),
        ("rewards.0.nam=x", "unknown key rewards.0.nam; did you mean rewards.0.name?"),
        ("xyz=1", "unknown key xyz; allowed are run, model, data, rewards, algorithm"),
        ("train.lr=abc", "train.lr is 'abc' but must be a number"),
        ("train.lr='0.1'", "train.lr is '0.1' but must be a number"),
        ("train.lr=true", "train.lr is True but must be a number"),
        ("train.lr=0", "train.lr is 0 but must be above 0"),
        ("train.lr=.nan", "train.lr is nan but must be"),
        ("train.ema=1.0", "train.ema is 1.0 but must be below 1"),
        ("train.steps=1.5", "train.steps is 1.5 but must be a whole number"),
        ("train.steps='5'", "train.steps is '5' but must be a whole number"),
        ("train.steps=-1", "train.steps is -1 but must be at least 0"),
        ("run.dir=null", "run.dir is null but must be text"),
        ("run.tensorboard=1", "run.tensorboard is 1 but must be true or false"),
        ("algorithm.preset=slass", "'slass' but must be one of dance_grpo, flow_grpo, slas, chunk_grpo"),
        ("algorithm.preset=slass", "did you mean slas?"),
        ("algorithm.advantage.name=grpp", "did you mean grpo?"),
        ("algorithm.unit.sizes=3", "algorithm.unit.sizes is 3 but must be a list or one of dynamic"),
        ("sampling.window=[0]", "sampling.window is [0] but must be a list of two whole numbers"),
        ("sampling.window=[0, x]", "sampling.window.1 is 'x' but must be a whole number"),
        ("rewards=[]", "rewards is [] but must be a list with at least 1 entry"),
        ("rewards.3.name=x", "rewards is a list of 1; index it with 0 to 1 (1 appends), not '3'"),
        ("train.steps.x=3", "train.steps is the value 60 and has no keys inside"),
        ("train..lr=3", "the key has an empty part"),
        ("train.lr", "override 'train.lr' is not of the form key.sub=value, such as train.lr=1e-4"),
        ("train.lr={a", "override 'train.lr' line 1 is not valid here: expected"),
        ("model=3", "model is 3 but must be a section with keys"),
    ],
)
def test_an_override_that_is_wrong_is_told_apart_in_one_sentence(override, expected):
    assert expected in complaint(None, override)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: {lr: 1e-4}\ntrain: {lr: 1}", "line 2 is not valid here: the key 'train' occurs twice"),
        ("train:\n  lr: 1\n  lr: 2", "line 3 is not valid here: the key 'lr' occurs twice"),
        ("- a", "holds a list: a recipe is sections"),
        ("hello", "holds only 'hello': a recipe is sections"),
        ("train: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("train: {steps: ten}", "train.steps is 'ten' but must be a whole number"),
        ("a: &a [1]\nb: [" + "*a, " * 30 + "]", "more than 20 aliases"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("run: {dir: 2026}", "run.dir is 2026 but must be text (quote it"),
        ("1: 2", "unknown key 1"),
        ("#" * 300_000, "larger than 256 KiB"),
        ("train: \t1", "mine.yaml"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(text, expected, tmp_path):
    message = complaint(write(tmp_path, text))
    assert expected in message
    assert "mine.yaml" in message


def test_numbers_in_files_are_read_as_people_write_them(tmp_path):
    path = write(
        tmp_path, "train: {lr: 1e-4, weight_decay: 1E-2, max_grad_norm: 1}\nsampling: {window: [0, 3]}\n"
    )
    recipe = load_recipe(path)
    assert (recipe.train.lr, recipe.train.weight_decay, recipe.train.max_grad_norm) == (1e-4, 1e-2, 1.0)


def test_an_empty_file_means_all_defaults_and_a_byte_order_mark_is_fine(tmp_path):
    assert load_recipe(write(tmp_path, "")) == Recipe()
    assert load_recipe(write(tmp_path, "\ufefftrain: {steps: 3}\r\n")).train.steps == 3


def test_recipes_are_found_by_name_path_or_run_folder(tmp_path):
    (tmp_path / "recipe.yaml").write_text("train: {steps: 7}")
    assert load_recipe(str(tmp_path)).train.steps == 7
    assert "did you mean scenes?" in complaint("sceens")
    assert "bundled are flux_dev_lora, qwen_image_lora, scenes" in complaint("nothing_like_it")
    assert "did you mean recipe.yaml?" in complaint(str(tmp_path / "recipes.yaml"))
    assert "'papers/slas_fluxx'; did you mean papers/slas_flux?" in complaint("papers/slas_fluxx")
    assert complaint("papers/slas_flux", "algorithm.unit.fraction=2").startswith("override")
    (tmp_path / "empty").mkdir()
    assert "is a folder without a recipe.yaml" in complaint(str(tmp_path / "empty"))
    (tmp_path / "latin.yaml").write_bytes(b"run: {dir: \xe9}")
    assert "is not UTF-8 text" in complaint(str(tmp_path / "latin.yaml"))


def test_recipes_are_frozen_and_strict_in_python_too():
    with pytest.raises(ValidationError):
        Recipe().train.steps = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Algorithm(preset="zebra")  # type: ignore[arg-type]


def test_recipes_load_without_torch():
    code = "import sys, burnish.recipes.load as l; l.load_recipe(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_window_slides_and_comes_back():
    recipe = load_recipe("scenes", ["sampling.steps=6", "sampling.window=[0, 2]", "sampling.slide=3"])
    assert [recipe.trained_steps_at(step) for step in (1, 3, 4, 7, 10, 12, 13)] == [
        (0, 2), (0, 2), (1, 3), (2, 4), (3, 5), (3, 5), (0, 2)
    ]  # fmt: skip
    still = load_recipe("scenes", ["sampling.window=[1, 3]"])
    assert still.trained_steps_at(1) == still.trained_steps_at(99) == (1, 3)
