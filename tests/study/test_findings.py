"""Numbers and words of studies whose runs are made up."""

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from tiny_study import pretend

from burnish.study import budget
from burnish.study.findings import board, sentence
from burnish.study.load import recipe_of
from burnish.study.plan import runs, trials
from burnish.study.record import record
from burnish.study.run import write
from burnish.study.tables import scores
from burnish.study.tuning import choose

FIVE = {"seeds": [0, 1, 2, 3, 4]}
NEAR = [0.1, 0.12, 0.11, 0.09, 0.1]


def finished(study, out, gains, base=0.4):
    """Runs whose scores rise in two steps by `gains[label][seed]`; None: no such run."""
    jobs = runs(study, out, {})
    for job in jobs:
        gain = gains[job.label][job.seed]
        if gain is not None:
            pretend(job, {"scenes_strict": [base, base, base + gain], "scenes_graded": [0.5, 0.6, 0.7]})
    return [job for job in jobs if job.folder.exists()]


def test_gains_areas_and_costs_by_hand(ask, tmp_path):
    study = ask()
    found = board(study, finished(study, tmp_path, {"plain": [0.1, 0.3], "power": [0.6, 0.0]}), study.primary)
    plain, power = found.rows
    assert plain.gains == pytest.approx([0.1, 0.3])
    assert (plain.gain.mean, plain.gain.se) == pytest.approx((0.2, 0.1))
    assert (plain.base.mean, plain.final.mean) == pytest.approx((0.4, 0.6))
    assert plain.area.mean == pytest.approx(0.4 + 0.2 / 4)
    assert found.target == pytest.approx(
        0.4 + 0.2 / 3
    )  # the mean of three evaluations, at the baseline's end
    assert (plain.reach, plain.reached) == (None, 1)
    assert (power.reach, power.reached) == (None, 1)
    assert plain.against is None
    assert power.against.difference.mean == pytest.approx(0.1)
    assert [spent for spent, _, _ in plain.curve] == [0, 4, 8]  # rollouts: two prompts of two a step
    assert plain.curve[2][1:] == pytest.approx((0.6, 0.1))


def test_a_baseline_that_falls_leaves_nothing_to_reach(ask, tmp_path):
    study = ask()
    found = board(
        study, finished(study, tmp_path, {"plain": [-0.1, -0.3], "power": [0.1, 0.1]}), study.primary
    )
    assert found.target is None
    assert [row.reach for row in found.rows] == [None, None]
    assert [row[-2:] for row in scores(study, found).rows] == [["–", "–"]] * 2


def test_curves_run_over_the_budget(ask, tmp_path):
    methods = {"plain": [], "power": ["sampling.prompts_per_step=1", "train.steps=4"]}
    study = ask(methods=methods, budget="evaluations")
    jobs = finished(study, tmp_path, {"plain": [0.1, 0.3], "power": [0.2, 0.4]})
    found = board(study, jobs, study.primary)
    whole, half = (budget.evaluations(recipe_of(study, label)) for label in methods)
    assert whole == half
    plain, power = found.rows
    assert [spent for spent, _, _ in plain.curve] == pytest.approx([0, whole / 2, whole])
    assert [spent for spent, _, _ in power.curve] == pytest.approx([0, whole / 2, whole])
    assert "network evaluations to 0.467" in scores(study, found).columns


def test_a_method_that_left_a_part_of_its_budget_is_told(ask, tmp_path):
    refilled = ["sampling.prompts_per_step=1", "sampling.refill=1"]
    study = ask(methods={"plain": [], "power": refilled})
    for job in runs(study, tmp_path, {}):
        pretend(job, {"scenes_strict": [0.4, 0.5, 0.6]}, issued=4 if job.label == "plain" else 3)
    told = record(study, "burnish study x", runs(study, tmp_path, {}), 4, [], [])
    assert told.notes[-1].startswith("power spent 6 of 8 rollouts (")
    assert not any("plain spent" in note for note in told.notes)


@pytest.mark.parametrize(
    ("others", "word"),
    [
        (
            [0.2, 0.22, 0.215, 0.19, 0.2],
            "better than plain, by +0.101 ± 0.001 (p < 0.001 after Holm, n = 5 seeds)",
        ),
        ([0.0, 0.02, 0.015, -0.01, 0.0], "worse than plain"),
        ([0.2, 0.02, 0.215, 0.0, 0.1], "undecided against plain"),
        ([0.2, 0.22, 0.21, 0.19, 0.2], "undecided against plain"),  # no spread at all: flips cannot decide
    ],
)
def test_better_and_worse_need_a_small_p(ask, tmp_path, others, word):
    study = ask(**FIVE)
    found = board(study, finished(study, tmp_path, {"plain": NEAR, "power": others}), study.primary)
    assert word in sentence(study, found.rows[1])
    assert sentence(study, found.rows[0]).startswith("plain gained +0.104 ± 0.005 over n = 5 seeds")


