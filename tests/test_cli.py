import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

import burnish
from burnish import cli
from burnish.errors import ModelError


@pytest.fixture
def run(capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def stub(monkeypatch):
    """Put a function in place of a heavy module's; returns the calls it received."""

    def place(module: str, name: str, answer):
        calls = []

        def function(*args, **kwargs):
            calls.append((args, kwargs))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        fake = types.ModuleType(module)
        setattr(fake, name, function)
        monkeypatch.setitem(sys.modules, module, fake)
        return calls

    return place


def test_the_overview_names_every_command(run):
    for arguments in ((), ("--help",), ("-h",)):
        code, out, _ = run(*arguments)
        assert code == 0
        assert all(f"  {command} " in out for command in cli.COMMANDS)
    assert run("--version") == (0, f"burnish {burnish.__version__}\n", "")


@pytest.mark.parametrize("command", [c for c in cli.COMMANDS if c != "scenes"])
def test_every_command_explains_itself(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.startswith(f"usage: burnish {command} ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "no command 'trian'; did you mean train?"),
        (["xyz"], "no command 'xyz'; there are train, resume"),
        (["train", "--dryrun"], "unrecognized arguments: --dryrun (see burnish train --help)"),
        (["train", "scenes", "other"], "give one recipe, not scenes and other"),
        (["train", "sceens"], "no recipe named 'sceens'; did you mean scenes?"),
        (["train", "train.lr=x"], "train.lr is 'x' but must be a number"),
        (["resume"], "the following arguments are required: RUN"),
        (["resume", "r", "--steps", "x"], "'x' is not a whole number"),
        (["sample", "m"], "nothing to draw: give a prompt in quotes, or --prompts FILE"),
        (["sample", "m", ""], "nothing to draw"),
        (["sample", "m", "a", "--count", "0"], "0 is below 1"),
        (["compare", "no-such-run"], "no-such-run is not a run: it has no recipe.yaml"),
        (["scenes", "shw"], "no command scenes 'shw'; there are show, pretrain, read, preference"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(run, arguments, expected):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1


def test_a_dry_run_prints_a_recipe_that_loads_back(run, tmp_path):
    code, out, _ = run("train", "scenes", "--dry-run", "train.lr=1e-5", "algorithm.preset=chunk_grpo")
    assert code == 0
    path = tmp_path / "again.yaml"
    path.write_text(out)
    assert run("train", "--dry-run", str(path)) == (0, out, "")
    assert run("train", "train.lr=1e-5", "--dry-run", "algorithm.preset=chunk_grpo")[1] == out


def test_train_and_resume_pass_on_what_was_asked(run, stub):
    calls = stub("burnish.train.run", "train", Path("runs/x"))
    assert run("train", "train.steps=3")[:2] == (0, "run: runs/x\nreport: runs/x/report.html\n")
    assert calls[0][0][0].train.steps == 3
    calls = stub("burnish.train.run", "resume", Path("runs/x"))
    assert run("resume", "runs/x", "--steps", "9")[0] == 0
    assert calls == [((Path("runs/x"),), {"steps": 9})]


def test_an_interrupted_run_says_how_to_go_on(run, stub):
    stub("burnish.train.run", "train", KeyboardInterrupt())
    assert run("train", "run.dir=runs/y") == (130, "", "interrupted; resume with: burnish resume runs/y\n")
    stub("burnish.report.html", "write_report", KeyboardInterrupt())
    assert run("report", "runs/y") == (130, "", "interrupted\n")


def test_sample_gathers_prompts_from_both_places(run, stub, tmp_path):
    (tmp_path / "p.txt").write_text("b\nc\n")
    calls = stub("burnish.evaluate.sample", "sample_to_folder", [])
    code, out, _ = run("sample", "m", "a", "--prompts", str(tmp_path / "p.txt"), "--count", "2", "--out", "o")
    assert (code, out) == (0, "6 samples in o\n")
    (model, prompts, folder), settings = calls[0]
    assert (model, [p.text for p in prompts], folder) == ("m", ["a", "b", "c"], Path("o"))
    assert settings == {"count": 2, "seed": 0, "steps": 28, "device": "auto", "hybrid": None}
    run("sample", "m", "a", "--steps", "50", "--hybrid", "30")
    assert (calls[1][1]["steps"], calls[1][1]["hybrid"]) == (50, 30)


def test_evaluate_prints_a_table_or_json(run, stub):
    rows = [
        {"model": "m", "set": "scenes:test", "count": 4, "scenes_strict": 0.51234, "scenes_strict/se": None}
    ]
    calls = stub("burnish.evaluate.evaluate", "evaluate_model", rows)
    code, out, _ = run("evaluate", "m", "--reward", "a", "--reward", "b", "--base")
    assert code == 0
    assert "| model | set         | count | scenes_strict | scenes_strict/se |" in out
    assert "0.5123" in out
    assert calls[0][1]["rewards"] == ["a", "b"]
    assert calls[0][1]["base"] is True
    assert json.loads(run("evaluate", "m", "--json")[1]) == rows
    assert calls[1][1] == {
        "prompts": None,
        "rewards": None,
        "count": 256,
        "group_size": 1,
        "seed": 1234,
        "steps": 10,
        "device": "auto",
        "base": False,
        "hybrid": None,
    }


def test_compare_prints_tables_that_are_not_cut(run, tmp_path):
    long = "with_a_rather_long_name.py:and_a_function_with_a_long_name_too"
    (tmp_path / "recipe.yaml").write_text(
        f"algorithm: {{preset: slas}}\nevaluation: {{reward: [{{name: '{long}'}}]}}\n"
    )
    events = [
        {"kind": "evaluate", "step": s, "set": "scenes:test", long: v} for s, v in ((0, 0.25), (60, 0.5))
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, events)))
    code, out, _ = run("compare", str(tmp_path))
    assert code == 0
    assert long in out
    assert "+0.2500" in out
    assert "warning: slas has one run only" in out
    assert json.loads(run("compare", str(tmp_path), "--json")[1])["rows"][0]["gain"] == 0.25


def test_other_errors_of_the_library_are_one_sentence_too(run, stub):
    stub("burnish.report.html", "write_report", ModelError("no such model"))
    assert run("report", "runs/y") == (2, "", "error: no such model\n")


def test_scenes_show_draws_and_pretrain_passes_on(run, stub, tmp_path):
    out = tmp_path / "s.png"
    assert run("scenes", "show", "a red star", "two squares", "--out", str(out), "--size", "32")[0] == 0
    from PIL import Image

    assert Image.open(out).size == (64, 32)
    assert "cannot parse the prompt" in run("scenes", "show", "a dog")[2]
    calls = stub("burnish.scenes.pretrain", "main", 0)
    assert run("scenes", "pretrain", "--steps", "1")[0] == 0
    assert calls == [((["--steps", "1"],), {})]


def test_the_process_exits_with_the_codes(tmp_path):
    def process(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "burnish", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(burnish.__file__).parent.parent)},
        )

    failed = process("train", "train.lr=x")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "Traceback" not in failed.stderr
    assert process("train", "--dry-run").returncode == 0


def test_help_and_dry_run_import_neither_torch_nor_a_model():
    code = (
        "import sys; from burnish.cli import main; main(['--help']); main(['train', '--dry-run']); "
        "import burnish; burnish.Prompt; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'diffusers', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_the_table_of_contents_is_complete():
    assert set(burnish.__all__) == set(dir(burnish))
    assert burnish.load_recipe is burnish.recipes.load.load_recipe
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = burnish.nothing
