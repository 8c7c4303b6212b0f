import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rewards.text.scoring import answered, score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.rewards.text.boxes import FRAMES, iou, read_box, read_json, read_point, scaled
from burnish.types import Completion, Prompt

UNIT = {"frame": "unit", "truth_frame": "unit"}
IOU, POINT = load_reward("box_iou", UNIT), load_reward("point_in_box", UNIT)
RIGHT = [0.0, 0.0, 0.5, 0.5]

SIDES = (
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).filter(lambda pair: pair[0] != pair[1]).map(sorted)
)
BOXES = st.tuples(SIDES, SIDES).map(lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1]))


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4),
        ((0, 0, 1, 1), (1, 0, 2, 1), 0.0),
        ((0, 0, 1, 1), (5, 5, 6, 6), 0.0),
    ],
)
def test_iou_by_hand(a, b, value):
    assert iou(a, b) == pytest.approx(value)


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_in_range(a, b):
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1


@given(st.tuples(*[st.integers(-1000, 1000)] * 2, *[st.integers(1, 1000)] * 2))
def test_iou_with_itself_is_one(drawn):
    x, y, w, h = drawn
    assert iou((x, y, x + w, y + h), (x, y, x + w, y + h)) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2, 3, 4]",
        "1,2,3,4",
        "(1.0, 2.0, 3.0, 4.0)",
        "(1,2),(3,4)",
        "[1,2,3e0,4]",
        '{"bbox_2d": [1, 2, 3, 4], "label": "cat"}',
        '[{"bbox_2d": [1, 2, 3, 4]}]',
        "[[1, 2, 3, 4]]",
        '```json\n[{"bbox": [1, 2, 3, 4]}]\n```',
        "``` [1, 2, 3, 4]```",
    ],
)
def test_a_box_is_read_from_its_usual_forms(text):
    assert read_box(text) == (1, 2, 3, 4)
    assert read_point(text) == (2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a box",
        "[1, 2, 3]",
        "[1, 2, 3, 4, 5]",
        "[3, 2, 1, 4]",
        "[1, 4, 3, 2]",
        "[1, 2, 1, 4]",
        "[1, 2, 3, 4] [1, 2, 3, 4]",
        "[1, 2, 3, 4] or so",
        "[[1, 2, 3, 4], [1, 2, 3, 4]]",
        '[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [1, 2, 3, 4]}]',
        '{"bbox_2d": "1234"}',
        '{"bbox_2d": {"1": 0, "2": 0, "3": 0, "4": 0}}',
        '{"box_2d": [1, 2, 3, 4]}',
        "[1, 2, 3, NaN]",
        "[-Infinity, 0, 1, Infinity]",
        "[0, 0, 1e999, 1e999]",
        "[0, 0, nan, inf]",
        f"[0, 0, 1, {'9' * 400}]",
        f"[0, 0, 1, {'9' * 100_000}]",
        "[1,2,3,4]," * 20_000,
        "[[1,2,3,4]," * 20_000,
        "[" * 100_000,
        "```" + " " * 100_000 + "x```",
        "```json" + "\n" * 100_000,
        "-" * 100_000,
    ],
)
def test_whatever_is_not_one_box_is_none(text):
    assert read_box(text) is None
    assert read_point(text) is None
    assert answered(IOU, text, RIGHT) == answered(POINT, text, RIGHT) == 0.0


@pytest.mark.parametrize(
    "text", ["0.5, 0.25", "[0.5, 0.25]", "(0.5,0.25)", '{"point_2d": [0.5, 0.25], "label": "a"}']
)
def test_a_point_is_read_from_its_usual_forms(text):
    assert read_point(text) == (0.5, 0.25)


def test_json_is_all_of_the_text():
    assert read_json('```json\n{"a": 1}\n```') == {"a": 1}
    assert [read_json(text) for text in ('here: {"a": 1}', "```", "``````", "````", "")] == [None] * 5


@pytest.mark.parametrize(
    ("said", "earned"),
    [
        ("[0, 0, 0.5, 0.5]", 1.0),
        ("[0.25, 0, 0.75, 0.5]", 1 / 3),
        ("[0, 0, 1, 1]", 1 / 4),
        ("[0, 0, 1000000, 1000000]", 0.0),
        ("[-1000, -1000, 1000, 1000]", 0.0),
        ("[0, 0, 1e308, 1e308]", 0.0),
        ("[-1e308, -1e308, 1e308, 1e308]", 0.0),
        ("[0.5, 0.5, 0, 0]", 0.0),
        ("[-0.5, -0.5, 0, 0]", 0.0),
        ("[0.6, 0.6, 0.9, 0.9]", 0.0),
    ],
)
def test_a_box_earns_its_overlap(said, earned):
    assert answered(IOU, said, RIGHT) == pytest.approx(earned, abs=1e-6)
    enough = load_reward("box_iou", {**UNIT, "threshold": 0.3})
    assert answered(enough, said, str(RIGHT)) == pytest.approx(earned if earned > 0.3 else 0.0)


