import shutil

import numpy as np
import pytest
import tiny_detectors
import torch
import transformers
from PIL import Image
from tiny_detectors import LABELS

from burnish.errors import RewardError
from burnish.rewards import geneval_models
from burnish.rewards import reward as rewards
from burnish.rewards.geneval import geneval
from burnish.rewards.geneval_models import ColourNames, Detector, box_of, crop
from burnish.rewards.geneval_rules import COLOURS, Found
from burnish.rewards.reward import load_reward
from burnish.scenes.preference import FOLDER as CLIP
from burnish.scenes.renderer import draw
from burnish.types import Prompt

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def yolos(tmp_path_factory) -> str:
    return tiny_detectors.yolos(tmp_path_factory.mktemp("yolos"))


@pytest.fixture(scope="module")
def mask2former(tmp_path_factory) -> str:
    return tiny_detectors.mask2former(tmp_path_factory.mktemp("mask2former"))


@pytest.fixture(scope="module")
def owlv2(tmp_path_factory) -> str:
    return tiny_detectors.owlv2(tmp_path_factory.mktemp("owlv2"), CLIP)


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 40, 60, 3), np.uint8))


def raw(detector: Detector, images):
    """What the model says of the images, one by one."""
    for image in images:
        inputs = detector.processor(images=Image.fromarray(image), return_tensors="pt")
        with torch.no_grad():
            yield detector.model(**inputs)


def test_boxes_are_those_of_the_librarys_own_post_processing(yolos):
    detector, images = Detector(yolos, CPU), pictures(10)  # more than one batch
    everything = list(detector(images, 0.0))
    assert [len(found) for found in everything] == [6] * 10
    threshold = np.median([item.score for found in everything for item in found])
    seen = list(detector(images, threshold))
    assert 0 < sum(map(len, seen)) < 60
    for found, outputs in zip(seen, raw(detector, images), strict=True):
        (own,) = detector.processor.post_process_object_detection(outputs, threshold, [(40, 60)])
        names = [geneval_models.name_of(LABELS[label]) for label in own["labels"].tolist()]
        assert [item.name for item in found] == names
        assert [item.score for item in found] == pytest.approx(own["scores"].tolist(), abs=1e-5)
        for item, box in zip(found, own["boxes"].tolist(), strict=True):
            assert item.box == pytest.approx(box, abs=1e-3)
            assert item.mask is None


def test_masks_are_those_of_the_librarys_own_post_processing(mask2former):
    detector, images = Detector(mask2former, CPU), pictures(9)
    scores = [item.score for found in detector(images, 0.0) for item in found]
    threshold = float(np.median(scores))
    seen = list(detector(images, threshold))
    assert 0 < sum(map(len, seen)) < len(scores)
    for found, outputs in zip(seen, raw(detector, images), strict=True):
        (own,) = detector.processor.post_process_instance_segmentation(
            outputs, threshold, target_sizes=[(40, 60)], return_coco_annotation=False, return_binary_maps=True
        )
        assert [item.score for item in found] == pytest.approx(
            [s["score"] for s in own["segments_info"]], abs=1e-5
        )
        for item, segment, mask in zip(found, own["segments_info"], own["segmentation"], strict=False):
            assert item.name == geneval_models.name_of(LABELS[segment["label_id"]])
            assert np.mean((item.mask > 0) != (mask.numpy() > 0)) < 0.01
            assert item.box == box_of(item.mask)


def test_an_owl_is_told_what_to_look_for(owlv2):
    classes = ["bench", "motorbike", "red ring"]
    detector, images = Detector(owlv2, CPU, classes), pictures(9)
    assert list(detector.names.values()) == ["bench", "motorcycle", "red ring"]
    seen = list(detector(images, 0.0))
    assert [len(found) for found in seen] == [16] * 9  # one a patch
    assert len({item.name for found in seen for item in found}) > 1
    tokenizer = transformers.AutoTokenizer.from_pretrained(owlv2)
    texts = ["a photo of a bench", "a photo of a motorcycle", "a photo of a red ring"]
    words = tokenizer(texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
    for found, image in zip(seen, images, strict=True):
        inputs = detector.processor(images=Image.fromarray(image), return_tensors="pt")
        with torch.no_grad():
            said = detector.model(
                pixel_values=inputs.pixel_values,
                input_ids=words.input_ids,
                attention_mask=words.attention_mask,
            )
        scores, labels = said.logits[0].max(-1)
        assert [item.score for item in found] == pytest.approx(scores.sigmoid().tolist(), abs=1e-5)
        assert [item.name for item in found] == [detector.names[label] for label in labels.tolist()]
        x, y, w, h = (60 * said.pred_boxes[0]).unbind(-1)  # of the square that the image is padded to
        corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1).tolist()
        for item, box in zip(found, corners, strict=True):
            assert item.box == pytest.approx(box, abs=1e-3)


