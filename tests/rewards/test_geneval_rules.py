"""GenEval's rules on boxes made by hand; image coordinates, so that a larger y is lower."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.rewards.geneval_rules import COLOURS, Found, graded, keep, read_wants, relations, strict


def found(name: str, score: float = 0.95, x: float = 0, y: float = 0, size: float = 10, colour: str = "red"):
    """A square object; its colour is what the colour function below says."""
    item = Found(name, score, (x, y, x + size, y + size))
    PAINT[item] = colour
    return item


PAINT: dict[Found, str] = {}


def colours_of(name, group):
    assert group
    assert all(item.name == name for item in group)
    return [PAINT[item] for item in group]


def both(items, include, exclude=()) -> tuple[float, float]:
    """The strict and the graded verdict."""
    objects, wants = keep(items, 0.3), read_wants(include)
    return (
        strict(objects, wants, read_wants(list(exclude)), colours_of),
        pytest.approx(graded(objects, wants, colours_of)),
    )


BENCH = [{"class": "bench", "count": 1}]
BENCH_AND_DOG = [*BENCH, {"class": "dog", "count": 1}]


def test_single_object():
    assert both([found("bench")], BENCH) == (1.0, 1.0)
    assert both([found("bench"), found("dog")], BENCH) == (1.0, 1.0)
    assert both([found("bench"), found("bench")], BENCH) == (1.0, 0.0)  # more than one is one; graded counts
    assert both([found("bench")] * 4, BENCH) == (1.0, -2.0)
    assert both([found("dog")], BENCH) == (0.0, 0.0)
    assert both([], BENCH) == (0.0, 0.0)


def test_two_object():
    assert both([found("bench"), found("dog")], BENCH_AND_DOG) == (1.0, 1.0)
    assert both([found("dog")], BENCH_AND_DOG) == (0.0, 0.5)
    assert both([found("dog"), found("dog"), found("bench")], BENCH_AND_DOG) == (1.0, 0.5)


@pytest.mark.parametrize(("count", "verdict", "degree"), [(0, 0, 0), (2, 0, 2 / 3), (3, 1, 1), (4, 0, 2 / 3)])
def test_counting(count, verdict, degree):
    include, exclude = [{"class": "clock", "count": 3}], [{"class": "clock", "count": 4}]
    assert both([found("clock")] * count, include, exclude) == (verdict, degree)


def test_exclude_alone_refuses():
    assert both([found("bench"), found("dog")], BENCH, [{"class": "dog", "count": 1}]) == (0.0, 1.0)
    assert both([found("bench"), found("dog")], BENCH, [{"class": "dog", "count": 2}]) == (1.0, 1.0)
    two = [{"class": "cat", "count": 1}, {"class": "dog", "count": 1}]
    assert both([found("bench"), found("dog")], BENCH, two)[0] == 0.0  # one unwanted class is enough


def test_colors():
    include = [{"class": "car", "count": 1, "color": "blue"}]
    assert both([found("car", colour="blue")], include) == (1.0, 1.0)
    assert both([found("car", colour="red")], include) == (0.0, 0.5)
    assert both([], include) == (0.0, 0.0)
    # of two cars the surer one is looked at; graded sees none, since the count is wrong
    surer_blue = [found("car", 0.8, colour="red"), found("car", 0.9, colour="blue")]
    assert both(surer_blue, include) == (1.0, 0.0)
    assert both([found("car", 0.8, colour="blue"), found("car", 0.9)], include) == (0.0, 0.0)


def test_colours_of_several():
    include = [{"class": "car", "count": 3, "color": "blue"}]
    cars = [found("car", colour=colour) for colour in ("blue", "red", "blue")]
    assert both(cars, include) == (0.0, (1 + 2 / 3) / 2)
    assert both(cars[:2], include) == (0.0, (2 / 3 + 0) / 2)


def test_color_attr():
    include = [
        {"class": "car", "count": 1, "color": "blue"},
        {"class": "dog", "count": 1, "color": "pink"},
    ]
    car, dog = found("car", colour="blue"), found("dog", colour="pink")
    assert both([car, dog], include) == (1.0, 1.0)
    assert both([car, found("dog", colour="blue")], include) == (0.0, 0.75)
    assert both([found("car", colour="pink"), found("dog", colour="blue")], include) == (0.0, 0.5)
    assert both([car], include) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("relation", "x", "y"), [("left of", 0, 50), ("right of", 100, 50), ("above", 50, 0), ("below", 50, 100)]
)
def test_position(relation, x, y):
    include = [*BENCH, {"class": "dog", "count": 1, "position": [relation, 0]}]
    bench, there, opposite = found("bench", x=50, y=50), (x, y), (100 - x, 100 - y)
    assert both([bench, found("dog", x=there[0], y=there[1])], include) == (1.0, 1.0)
    assert both([bench, found("dog", x=opposite[0], y=opposite[1])], include) == (0.0, 2 / 3)
    assert both([bench, found("dog", x=51, y=51)], include) == (0.0, 2 / 3)
    assert both([bench], include) == (0.0, 1 / 3)
    assert both([found("dog", x=x, y=y)], include) == (0.0, 1 / 3)  # nothing to stand beside


def test_every_counted_object_must_stand_there():
    include = [{"class": "cat", "count": 2}, {"class": "dog", "count": 2, "position": ["left of", 0]}]
    cats = [found("cat", x=100), found("cat", x=140)]
    assert both([*cats, found("dog", x=0), found("dog", x=30)], include) == (1.0, 1.0)
    assert both([*cats, found("dog", x=0), found("dog", x=120)], include) == (0.0, 2 / 3)


def test_a_target_that_failed_its_own_wish_is_none():
    include = [
        {"class": "cat", "count": 1, "color": "blue"},
        {"class": "dog", "count": 1, "color": "red", "position": ["left of", 0]},
    ]
    dog = found("dog", x=0)
    assert both([found("cat", x=99, colour="blue"), dog], include) == (1.0, 1.0)
    assert both([found("cat", x=99, colour="pink"), dog], include) == (0.0, (1 + 0 + 1 + 1 + 0) / 5)
    assert both([found("cat", x=99, colour="blue"), found("dog", colour="blue")], include) == (0.0, 3 / 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # boxes of 10 × 10: the centres must differ by more than 0.1 · (10 + 10) = 2 along an axis
        ((0, 0, 10, 10), (0, 0, 10, 10), set()),
        ((2, 0, 12, 10), (0, 0, 10, 10), set()),
        ((3, 0, 13, 10), (0, 0, 10, 10), set()),  # 1 / 3 of the distance is left
        ((4, 0, 14, 10), (0, 0, 10, 10), set()),  # 2 / 4, not more than half
        ((4.1, 0, 14.1, 10), (0, 0, 10, 10), {"right of"}),
        ((5, 0, 15, 10), (0, 0, 10, 10), {"right of"}),
        ((-5, 0, 5, 10), (0, 0, 10, 10), {"left of"}),
        ((0, 30, 10, 40), (0, 0, 10, 10), {"below"}),
        ((0, -30, 10, -20), (0, 0, 10, 10), {"above"}),
        ((30, 30, 40, 40), (0, 0, 10, 10), {"right of", "below"}),
        ((30, 15, 40, 25), (0, 0, 10, 10), {"right of"}),
        # a wide box must be farther away
        ((10, 0, 110, 10), (0, 0, 100, 10), set()),
        ((50, 0, 150, 10), (0, 0, 100, 10), {"right of"}),
    ],
)
def test_relations_by_hand(a, b, expected):
    assert relations(Found("a", 1, a), Found("b", 1, b)) == expected


BOXES = st.tuples(*[st.floats(0, 100) for _ in range(4)]).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)
MIRROR = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@given(BOXES, BOXES)
def test_relations_mirror_and_never_contradict(a, b):
    one, other = relations(Found("a", 1, a), Found("b", 1, b)), relations(Found("b", 1, b), Found("a", 1, a))
    assert {MIRROR[relation] for relation in one} == other
    assert not any(MIRROR[relation] in one for relation in one)


def test_what_is_kept_is_above_the_threshold_sorted_and_at_most_sixteen():
    items = [found("dog", score) for score in (0.3, 0.31, 0.9)] + [found("cat", 0.29)]
    objects = keep(items, 0.3)
    assert list(objects) == ["dog"]
    assert [item.score for item in objects["dog"]] == [0.9, 0.31]
    many = keep([found("dog", 0.5 + index / 100) for index in range(20)], 0.3)["dog"]
    assert len(many) == 16
    assert many[-1].score == 0.54  # the least certain four went


def test_entries_are_read_with_the_detectors_spelling():
    want, relative = read_wants(
        [
            {"class": "sofa", "count": 2, "color": "pink"},
            {"class": "mouse", "position": ["left of", 0]},
        ]
    )
    assert (want.name, want.count, want.colour, want.position) == ("couch", 2, "pink", None)
    assert (relative.name, relative.count, relative.position) == ("computer mouse", 1, ("left of", 0))
    assert len(COLOURS) == 10


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("bench", "must be a list of entries, not 'bench'"),
        (3, "must be a list of entries, not '3'"),
        (["bench"], "entry 0: "),
        ([{"count": 1}], "entry 0, class: Field required"),
        ([{"class": "dog", "count": 0}], "entry 0, count: "),
        ([{"class": "dog", "count": "2"}], "entry 0, count: "),
        ([{"class": "dog", "count": 1}, {"class": "cat", "count": 1, "color": "teal"}], "entry 1, color: "),
        ([{"class": "dog", "colour": "red"}], "entry 0, colour: Extra inputs are not permitted"),
        ([{"class": "dog", "position": ["near", 0]}], "entry 0, position.0: "),
        ([{"class": "dog", "position": "left of"}], "entry 0, position: "),
        ([{"class": "dog", "position": ["left of", 0]}], "entry 0, position: entry 0 is not before it"),
        ([{"class": "dog", "position": ["left of", -1]}], "entry 0, position.1: "),
    ],
)
def test_entries_of_another_form_are_refused(rows, expected):
    with pytest.raises(ValueError, match=r"entry|list") as caught:
        read_wants(rows)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