@given(BOXES.map(list))
def test_no_box_earns_more_than_the_right_one(said):
    assert 0 <= answered(IOU, str(said), RIGHT) <= answered(IOU, str(RIGHT), RIGHT) == 1.0


@pytest.mark.parametrize(
    ("said", "earned"),
    [
        ("0.25, 0.25", 1.0),
        ("0.5, 0.5", 1.0),
        ("0.51, 0.5", 0.0),
        ("-0.1, 0.2", 0.0),
        ("[0.1, 0.1, 0.2, 0.2]", 1.0),
        ("[0, 0, 1.2, 1.2]", 0.0),
        ("0.25, 0.25, 0.3", 0.0),
        ("(0.25, 0.25), (0.9, 0.9), (0.1, 0.9)", 0.0),
        ("[[0.25, 0.25], [0.9, 0.9]]", 0.0),
        ("[0.2, 0.2, 0.1, 0.1]", 0.0),
        ("nan, nan", 0.0),
        ("", 0.0),
    ],
)
def test_one_point_must_lie_in_the_box(said, earned):
    assert answered(POINT, said, RIGHT) == earned


SIZES = {"width": 200, "height": 100, "resized_width": 400, "resized_height": 50}
SAME = {
    "pixels": [50, 25, 100, 100],
    "resized": [100, 12.5, 200, 50],
    "thousand": [250, 250, 500, 1000],
    "unit": [0.25, 0.25, 0.5, 1],
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("truth_frame", FRAMES)
def test_a_box_is_the_same_in_every_frame(frame, truth_frame):
    frames = {"frame": frame, "truth_frame": truth_frame}
    for name in ("box_iou", "point_in_box"):
        earned = answered(load_reward(name, frames), str(SAME[frame]), SAME[truth_frame], **SIZES)
        assert earned == pytest.approx(1.0)


def test_the_picture_gives_its_size():
    prompt = Prompt("q", {}, images=(Image.new("RGB", (20, 10)),))
    assert scaled((5, 5, 10, 10), "pixels", prompt) == (0.25, 0.5, 0.5, 1.0)
    sized = Prompt("q", {"width": 40, "height": 20}, images=prompt.images)
    assert scaled((5, 5, 10, 10), "pixels", sized) == (0.125, 0.25, 0.25, 0.5)


@pytest.mark.parametrize(
    "size", [{}, {"width": 5}, {"width": 0, "height": 5}, {"width": "wide", "height": 5}]
)
def test_an_unknown_size_is_an_error(size):
    reward = load_reward("box_iou", {"frame": "pixels", "truth_frame": "unit"})
    with pytest.raises(RewardError, match="frame pixels need the columns width and height"):
        answered(reward, "[0, 0, 1, 1]", RIGHT, **size)
    reward = load_reward("point_in_box", {"frame": "resized", "truth_frame": "unit"})
    with pytest.raises(RewardError, match="frame resized need the columns resized_width and resized_height"):
        answered(reward, "1, 1", RIGHT, width=5, height=5)


@pytest.mark.parametrize("reward", [IOU, POINT])
@pytest.mark.parametrize("right", ["here", [3, 3, 1, 1], [1, 2, 3], ["a", 1, 2, 3], {"cat": [1, 2, 3, 4]}])
def test_a_truth_that_is_no_box_is_an_error(reward, right):
    with pytest.raises(RewardError, match="of 'What is shown\\?' is not a box \\[x1, y1, x2, y2\\]"):
        answered(reward, "[0, 0, 1, 1]", right)


@pytest.mark.parametrize("name", ["box_iou", "point_in_box", "box_map"])
def test_frames_must_be_declared(name):
    with pytest.raises(
        RewardError, match="the frame 'percent' of a box is unknown: choose pixels, resized, thous"
    ):
        load_reward(name, {"frame": "percent", "truth_frame": "unit"})
    with pytest.raises(RewardError, match="the frame None of a box is unknown"):
        load_reward(name, {"frame": "unit", "truth_frame": None})
    with pytest.raises(RewardError, match=f"reward {name} needs the option truth_frame"):
        load_reward(name, {"frame": "unit"})
    with pytest.raises(RewardError, match="where='all' is not"):
        load_reward(name, {**UNIT, "where": "all"})


@pytest.mark.parametrize("threshold", [-0.1, 1.1, "0.5", float("nan")])
def test_a_threshold_is_a_share(threshold):
    with pytest.raises(RewardError, match="reward box_iou: threshold must be a number from 0 to 1, not"):
        load_reward("box_iou", {**UNIT, "threshold": threshold})


def test_only_the_declared_place_counts():
    reward = load_reward("box_iou", {**UNIT, "where": "boxed", "column": "mine"})
    assert score(reward, r"\boxed{0, 0, 0.5, 0.5}", mine=RIGHT) == 1.0
    assert score(reward, r"\boxed{0, 0, 0.5, 0.5} \boxed{0, 0, 1, 1}", mine=RIGHT) == 0.0
    with pytest.raises(RewardError, match="no column mine"):
        reward([Completion("")], [Prompt("q", {"answer": RIGHT})])