def test_an_owl_looks_for_cocos_classes_unless_told(owlv2, yolos):
    asked = [asking(include=[{"class": "hair drier", "count": 1}]), asking(include=[{"class": "bench"}])]
    assert geneval(owlv2, strict=False, device="cpu")([RED] * 2, asked) == [0.0, 0.0]
    ring = asking(include=[{"class": "ring", "count": 1}])
    sees = geneval(owlv2, device="cpu", classes=["ring"])  # a random one is half sure of anything
    assert sees([RED], [ring]) == [1.0]
    assert geneval(owlv2, threshold=0.9, device="cpu", classes=["ring"])([RED], [ring]) == [0.0]
    assert Detector(owlv2, CPU).certain == (0.1, 0.1)
    assert "the detector knows no class 'ring'" in complaint(owlv2, prompt=ring)
    assert "knows its own classes; leave out classes" in complaint(yolos, classes=["ring"])
    for wrong in ([], "ring", [1], [""]):
        assert f"classes must be a list of names, not {wrong!r}" in complaint(owlv2, classes=wrong)


def test_a_box_encloses_its_mask():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 11] = mask[6, 8:25] = True
    assert box_of(mask) == (8.0, 4.0, 25.0, 9.0)


def outlines(detector, boxes):
    """Raw outputs of a detector of masks that sees these (label, box in pixels of 40 × 60) for sure."""
    logits, masks = torch.full((1, 6, 5), -9.0), torch.full((1, 6, 40, 60), -9.0)
    logits[0, :, 4] = 9.0  # nothing
    for query, (label, (left, top, right, bottom)) in enumerate(boxes):
        logits[0, query, 4], logits[0, query, label] = -9.0, 9.0
        masks[0, query, top:bottom, left:right] = 9.0
    kind = type("Outputs", (), {"class_queries_logits": logits, "masks_queries_logits": masks})
    return next(detector._from_masks(kind, 0.3, [(40, 60)]))


def test_a_certain_mask_arrives_where_it_was(mask2former):
    detector = Detector(mask2former, CPU)
    found = outlines(detector, [(1, (6, 10, 30, 30)), (2, (40, 4, 58, 38))])
    found.sort(key=lambda item: item.box)
    assert [item.name for item in found] == ["bench", "motorcycle"]
    for item, box in zip(found, [(6, 10, 30, 30), (40, 4, 58, 38)], strict=True):
        assert item.score > 0.99
        assert item.box == pytest.approx(box, abs=1)
        left, top, right, bottom = map(int, item.box)
        assert item.mask[top:bottom, left:right].mean() > 0.98
    assert outlines(detector, []) == []


def test_a_crop_is_the_box_on_grey():
    image, mask = np.full((8, 8, 3), 200, np.uint8), np.zeros((8, 8), bool)
    mask[2:4, 2:6] = True
    seen = np.asarray(crop(image, Found("bench", 1.0, (1.6, 1.2, 6, 5), mask)))
    assert seen.shape == (4, 4, 3)
    assert (seen[1:3] == 200).all()
    assert (seen[0] == 0x99).all()
    assert (np.asarray(crop(image, Found("bench", 1.0, (1.6, 1.2, 6, 5)))) == 200).all()
    assert crop(image, Found("bench", 1.0, (3.1, 3.2, 3.3, 3.4))).size == (1, 1)
    assert (image == 200).all()


