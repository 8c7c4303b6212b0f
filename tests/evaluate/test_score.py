from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from burnish.cli import main
from burnish.errors import DataError, RewardError
from burnish.evaluate.score import find_pairs, score_folder, score_run, summary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of two sizes, listed with their prompts."""
    rows = []
    for number, (side, level) in enumerate(((8, 0), (8, 255), (16, 255))):
        Image.fromarray(np.full((side, side, 3), [level, 0, 0], np.uint8)).save(tmp_path / f"{number}.png")
        rows.append({"file": f"{number}.png", "prompt": f"prompt {number}", "answer": number})
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_every_picture_gets_its_score_whatever_its_size(folder: Path, redness: str) -> None:
    rows = score_folder(folder, [redness])
    name = next(key for key in rows[0] if key.endswith(":redness"))
    assert [row[name] for row in rows] == pytest.approx([0.0, 1.0, 1.0])
    assert [row["file"] for row in rows] == ["0.png", "1.png", "2.png"]
    (mean,) = summary(rows, [name])
    assert mean["mean"] == pytest.approx(2 / 3)
    assert mean["se"] == pytest.approx(1 / 3)  # std of 0, 1, 1 is 1/√3
    assert (mean["count"], mean["unscored"]) == (3, 0)


def test_columns_reach_the_reward_and_none_is_unscored(folder: Path, tmp_path: Path) -> None:
    source = "def by_answer(images, prompts, answer):\n    return [a if a else None for a in answer]\n"
    file = tmp_path / "mine.py"
    file.write_text(source)
    rows = score_folder(folder, [f"{file}:by_answer"])
    assert [row["mine.py:by_answer"] for row in rows] == [None, 1.0, 2.0]
    assert summary(rows, ["mine.py:by_answer"])[0]["unscored"] == 1


def test_a_text_beside_each_picture_will_do(folder: Path) -> None:
    (folder / "prompts.jsonl").unlink()
    with pytest.raises(DataError, match=r"0\.png has no prompt: write 0\.txt beside it"):
        find_pairs(folder)
    for number in range(3):
        (folder / f"{number}.txt").write_text(f" prompt {number}\n")
    assert [prompt.text for _, prompt in find_pairs(folder)] == ["prompt 0", "prompt 1", "prompt 2"]


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        ('{"file": "9.png", "prompt": "x"}', "there is no"),
        ('{"file": "0.png"}', "line 1: write"),
        ("oops", "line 1: write"),
        ("", "is empty"),
    ],
)
def test_broken_listings_are_named(folder: Path, listing: str, words: str) -> None:
    (folder / "prompts.jsonl").write_text(listing)
    with pytest.raises(DataError, match=words):
        find_pairs(folder)


def test_a_broken_picture_and_a_folder_without_any(folder: Path, tmp_path: Path, redness: str) -> None:
    (folder / "1.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match="not a readable picture"):
        score_folder(folder, [redness])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds neither"):
        find_pairs(empty)
    with pytest.raises(DataError, match="not a folder"):
        find_pairs(tmp_path / "nowhere")


def test_the_command(folder: Path, redness: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scores.jsonl"
    assert main(["score", str(folder), "--reward", redness, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["count"] == 3
    assert len(out.read_text().splitlines()) == 3
    assert main(["score", str(folder / "no"), "--reward", redness]) == 2


def test_pictures_of_one_prompt_are_a_group(folder: Path, redness: str) -> None:
    rows = [{"file": f"{i}.png", "prompt": prompt} for i, prompt in enumerate(("same", "same", "same"))]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = score_folder(folder, [f"win_rate,over={redness}"])
    assert [row["win_rate"] for row in found] == [0.0, 1.0, None]  # the third is of another size, alone


def test_a_comparison_of_single_pictures_is_refused(folder: Path) -> None:
    with pytest.raises(RewardError, match="diversity compares samples of one prompt: score a folder with"):
        score_folder(folder, ["diversity"])


def test_a_run_is_scored_base_and_tuned(small_run: list[str], redness: str, capsys: Any) -> None:
    assert main(["train", *small_run]) == 0
    run = next(word for word in small_run if word.startswith("run.dir=")).removeprefix("run.dir=")
    base, tuned = score_run(Path(run), [redness])
    name = next(key for key in base if key.endswith(":redness"))
    assert (base["base"], tuned["base"]) == (True, False)
    assert base["count"] == tuned["count"] == 4
    assert base[name] != tuned[name]
    capsys.readouterr()
    assert main(["score", run, "--reward", redness, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1][name] == pytest.approx(tuned[name])
    assert main(["score", run, "--reward", "diversity"]) == 2
    assert "give `burnish evaluate RUN --group-size`" in capsys.readouterr().err