def test_many_methods_are_corrected_for(ask, tmp_path):
    labels = [f"m{i}" for i in range(6)]
    study = ask(methods={"plain": [], **{label: [] for label in labels}}, **FIVE)
    gains = {"plain": NEAR, **{label: [0.13, 0.14, 0.15, 0.13, 0.11] for label in labels}}
    rows = board(study, finished(study, tmp_path, gains), study.primary).rows[1:]
    assert all(row.against.p < 0.05 <= row.p for row in rows)
    assert {row.verdict for row in rows} == {"undecided"}


def test_missing_runs_leave_pairs_out(ask, tmp_path):
    study = ask()
    jobs = finished(study, tmp_path, {"plain": [0.1, 0.3], "power": [None, 0.2]})
    row = board(study, jobs, study.primary).rows[1]
    assert (row.gain.n, row.against.n, row.verdict) == (1, 1, "undecided")
    study, jobs = ask(), [job for job in jobs if job.label == "plain"]
    nothing = board(study, jobs, study.primary).rows[1]
    assert sentence(study, nothing) == "power has no finished run, so nothing is known."


def test_tuning_takes_the_best_mean_and_the_earlier_of_equals(ask, tmp_path):
    study = ask(grid={"all": {"train.lr": [1e-4, 2e-4, 3e-4]}}, tuning_seeds=[8, 9])
    finals = {"plain": [(0.5, 0.5), (0.4, 0.7), (0.6, 0.5)], "power": [(0.1, 0.1)] * 3}
    jobs = trials(study, tmp_path)
    for job in jobs:
        pretend(job, {"scenes_strict": [0.4, 0.4, finals[job.label][job.trial][job.seed - 8]]})
    chosen = {trial.label: trial for trial in choose(study, jobs) if trial.chosen}
    assert chosen["plain"].overrides == ["train.lr=0.0002"]
    assert chosen["plain"].final.mean == pytest.approx(0.55)
    assert chosen["power"].overrides == ["train.lr=0.0001"]
    tuned = runs(study, tmp_path, {label: trial.overrides for label, trial in chosen.items()})
    assert {job.recipe.train.lr for job in tuned if job.label == "plain"} == {2e-4}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.count = {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1


@pytest.mark.parametrize("more", [0, 4])
def test_the_pages_say_what_was_asked_and_found(ask, tmp_path, more):
    extra = {f"m{i}": [] for i in range(more)}
    graded = {"metric": "scenes_graded"}
    methods = {"plain": ["algorithm.preset=dance_grpo"], "power": ["algorithm.preset=slas"], **extra}
    study = ask(
        question="Is <it> better?",
        methods=methods,
        measures=[{"metric": "scenes_strict"}, graded],
        gaps=[{"proxy": graded, "truth": {"metric": "scenes_strict"}}],
    )
    jobs = finished(
        study, tmp_path, {"plain": [0.1, None], **{m: [0.2, 0.3] for m in methods if m != "plain"}}
    )
    told = record(study, "burnish study mine.yaml", jobs, 4, ["runs/plain-1 failed (exit code 1): x"])
    page = write(told, tmp_path)
    text, readme = page.read_text(), (tmp_path / "README.md").read_text()
    assert "Is &lt;it&gt; better?" in text
    assert readme.startswith("# Is <it> better?\n\n```sh\nburnish study mine.yaml\n```\n")
    for words in (text, readme):
        assert "runs/plain-1 failed (exit code 1): x" in words
        assert "algorithm.preset=slas" in words
        assert "undecided" in words
        assert "better than" not in words
    assert told.answers[1] in readme
    tags = Tags()
    tags.feed(text)
    assert tags.count["svg"] == (6 if not more else 2 + 4 * (more + 1))
    assert "script" not in tags.count
    numbers = json.loads((tmp_path / "study.json").read_text())
    assert numbers["measures"][0]["methods"]["power"]["gains"] == pytest.approx([0.2, 0.3])
    assert numbers["measures"][0]["methods"]["power"]["verdict"] == "undecided"
    for line in readme.splitlines():
        if line.startswith("!["):
            drawing = (tmp_path / line.partition("(")[2].rstrip(")")).read_text()
            assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
