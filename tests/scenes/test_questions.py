"""Questions over scenes: answers worked out again from the layout, splits kept apart, a reader that loads."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
import torch

from burnish.errors import DataError
from burnish.scenes import reader, warmup
from burnish.scenes.grammar import COLORS, HELD_OUT_PAIRS, PLURALS, SHAPES
from burnish.scenes.models import bundled
from burnish.scenes.questions import CELLS, SIDE, TASKS, Question, questions, reading_order

SINGULAR = {plural: shape for shape, plural in PLURALS.items()}


def told(question: Question) -> str:
    """The answer again, from the question's words and the objects alone."""
    words = re.findall(r"\w+", question.text)
    things = [(t.color, t.shape, *t.center) for t in question.plan.objects]
    colors = [w for w in words if w in COLORS]
    shapes = [SINGULAR.get(w, w) for w in words if SINGULAR.get(w, w) in SHAPES]
    if question.task in ("count", "total"):
        keep = [t for t in things if (not colors or t[0] in colors) and (not shapes or t[1] in shapes)]
        return str(len(keep))
    if question.task == "attribute":
        (thing,) = [t for t in things if t[0] in colors or t[1] in shapes]
        return thing[0] if shapes else thing[1]
    if question.task == "compare":
        counts = Counter(t[1] for t in things)
        return str(counts[shapes[0]] - counts[shapes[1]])
    (a,) = [t for t in things if t[1] == shapes[0]]
    (b,) = [t for t in things if t[1] == shapes[1]]
    dx, dy = a[2] - b[2], a[3] - b[3]
    side = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
    return "yes" if side in words else "no"


@pytest.mark.parametrize("split", ["train", "test", "ood", "total"])
def test_answers_are_right(split) -> None:
    for question in questions(split, 200, seed=3):
        if question.task != "ground":
            assert question.answer == told(question), question.text


def test_boxes_hold_their_object() -> None:
    for question in [q for q in questions("train", 100) if q.task == "ground"]:
        x1, y1, x2, y2 = map(int, re.findall(r"\d+", question.answer))
        thing = question.plan.objects[0]
        assert 0 <= x1 < x2 <= CELLS
        assert 0 <= y1 < y2 <= CELLS
        assert abs((x1 + x2) / 2 - thing.center[0] * CELLS) <= 0.75
        pixels = SIDE // CELLS
        inside = np.asarray(question.image(), dtype=float)[
            pixels * y1 : pixels * y2, pixels * x1 : pixels * x2
        ]
        assert (np.abs(inside - np.array(thing.rgb)).max(-1) < 12).any()


def test_splits_hold_what_they_say() -> None:
    for split in ("train", "test"):
        pairs = {(t.color, t.shape) for q in questions(split, 300) for t in q.plan.objects}
        assert not pairs & HELD_OUT_PAIRS
        assert {q.task for q in questions(split, 10)} == set(TASKS)
    for question in questions("ood", 100):
        assert (question.plan.objects[0].color, question.plan.objects[0].shape) in HELD_OUT_PAIRS
    assert {q.task for q in questions("total", 5)} == {"total"}
    scenes = [{str(q.plan) for q in questions(split, 300)} for split in ("train", "test")]
    assert not scenes[0] & scenes[1]


def test_questions_repeat_and_differ_by_seed() -> None:
    assert questions("train", 20, 1) == questions("train", 20, 1)
    assert questions("train", 20, 1) != questions("train", 20, 2)
    with pytest.raises(DataError, match="unknown questions scenes-vqa:zebra"):
        questions("zebra", 1)


def test_thoughts_name_the_objects_in_reading_order() -> None:
    question = questions("train", 1)[0]
    order = [(t.center[1], t.center[0]) for t in reading_order(question.plan)]
    assert order == sorted(order)
    assert question.target.count(",") >= len(question.plan.objects) - 1


@pytest.mark.parametrize("split", ["train", "total"])
def test_the_marks_of_a_thought_lead_to_the_answer(split) -> None:
    for question in questions(split, 200):
        plus, minus = question.target.count(" +"), question.target.count(" -")
        if question.task in ("count", "total"):
            assert (str(plus), minus) == (question.answer, 0)
        elif question.task == "compare":
            assert str(plus - minus) == question.answer
        else:
            assert (plus, minus) == (1, int(question.task == "relation"))
        if question.task == "attribute":
            (marked,) = re.findall(r"(\w+ \w+) \+", question.target)
            assert question.answer in marked.split()


def test_a_fresh_reader_is_seeded_and_learns() -> None:
    batch = questions("train", 8)
    first, words, pictures = reader.build([q.target for q in batch], seed=0)
    again, _, _ = reader.build([q.target for q in batch], seed=0)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    inputs = warmup.encode(batch, words, pictures, answered=True)
    assert words.decode(words(batch[4].target)["input_ids"], skip_special_tokens=True) == batch[4].target
    optimizer = torch.optim.AdamW(first.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = first(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_spoiled_answers_stay_within_their_task() -> None:
    batch = questions("train", 200)
    assert warmup.spoiled(batch, 0.0, 0) == batch
    spoiled = warmup.spoiled(batch, 1.0, 0)
    for before, after in zip(batch, spoiled, strict=True):
        assert after.answer in {q.answer for q in batch if q.task == before.task}
    assert 0.2 < np.mean([a.answer != b.answer for a, b in zip(batch, spoiled, strict=True)]) < 0.95


def test_the_bundled_reader_is_small() -> None:
    folder = bundled("scenes-reader")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
