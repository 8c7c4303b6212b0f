"""The command from end to end on the bundled model: pictures, results, resuming, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from rewards.judge_server import MODEL, serving

from burnish.cli import main
from burnish.engine.rng import seed_of
from burnish.evaluate.benchmarks.drawn import ocr, preference
from burnish.evaluate.benchmarks.drawn.ledger import Ledger
from burnish.evaluate.evaluate import open_model
from burnish.types import Prompt

pytestmark = pytest.mark.usefixtures("keyless")

QUICK = ["--steps", "1", "--device", "cpu"]


def run(name: str, file: Path, out: Path, *words: str) -> int:
    return main(["benchmark", "scenes-small", name, str(file), "--out", str(out), *QUICK, *words])


def result(out: Path, name: str):
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    """GenEval's form, of classes that the small detector knows."""
    rows = [
        {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"},
        {
            "tag": "counting",
            "include": [{"class": "person", "count": 2}],
            "exclude": [{"class": "person", "count": 3}],
            "prompt": "a photo of two persons",
        },
        {"tag": "single_object", "include": [{"class": "person", "count": 1}], "prompt": "a person"},
    ]
    file = tmp_path / "metadata.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_geneval_leaves_pictures_verdicts_and_a_table(metadata, yolos, tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert run("geneval", metadata, out, "--detector", yolos) == 0
    shown = capsys.readouterr()
    assert "| overall   |" in shown.out
    assert "any of 4 correct" in shown.out
    assert "step 12/12" in shown.err
    assert "left 0:00" in shown.err
    found = result(out, "geneval")
    assert (found["model"], found["steps"], found["seed"], found["count"]) == ("scenes-small", 1, 0, 3)
    assert (found["images"], found["detector"], found["paper"]) == (4, yolos, "2310.11513")
    tasks = [row for row in found["table"] if row["by"] == "task"]
    assert [(row["group"], row["n"], row["prompts"]) for row in tasks] == [
        ("single_object", 8, 2),
        ("counting", 4, 1),
    ]
    assert found["table"][0]["mean"] == pytest.approx(np.mean([row["mean"] for row in tasks]))
    seen = found["rows"][1]["images"][2]
    assert seen["file"] == "images/00001-2.png"
    assert seen["seed"] == seed_of("benchmark", 0, 1, 2)
    assert seen["correct"] is (not seen["complaints"])
    policy = open_model("scenes-small", "cpu")
    (again,) = policy.generate(["a photo of two persons"], 1, seeds=[seen["seed"]], rows=1)
    there = np.asarray(Image.open(out / seen["file"]))
    assert np.abs(there.astype(int) - again).max() <= 1
    assert sorted(path.name for path in out.iterdir()) == ["drawn.json", "geneval.json", "images"]
    assert len(list((out / "images").iterdir())) == 12


def test_what_is_there_is_kept_and_nothing_else_is_mixed_in(test_points, tmp_path: Path, capsys):
    out = tmp_path / "out"
    file = test_points(("a cat", {"Style": "ink"}), ("a dog", {"Style": "oil"}), ("a cow", {"Style": "pen"}))
    words = ["--images", "2", "--rows", "2"]

    with serving(lambda images, text: "Point 1: yes") as server:
        server.reply = server.script
        judge = ["--judge", server.url, "--judge-model", MODEL]
        add, added = Ledger.add, []

        def stopped(self, rows):
            add(self, rows)
            added.append(rows)
            if len(added) == 2:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "add", stopped)
            assert run("unigenbench", file, out, *words, *judge) == 130
        assert "resume with: the same command" in capsys.readouterr().err
        assert not (out / "unigenbench.json").exists()
        first = out / "images" / "00000-0.png"
        Image.new("RGB", (32, 32), "red").save(first)  # a sign that it is not drawn again
        server.reply = server.script
        server.asked.clear()
        assert run("unigenbench", file, out, *words, *judge) == 0
        questions = [text for _, text, _ in server.asked]
        assert sum("a cow" in text for text in questions) == 2
        assert not any("a cat" in text or "a dog" in text for text in questions)
        found = result(out, "unigenbench")
        assert [row["prompt"] for row in found["rows"]] == ["a cat", "a dog", "a cow"]
        assert found["table"][0]["mean"] == 1.0
        assert not (out / "unigenbench.rows.jsonl").exists()
        assert np.asarray(Image.open(first))[0, 0].tolist() == [255, 0, 0]
    capsys.readouterr()
    again = ["rewards", file, out, "--images", "2", "--reward", "jpeg_compressibility"]
    assert run(*again) == 0  # the same pictures by another measure
    assert result(out, "rewards")["rows"][0]["images"][0]["rewards"]["jpeg_compressibility"] < 0
    assert run(*again) == 2
    assert "rewards.json exists already; choose another --out" in capsys.readouterr().err
    (out / "rewards.json").unlink()
    assert run(*again, "--seed", "1") == 2
    assert "images was drawn with another seed; choose another --out" in capsys.readouterr().err
    (out / "drawn.json").unlink()
    assert run(*again) == 2
    assert "holds pictures of unknown origin" in capsys.readouterr().err


