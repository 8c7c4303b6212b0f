import subprocess
import sys

import pytest
import yaml
from tiny_study import VALUES

from burnish.errors import RecipeError
from burnish.study.budget import rollouts
from burnish.study.load import bundled, dump_study, load_study, recipe_of

GRID = {"train.lr": [1e-4, 3e-4]}


@pytest.mark.parametrize("name", bundled())
def test_bundled_studies_load_and_survive_a_round_trip(name, tmp_path):
    study = load_study(name)
    assert study.name == name
    (tmp_path / "again.yaml").write_text(dump_study(study))
    assert load_study(str(tmp_path / "again.yaml")) == study


def test_the_bundled_ones_ask_what_they_say():
    image = ["batches", "chunks", "copies", "quick", "saturated", "size", "slas", "together", "transfer"]
    assert bundled() == sorted([*image, "compute", "hacking", "language", "large", "noise", "units"])
    slas, chunks = load_study("slas"), load_study("chunks")
    gammas = [recipe_of(slas, m).algorithm.advantage.gamma for m in slas.methods if m.startswith("slas_")]
    assert gammas == [0.25, 0.5, 1, 2]
    chunked = ("twos", "threes", "fours", "fives", "one", "dynamic")
    sizes = [recipe_of(chunks, m).algorithm.unit.sizes for m in chunked]
    assert sizes == [[2, 2, 2], [3, 3], [4, 2], [5, 1], [6], "dynamic"]
    updates = {m: recipe_of(chunks, m).train.updates for m in chunks.methods}
    assert [m for m in updates if updates[m] == 1] == ["steps_once"]
    transfer = load_study("transfer")
    trained = {recipe_of(transfer, m).data.prompts for m in transfer.methods}
    assert trained == {f"scenes:train/{measure.set.split('/')[1]}" for measure in transfer.measures}
    assert recipe_of(load_study("noise"), "learned") == recipe_of(load_study("hacking"), "slas")
    quick = load_study("quick")
    assert rollouts(recipe_of(quick, "slas")) == 24 * 8 * 12


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"basline": "x"}, "unknown key basline; did you mean baseline?"),
        (
            {"baseline": "none"},
            "baseline is 'none', which is no method of the study: take one of plain, power",
        ),
        ({"methods": {"plain": []}}, "methods is"),
        ({"methods": {"plain": [], "a/b": []}}, "the method 'a/b' must be a short name"),
        ({"methods": {"plain": [], "b": ["train.lt=1"]}}, "method b: override train.lt=1: unknown key"),
        ({"methods": {"plain": [], "b": ["run.seed=3"]}}, "'run.seed=3' of b: seeds and folders are the"),
        ({"methods": {"plain": [], "b": ["train.steps=3"]}}, "b spends 12 rollouts a run but plain spends 8"),
        ({"methods": {"plain": [], "b": ["evaluation.count=9"]}}, "b and plain are evaluated differently"),
        ({"seeds": [0, 0]}, "seeds [0, 0] must be distinct whole numbers from 0"),
        ({"seeds": ["a"]}, "seeds.0 is 'a' but must be a whole number"),
        (
            {"measures": [{"metric": "scenes_strct"}]},
            "'scenes_strct' is not evaluated; did you mean scenes_strict",
        ),
        ({"measures": [{"set": "scenes:ood"}]}, "the set 'scenes:ood' is not evaluated"),
        ({"measures": [{"metrics": "x"}]}, "unknown key measures.0.metrics; did you mean measures.0.metric?"),
        ({"gaps": [{"proxy": {"metric": "x"}, "truth": {}}]}, "the metric 'x' is not evaluated"),
        ({"grid": {"all": GRID}}, "grid without tuning_seeds"),
        ({"tuning_seeds": [9]}, "tuning_seeds without a grid"),
        ({"grid": {"all": GRID}, "tuning_seeds": [1]}, "seeds and tuning_seeds share 1"),
        ({"grid": {"other": GRID}, "tuning_seeds": [9]}, "grid names 'other', which is no method"),
        ({"grid": {"plain": GRID}, "tuning_seeds": [9]}, "unequal numbers of trials (plain 2, power 0)"),
        (
            {"grid": {"all": GRID, "plain": {"train.lr": [1.0]}}, "tuning_seeds": [9]},
            "unequal numbers of trials (plain 1, power 2)",
        ),
        ({"grid": {"all": {"train.steps": [2, 3]}}, "tuning_seeds": [9]}, "train.steps=3 changes the budget"),
        ({"recipe": "sceens"}, "no recipe named 'sceens'; did you mean scenes?"),
        ({"jobs": 0}, "jobs is 0 but must be at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(ask, changes, expected):
    with pytest.raises(RecipeError) as caught:
        ask(**changes)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_methods_of_other_steps_may_be_looked_at_as_often(ask):
    half = ["sampling.prompts_per_step=1", "train.steps=4", "evaluation.every=2"]
    study = ask(methods={"plain": [], "power": half})
    assert recipe_of(study, "power").evaluation.every == 2


def test_a_missing_key_is_named(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in VALUES.items() if k != "question"}))
    with pytest.raises(RecipeError, match="question is missing"):
        load_study(str(file))
    file.write_text("")
    with pytest.raises(RecipeError, match="so it is no study"):
        load_study(str(file))


def test_trials_are_every_combination_and_as_many_for_all(ask):
    own = {"algorithm.advantage.gamma": [0.25, 1.0], "train.lr": [1e-4]}
    study = ask(grid={"all": GRID, "power": own}, tuning_seeds=[9])
    assert study.trials("plain") == [["train.lr=0.0001"], ["train.lr=0.0003"]]
    assert study.trials("power") == [
        ["algorithm.advantage.gamma=0.25", "train.lr=0.0001"],
        ["algorithm.advantage.gamma=1.0", "train.lr=0.0001"],
    ]
    assert recipe_of(study, "power", study.trials("power")[1]).algorithm.advantage.gamma == 1.0


def test_loading_needs_neither_torch_nor_numpy():
    code = (
        "import sys; from burnish.cli import main; code = main(['study', 'quick', '--dry-run']); "
        "sys.exit(code or any(m in sys.modules for m in ('torch', 'numpy', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