def test_a_colour_is_the_nearest_by_clip():
    names = ColourNames(str(CLIP), CPU)
    image = pictures(1)[0]
    group = [Found("bench", 1.0, (x, x, x + 20, x + 15)) for x in (0, 10, 20)]
    tokens = {"truncation": True, "max_length": 16, "padding": True, "return_tensors": "pt"}
    pixels = names.processor(images=[crop(image, item) for item in group], return_tensors="pt").pixel_values
    similar = torch.zeros(3, 10)
    for index, colour in enumerate(COLOURS):
        texts = [
            f"a photo of a {colour} bench",
            f"a photo of a {colour}-colored bench",
            f"a photo of a {colour} object",
        ]
        with torch.no_grad():
            said = names.model(**names.tokenizer(texts, **tokens), pixel_values=pixels)
        mean = said.text_embeds.mean(0)
        similar[:, index] = said.image_embeds @ (mean / mean.norm())
    expected = [COLOURS[index] for index in similar.argmax(-1)]
    assert names(image, "bench", group) == expected
    assert names(image, "bench", group[1:]) == expected[1:]


def test_a_clip_that_knows_colours_names_them(monkeypatch):
    monkeypatch.setattr(
        geneval_models, "SENTENCES", ("a {} {}",)
    )  # the bundled model knows short prompts only
    names, rng = ColourNames(str(CLIP), CPU), np.random.default_rng(0)
    for colour in ("red", "green", "blue", "purple"):
        image = draw(f"a {colour} square", rng)
        assert names(image, "square", [Found("square", 1.0, (0, 0, 64, 64))]) == [colour]


RED, GREEN = draw("a red square", np.random.default_rng(0)), draw("a green square", np.random.default_rng(0))


@pytest.fixture
def seeing(monkeypatch):
    """Lets the detector see what the test says."""

    def see(*objects):
        whole = (0.0, 0.0, 64.0, 64.0)
        found = [Found(name, score, box) for name, score, box in ((*item, whole)[:3] for item in objects)]

        def look(self, images, threshold):
            yield from [[item for item in found if item.score >= threshold]] * len(images)

        monkeypatch.setattr(Detector, "__call__", look)

    return see


def asking(tag="single_object", **columns) -> Prompt:
    return Prompt(f"a photo for {tag}", {"tag": tag, **columns})


def test_a_detection_counts_above_the_threshold_of_its_tag(yolos, seeing):
    score, bench = geneval(yolos, device="cpu"), [{"class": "bench", "count": 1}]
    prompts = [asking(include=bench), asking("counting", include=bench), Prompt("a", {"include": bench})]
    for certainty, expected in ((0.3, [0, 0, 0]), (0.31, [1, 0, 1]), (0.9, [1, 0, 1]), (0.91, [1, 1, 1])):
        seeing(("bench", certainty))
        assert score([RED] * 3, prompts) == expected
    seeing(("bench", 0.6))
    assert geneval(yolos, threshold=0.7, counting_threshold=0.5, device="cpu")([RED] * 3, prompts) == [
        0,
        1,
        0,
    ]


def test_a_prompt_that_asks_for_nothing_cannot_be_scored(yolos, seeing):
    seeing(("bench", 0.95))
    score = geneval(yolos, device="cpu")
    prompts = [
        Prompt("a"),
        asking(include=[{"class": "bench", "count": 1}]),
        asking(include=[]),
        asking(include=None),
    ]
    assert score([RED] * 4, prompts) == [None, 1.0, None, None]
    assert score([RED], [Prompt("a")]) == [None]
    assert score([], []) == []


def test_strict_and_graded_follow_the_rules(yolos, seeing):
    seeing(
        ("bench", 0.99, (0, 0, 9, 9)), ("bench", 0.98, (50, 50, 60, 60)), ("motorcycle", 0.97, (0, 40, 9, 60))
    )
    include = [
        {"class": "bench", "count": 2},
        {"class": "motorcycle", "count": 1, "position": ["below", 0]},
    ]
    prompts = [asking(include=include), asking(include=include[:1], exclude=[{"class": "bench", "count": 2}])]
    assert geneval(yolos, device="cpu")([RED] * 2, prompts) == [0.0, 0.0]
    graded = geneval(yolos, strict=False, device="cpu")([RED] * 2, prompts)
    assert graded == [pytest.approx(2 / 3), 1.0]


