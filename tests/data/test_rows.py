"""The same question in every form that people have it in."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from burnish.data.prompts import load_prompts
from burnish.errors import DataError

COLORS = ((250, 0, 0), (0, 0, 250))


def png(color: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, color in zip(("a.png", "b.png"), COLORS, strict=True):
        (tmp_path / name).write_bytes(png(color))
    return tmp_path


def url(color: tuple[int, int, int]) -> str:
    return "data:image/png;base64," + base64.b64encode(png(color)).decode()


PARTS = [{"type": "image"}, {"type": "text", "text": "how many?"}]
MARKED = "<image>how many?"
ROWS: dict[str, dict[str, Any]] = {
    "trl text": {"prompt": "how many?", "image": "a.png", "solution": "3"},
    "trl parts": {"prompt": [{"role": "user", "content": PARTS}], "images": ["a.png"], "solution": "3"},
    "openai": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": url(COLORS[0])}}, PARTS[1]],
            }
        ],
        "answer": "3",
    },
    "verl": {
        "data_source": "geo",
        "prompt": [{"role": "user", "content": MARKED}],
        "images": [{"path": "a.png"}],
        "reward_model": {"style": "rule", "ground_truth": "3"},
    },
    "easyr1": {"problem": MARKED, "answer": "3", "images": ["a.png"]},
    "swift": {"messages": [{"role": "user", "content": MARKED}], "images": ["a.png"], "solution": "3"},
    "llava": {
        "image": "a.png",
        "conversations": [{"from": "human", "value": MARKED}, {"from": "gpt", "value": "3"}],
    },
    "lmm-r1": {
        "message": json.dumps([{"role": "user", "content": MARKED}]),
        "images": ["a.png"],
        "answer": "3",
    },
    "openrlhf": {"prompt": [{"role": "user", "content": MARKED}], "images": ["a.png"], "label": "3"},
}


def write(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("form", ROWS)
def test_every_form_is_the_same_prompt(form: str, folder: Path) -> None:
    (prompt,) = load_prompts(write(folder, ROWS[form]))
    assert "".join(prompt.text.split("\n")) == MARKED
    assert prompt.columns["answer"] == "3"
    (picture,) = prompt.images
    assert picture.open().getpixel((0, 0)) == COLORS[0]


def test_parquet_with_bytes(folder: Path) -> None:
    row = {**ROWS["verl"], "images": [{"bytes": png(COLORS[1]), "path": None}]}
    path = str(folder / "rows.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row, row]), path)
    prompts = load_prompts(path)
    assert len(prompts) == 2
    assert prompts[1].images[0].open().getpixel((0, 0)) == COLORS[1]
    assert prompts[0].columns["data_source"] == "geo"


def test_text_pictures_and_videos_mix(folder: Path) -> None:
    (folder / "clip").mkdir()
    for number, color in enumerate(COLORS):
        (folder / "clip" / f"{number}.png").write_bytes(png(color))
    rows = [
        {"problem": "one plus two?", "answer": "3"},
        {"problem": "<image> or <image>?", "images": ["a.png", "b.png"], "answer": "a"},
        {"problem": "<video> what moves?", "videos": ["clip"], "answer": "a star"},
        {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hm?"}]},
    ]
    text, two, video, system = load_prompts(write(folder, *rows))
    assert text.images == ()
    assert [image.open().getpixel((1, 1)) for image in two.images] == list(COLORS)
    assert [frame.open().getpixel((1, 1)) for frame in video.videos[0]] == list(COLORS)
    assert system.system == "be brief"


def test_a_long_prompt_is_never_cut(folder: Path) -> None:
    text = "word " * 50_000 + "end"
    (prompt,) = load_prompts(write(folder, {"problem": text, "answer": "1"}))
    assert prompt.text == text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"problem": "<image><image>?", "images": ["a.png"]}, "line 1 has 2 <image> markers but 1 images"),
        ({"problem": "?", "images": ["missing.png"]}, "line 1: no picture"),
        ({"problem": "?", "image": "https://example.org/a.png"}, "is on the network: download"),
        ({"problem": "?", "image": "data:text/plain,hello"}, "is not a data: URL of an image"),
        ({"problem": "?", "image": "data:image/png;base64,@@"}, "not valid base64"),
        ({"problem": "?", "image": 7}, "is not a picture"),
        ({"problem": "?", "videos": ["film.mp4"]}, "extract the frames"),
        ({"images": ["a.png"]}, "has no question"),
        ({"messages": 7}, "neither text nor a list of messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "neither text nor a list of parts"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "of type 'audio'"),
        (
            {"messages": [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]},
            "has 3 turns before the answer",
        ),
        ({"message": "[{broken", "images": []}, "not valid JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(row: dict[str, Any], words: str, folder: Path) -> None:
    with pytest.raises(DataError, match=words):
        load_prompts(write(folder, row))
