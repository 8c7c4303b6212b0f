from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import DataError
from burnish.scenes import grammar
from burnish.scenes.grammar import (
    COLORS,
    HELD_OUT_PAIRS,
    HELD_OUT_TRIPLES,
    SHAPES,
    Scene,
    Thing,
    parse,
    prompts,
)

SPLITS = ("train", "test", "ood")
EVERY = [text for split in SPLITS for text in prompts(split)]


@pytest.mark.parametrize(
    ("scene", "template", "text"),
    [
        (Scene("single_object", (Thing("circle"),)), 0, "a circle"),
        (Scene("colors", (Thing("ring", "orange"),)), 0, "an orange ring"),
        (Scene("colors", (Thing("star", "red", "small"),)), 1, "a picture of a small red star"),
        (Scene("two_objects", (Thing("circle"), Thing("star", None, "large"))), 0,
         "a circle and a large star"),
        (Scene("counting", (Thing("cross", None, None, 4),)), 3, "there are four crosses"),
        (Scene("counting", (Thing("square", "blue", None, 1),)), 3, "there is one blue square"),
        (
            Scene("position", (Thing("circle", "red"), Thing("star", "blue")), "left of"),
            2,
            "an image of a red circle left of a blue star",
        ),
        (
            Scene("color_attr", (Thing("square", "green"), Thing("ring", "yellow"))),
            0,
            "a green square and a yellow ring",
        ),
    ],
)  # fmt: skip
def test_text_and_parse_by_hand(scene, template, text):
    assert scene.text(template) == text
    assert parse(text) == scene


@settings(max_examples=200)
@given(st.sampled_from(EVERY))
def test_parse_inverts_text(text):
    scene = parse(text)
    assert text in [scene.text(t) for t in range(len(grammar.TEMPLATES))]
    assert all(parse(scene.text(t)) == scene for t in range(len(grammar.TEMPLATES)))


@pytest.mark.parametrize(
    "text",
    ["", "red", "a dog", "A circle", "a  circle", "an circle", "three red circle", "a red circle and a star",
     "a circle left of a circle", "two circles and a star", "there are a circle", "a red small star"],
)  # fmt: skip
def test_parse_refuses_what_is_not_in_the_language(text):
    with pytest.raises(DataError, match="cannot parse the prompt"):
        parse(text)


def test_splits_are_disjoint_sorted_and_large():
    assert len(EVERY) == len(set(EVERY))
    assert [prompts(s) == sorted(prompts(s)) for s in SPLITS] == [True] * 3
    assert len(prompts("train")) > 10_000
    trained, tested = len(prompts("train")), len(prompts("test"))
    assert 0.12 < tested / (trained + tested) < 0.18
    assert all(text == text.lower() and len(text.split()) <= 14 for text in EVERY)


def test_all_phrasings_of_a_scene_share_a_split():
    split_of = {text: split for split in SPLITS for text in prompts(split)}
    for text in prompts("test"):
        scene = parse(text)
        assert {split_of[scene.text(t)] for t in range(len(grammar.TEMPLATES))} == {"test"}


def test_held_out_compositions_appear_in_ood_only():
    def composed(text):
        scene = parse(text)
        pairs = {(t.color, t.shape) for t in scene.things if t.color}
        triple = (scene.things[0].shape, scene.relation, scene.things[-1].shape)
        return bool(pairs & HELD_OUT_PAIRS) or triple in HELD_OUT_TRIPLES

    assert not any(composed(text) for split in ("train", "test") for text in prompts(split))
    assert all(composed(text) for text in prompts("ood"))


def test_every_colour_and_shape_is_trained():
    assert len(HELD_OUT_PAIRS) == 12
    assert len(HELD_OUT_TRIPLES) == 24
    assert max(Counter(color for color, _ in HELD_OUT_PAIRS).values()) <= 2
    words = {word for text in prompts("train") for word in text.split()}
    assert words >= set(COLORS) | set(SHAPES) | set(grammar.PLURALS.values())


def test_mirror_images_are_held_out_together():
    assert {(b, grammar.MIRROR[r], a) for a, r, b in HELD_OUT_TRIPLES} == HELD_OUT_TRIPLES


def test_sample_is_uniform_over_categories_and_reproducible():
    rng = np.random.default_rng(0)
    drawn = [grammar.sample(rng, "train") for _ in range(1200)]
    counts = Counter(grammar.category(text) for text in drawn)
    assert set(counts) == set(grammar.CATEGORIES)
    assert min(counts.values()) > 150
    again = np.random.default_rng(0)
    assert [grammar.sample(again, "train") for _ in range(20)] == drawn[:20]
    assert set(drawn) <= set(prompts("train"))


def test_sample_names_colours_in_half_of_the_positions():
    rng = np.random.default_rng(1)
    named = [bool(parse(grammar.sample(rng, "train", "position")).things[0].color) for _ in range(400)]
    assert 0.4 < np.mean(named) < 0.6


def test_unknown_split_and_empty_category_are_refused():
    with pytest.raises(DataError, match="choose one of train, test, ood"):
        prompts("validation")
    assert "single_object" not in grammar.categories("ood")
    with pytest.raises(DataError, match="has no category 'single_object'"):
        grammar.sample(np.random.default_rng(0), "ood", "single_object")


@pytest.mark.parametrize("split", SPLITS)
def test_balanced_prompts_give_every_category_the_same_weight(split):
    texts = grammar.balanced(split, each=20)
    found = Counter(grammar.category(text) for text in texts)
    assert found == dict.fromkeys(grammar.categories(split), 20)
    assert set(texts) <= set(prompts(split))
    assert texts[: len(found)] == grammar.balanced(split, each=1)