@pytest.mark.parametrize("strict", [True, False])
def test_colours_are_looked_up_in_the_image(yolos, seeing, monkeypatch, strict):
    monkeypatch.setattr(geneval_models, "SENTENCES", ("a {0} square",))
    seeing(("bench", 0.95))
    score = geneval(yolos, clip=str(CLIP), strict=strict, device="cpu")
    green = asking("colors", include=[{"class": "bench", "count": 1, "color": "green"}])
    wrong = 0.0 if strict else 0.5
    assert score([GREEN, RED], [green, green]) == [1.0, wrong]
    assert score([RED, GREEN, GREEN, RED], [Prompt("a"), green, Prompt("a"), green]) == [
        None,
        1.0,
        None,
        wrong,
    ]


def test_the_whole_way_with_a_random_detector(mask2former):
    score = geneval(mask2former, str(CLIP), strict=False, threshold=0.0, counting_threshold=0.0, device="cpu")
    include = [{"class": name, "count": 1, "color": "red"} for name in ("person", "bench", "motorcycle")]
    scores = score(pictures(3), [asking(include=include)] * 3)
    detector = Detector(mask2former, CPU)
    for value, found in zip(scores, detector(pictures(3), 0.0), strict=True):
        seen = [sum(item.name == want["class"] for item in found) for want in include]
        counts = [1 - abs(1 - number) for number in seen]
        coloured = value * 6 - sum(counts)  # the rest of the six degrees is the colours'
        assert coloured == pytest.approx(round(coloured))
        assert 0 <= round(coloured) <= seen.count(1)


def complaint(*args, prompt=None, **options) -> str:
    with pytest.raises(RewardError) as caught:
        geneval(*args, **{"device": "cpu"} | options)([RED], [prompt])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_does_not_fit_is_refused_at_the_start(yolos, tmp_path):
    assert f"no folder {tmp_path}/none; download a detector trained on COCO there" in complaint(
        f"{tmp_path}/none"
    )
    assert "no folder facebook/mask2former-swin-small-coco-instance" in complaint(
        "facebook/mask2former-swin-small-coco-instance"
    )
    assert f"{tmp_path} cannot be loaded as AutoConfig" in complaint(str(tmp_path))
    assert f"{CLIP} cannot be loaded as AutoModelForUniversalSegmentation" in complaint(str(CLIP))
    assert "no folder" in complaint(yolos, clip="openai/clip")
    assert "no folder 7" in complaint(7)
    damaged = shutil.copytree(yolos, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    assert f"{damaged} cannot be loaded as AutoModelForObjectDetection" in complaint(str(damaged))
    (damaged / "model.safetensors").unlink()
    assert f"{damaged} cannot be loaded as AutoModelForObjectDetection" in complaint(str(damaged))
    assert "device 'gpu' cannot be used here" in complaint(yolos, device="gpu")
    for value in (-0.1, 1, "0.3", True):
        assert f"threshold must be at least 0 and below 1, not {value!r}" in complaint(yolos, threshold=value)
    assert "counting_threshold must be" in complaint(yolos, counting_threshold=2)


def test_columns_that_do_not_fit_are_told_with_their_prompt(yolos):
    where = "reward geneval: prompt 'a photo for single_object'"
    message = complaint(yolos, prompt=asking(include="bench"))
    assert message == f"{where}: include must be a list of entries, not 'bench'"
    bench = [{"class": "bench", "count": 1}]
    assert f"{where}: exclude entry 0, count: " in complaint(
        yolos, prompt=asking(include=bench, exclude=[{"class": "bench", "count": 0}])
    )
    unknown = asking(include=[{"class": "motorcycles", "count": 1}])
    assert "the detector knows no class 'motorcycles'; did you mean motorcycle?" in complaint(
        yolos, prompt=unknown
    )
    coloured = asking(include=[{"class": "bench", "count": 1, "color": "red"}])
    assert "asks for a colour: give the option clip" in complaint(yolos, prompt=coloured)


def test_it_is_loaded_by_name_with_its_options(yolos, monkeypatch, seeing):
    monkeypatch.setitem(rewards.BUILT_IN, "geneval", "burnish.rewards.geneval:geneval")
    seeing(("bench", 0.95))
    score = load_reward("geneval", {"detector": yolos, "strict": False, "device": "auto"})
    assert score([RED], [asking(include=[{"class": "bench", "count": 2}])]) == [0.5]
    with pytest.raises(RewardError, match="reward geneval needs the option detector"):
        load_reward("geneval", {})
