import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from burnish.errors import RewardError
from burnish.rewards import ocr as module
from burnish.rewards.ocr import ocr, wanted
from burnish.types import Prompt


def written(*lines: str) -> np.ndarray:
    image = Image.new("RGB", (300, 300), (235, 230, 220))
    for row, line in enumerate(lines):
        place = (20, 40 + 80 * row)
        ImageDraw.Draw(image).text(place, line, fill=(150, 20, 30), font=ImageFont.load_default(40))
    return np.array(image)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (Prompt('a sign that says "Lost City  Near"'), "lostcitynear"),
        (Prompt("a sign that says “Café  Été”"), "caféété"),
        (Prompt('a shirt with "ONE" above "Two"'), "onetwo"),
        (Prompt("a sign that says 'no double quotes'"), ""),
        (Prompt('an inch mark 5" is not a quotation'), ""),
        (Prompt('an empty sign ""'), ""),
        (Prompt('a sign "ignored"', {"text": "From Column"}), "fromcolumn"),
        (Prompt('a sign "kept"', {"text": None}), "kept"),
        (Prompt("a number", {"text": 2024}), "2024"),
        (Prompt('a sign "ignored"', {"text": " "}), ""),
    ],
)
def test_the_wanted_text_is_the_column_or_what_stands_in_quotes(prompt, text):
    assert wanted(prompt) == text


class Reader:
    """A recogniser that reads what it is told to."""

    def __init__(self, params):
        self.params = params

    def __call__(self, image):
        assert image[0, 0].tolist() == [30, 20, 10]  # blue first
        lines = {1: None, 2: ("NEW", "Yo rk"), 3: ("newyork", "x" * 50), 4: ("",), 5: ("nw yrk",)}
        return type("Result", (), {"txts": lines[len(image)]})


def test_the_score_is_one_minus_the_edit_distance_over_the_length(monkeypatch):
    rapidocr = pytest.importorskip("rapidocr")
    monkeypatch.setattr(rapidocr, "RapidOCR", Reader)
    images = [np.full((height, 4, 3), (10, 20, 30), np.uint8) for height in range(1, 6)]
    assert ocr()(images, [Prompt('a "New York" sign')] * 5) == [0.0, 1.0, 0.0, 0.0, pytest.approx(5 / 7)]
    assert ocr()(images[:1], [Prompt("no sign")]) == [None]
    assert ocr()([], []) == []


@pytest.fixture(scope="module")
def reader():
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    return ocr()


def test_it_reads_pictures_without_the_network(reader, monkeypatch):
    def unreachable(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    spring, blank = written("Spring", "Sale 2024"), written("")
    prompts = [
        Prompt('a poster "Spring Sale 2024"'),
        Prompt('a poster "Spring"'),
        Prompt('a poster "Autumn"'),
        Prompt("a poster"),
    ]
    exact, surplus, wrong, unasked = reader([spring] * 4, prompts)
    assert exact == 1.0
    assert surplus == 0.0  # eight letters more than the six that were asked for
    assert wrong < 0.2
    assert unasked is None
    assert reader([blank], prompts[:1]) == [0.0]


def test_a_missing_letter_costs_its_share(reader):
    score = reader([written("Forever Yors")], [Prompt('a ring "Forever Yours"')])
    assert score == [pytest.approx(1 - 1 / 12)]


@pytest.mark.parametrize("package", ["rapidocr", "onnxruntime", "rapidfuzz"])
def test_a_missing_package_is_one_sentence(monkeypatch, package):
    for name in ("rapidocr", "onnxruntime", "rapidfuzz"):
        pytest.importorskip(name)
    for name in [package, *(name for name in sys.modules if name.startswith(package + "."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RewardError) as caught:
        ocr()
    message = str(caught.value)
    assert message.startswith("reward ocr lacks a package (")
    assert package in message
    assert message.endswith("pip install 'burnish[ocr]'")


def test_a_recogniser_without_its_models_is_refused_and_downloads_nothing(tmp_path: Path):
    (tmp_path / "some_det_model.onnx").touch()
    with pytest.raises(RewardError, match=r"rapidocr has no Rec model in .*: reinstall rapidocr"):
        module._settings(tmp_path)
    (tmp_path / "some_rec_model.onnx").touch()
    settings = module._settings(tmp_path)
    assert settings["Det.model_path"] == str(tmp_path / "some_det_model.onnx")
    assert settings["Rec.model_path"] == str(tmp_path / "some_rec_model.onnx")