def test_a_ledger_forgets_what_was_judged_otherwise_and_a_torn_line(tmp_path: Path):
    file = tmp_path / "x.rows.jsonl"
    Ledger(file, {"judge": "a"}).add([{"place": 0}, {"place": 4}])
    with file.open("a") as stream:
        stream.write('{"place": 5, "ima')
    ledger = Ledger(file, {"judge": "a"})
    assert list(ledger.rows) == [0, 4]
    ledger.add([{"place": 6}])
    ledger.add([{"place": 7}])
    assert list(Ledger(file, {"judge": "a"}).rows) == [0, 4, 6, 7]
    assert Ledger(file, {"judge": "b"}).rows == {}


def test_rewards_of_any_prompts_by_category(tmp_path: Path, redness):
    file = tmp_path / "drawbench.csv"
    file.write_text("Prompts,Category\na red square,Colors\ntwo dogs,Counting\na blue ring,Colors\n")
    words = ["--reward", redness, "--reward", "win_rate,over=jpeg_compressibility", "--images", "3"]
    assert run("rewards", file, tmp_path / "out", *words) == 0
    found = result(tmp_path / "out", "rewards")
    names = {(row["by"], row["group"]): row for row in found["table"]}
    assert names["reward", "win_rate"]["mean"] == pytest.approx(0.5)  # in every group
    label = next(group for by, group in names if by == "reward" and group != "win_rate")
    every = [image["rewards"][label] for row in found["rows"] for image in row["images"]]
    assert names["reward", label]["mean"] == pytest.approx(np.mean(every))
    assert names[f"{label} in", "Colors"]["n"] == 6
    assert names["diversity", "pixels"]["prompts"] == 3


def test_a_run_is_drawn_at_its_newest_checkpoint_and_told(tiny_flux, redness, tmp_path: Path):
    where = tmp_path / "run"
    words = [f"model.path={tiny_flux}", f"run.dir={where}", "run.device=cpu", "train.steps=1"]
    words += [f"rewards=[{{name: '{redness}'}}]", f"evaluation.reward=[{{name: '{redness}'}}]"]
    words += ["sampling.steps=2", "sampling.window=[0,1]", "sampling.group_size=2"]
    words += ["sampling.prompts_per_step=2", "evaluation.count=2", "evaluation.also=[]", "evaluation.steps=1"]
    words += ["evaluation.pictures=2", "train.lr=0.05", "train.updates=1"]
    assert main(["train", "scenes", *words]) == 0
    file = tmp_path / "prompts.txt"
    file.write_text("a red square\n")
    shown = {}
    for name, more in (("tuned", []), ("base", ["--base"])):
        out = tmp_path / name
        asks = ["benchmark", str(where), "rewards", str(file), "--reward", redness, "--out", str(out)]
        assert main([*asks, *QUICK, *more]) == 0
        found = result(out, "rewards")
        assert found["recipe"]["train"]["lr"] == 0.05
        assert len(found["recipe_sha256"]) == 64
        shown[name] = (found["checkpoint"], np.asarray(Image.open(out / "images/00000-0.png")).astype(int))
    assert (shown["tuned"][0], shown["base"][0]) == (1, None)
    assert np.abs(shown["tuned"][1] - shown["base"][1]).max() > 0


def test_written_text_is_read(tmp_path: Path):
    file = tmp_path / "ocr.txt"
    file.write_text('a sign that says "Lost City"\n')
    (prompt,) = ocr.prompts(file)
    images = []
    for words in ("Lost City", "Lost Cat", ""):
        image = Image.new("RGB", (300, 120), (235, 230, 220))
        ImageDraw.Draw(image).text((20, 40), words, fill=(150, 20, 30), font=ImageFont.load_default(40))
        images.append(np.array(image))
    found = ocr.scorer([prompt])(images, [prompt] * 3)
    assert [verdict["exact"] for verdict in found] == [True, False, False]
    # lostcat to lostcity: two letters and one more of eight
    assert [verdict["closeness"] for verdict in found] == pytest.approx([1, 1 - 2 / 8, 0])
    assert [mark[1:] for mark in ocr.marks(prompt, found[:1])] == [("exact", 1.0), ("closeness", 1.0)]


def test_unscored_rewards_stay_unscored():
    found = [{"rewards": {"a": None}}, {"rewards": {"a": 0.5}}]
    marks = list(preference.marks(Prompt("x"), found))
    assert [mark.value for mark in marks] == [None, 0.5]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["scenes-small", "geneval", "{file}"], "geneval needs --detector"),
        (["scenes-small", "wise", "{file}", "--judge", "http://x/v1"], "wise needs --judge-model"),
        (["scenes-small", "rewards", "{file}"], "rewards needs --reward"),
        (["scenes-small", "ocr", "{file}", "--frame", "unit"], "ocr takes no --frame; leave it out"),
        (["scenes-small", "rewards", "{file}", "--max-new-tokens", "9"], "rewards takes no --max-new-tokens"),
        (["scenes-reader", "mathvista", "{file}", "--detector", "x"], "mathvista takes no --detector"),
        (["scenes-reader", "countbench", "{file}", "--steps", "3"], "countbench takes no --steps"),
        (
            ["scenes-reader", "geneval", "{file}", "--detector", "x"],
            "scenes-reader reads images; geneval asks",
        ),
        (["scenes-small", "geneval", "{file}", "--detector", "no/such"], "no folder no/such"),
        (["scenes-small", "geneval", "no.jsonl", "--detector", "x"], "no prompt file no.jsonl"),
        (["scenes-small", "ocr", "{file}"], "prompt 1 asks for no text: put it in double quotes"),
        (["no/model", "rewards", "{file}", "--reward", "jpeg_compressibility"], "does not exist"),
        (["scenes-small", "rewards", "{file}", "--reward", "jpg"], "no reward named 'jpg'"),
        (
            ["scenes-small", "rewards", "{file}", "--reward", "jpeg_compressibility", "--guidance", "3"],
            "scenes-small has no guidance; leave out --guidance",
        ),
        (
            ["scenes-small", "rewards", "{file}", "--reward", "jpeg_compressibility", "--size", "33"],
            "model.height=33 does not fit FluxPipeline",
        ),
        (["scenes-small", "rewards", "{file}", "--guidance", "much"], "'much' is not a number from 0"),
        (["scenes-small", "genevol", "{file}"], "no benchmark 'genevol'; did you mean geneval?"),
    ],
)
def test_mistakes_are_one_sentence(metadata, tmp_path: Path, capsys, words, expected):
    out = tmp_path / "out"
    assert main(["benchmark", *[word.format(file=metadata) for word in words], "--out", str(out)]) == 2
    shown = capsys.readouterr().err
    assert expected in shown
    assert shown.count("\n") == 1
    assert not out.exists()
