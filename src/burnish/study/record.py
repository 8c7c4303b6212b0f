"""Everything that is to be told of a study: its setting, its numbers, how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from burnish import __version__
from burnish.recipes.schema import Recipe
from burnish.study.alarms import LEVEL, MARGIN, Judged, Rates, judge, rates
from burnish.study.analysis import WINDOW
from burnish.study.budget import BUDGETS, UNITS, rollouts
from burnish.study.curves import read_watched
from burnish.study.findings import Board, board, seeds, sentence, unspent
from burnish.study.load import recipe_of
from burnish.study.parting import Parting, parting
from burnish.study.plan import Job
from burnish.study.schema import Gap, Study
from burnish.study.tuning import Trial

GAP = (
    "How far the proxy has run ahead of the truth: the proxy's gain minus the truth's, each in standard "
    "deviations over prompts of the base model. A rising line is a reward that is being cheated. What moves "
    "little parts little, so the second figure draws the truth's gain against the proxy's, and the table "
    "reads the truth where the proxy has first gained what it gained in every run: the higher, the less the "
    "same proxy cost. Paired t-tests over seeds, corrected for the number of methods."
)
ALARM = (
    "The alarm, replayed from scores.jsonl. The prompts of each run are split at random: the alarm hears one "
    "half, the other says whether the run hacked, then the other way round, so every run gives two "
    "judgements. Hacked: by the last evaluation the held-out reward had fallen from its best while the "
    f"training reward rose, each by a paired t-test at {LEVEL:g} / evaluations. Not hacked: since every "
    "earlier evaluation the held-out reward fell, or the training reward rose, by less than "
    f"{MARGIN:g} standard deviations over prompts, each by such a test at {LEVEL / 2:g}. Else open. A false "
    "alarm rang in a run that did not hack; a missed one was silent in a run that did. In brackets Wilson's "
    "95 % interval, with runs, not judgements, as n."
)
RINGING = (
    "Confirmed: the other half agrees that the two had parted where the alarm said so. Saved: the held-out "
    "reward, on the other half, of the checkpoint that evaluation.alarm: stop would have exported, less that "
    "of the last; ± is one standard error over runs. Steps are medians. An alarm on half of the prompts "
    "hears less than the run's own."
)


@dataclass(frozen=True)
class Record:
    """A study and what came of it.

    Attributes:
        study: what was asked.
        command: what was typed.
        jobs: the finished runs.
        planned: how many runs there were to be.
        failures: a sentence for each run that failed.
        trials: of tuning; empty without.
        boards: a board for each measure, the deciding one first.
        pairs: the numbers of each pair of proxy and truth.
        judged: the alarm's judgements, of the runs that watched a held-out reward.
    """

    study: Study
    command: str
    jobs: Sequence[Job]
    planned: int
    failures: Sequence[str]
    trials: Sequence[Trial]
    boards: Sequence[Board]
    pairs: Sequence[Parting]
    judged: Sequence[Judged]

    @property
    def answers(self) -> list[str]:
        """One sentence a method, on the measure that decides."""
        return [sentence(self.study, row) for row in self.boards[0].rows]

    @property
    def alarms(self) -> list[Rates]:
        """How often the alarm rang, and rightly, by method and for all."""
        return rates(self.judged, list(self.study.methods))

    @property
    def rung(self) -> bool:
        """Whether it rang at all."""
        return any(each.rang is not None for each in self.judged)

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """The setting that all methods share, by name."""
        study = self.study
        recipe = recipe_of(study, study.baseline)
        sampling, held_out = recipe.sampling, recipe.evaluation
        batch = f"{sampling.prompts_per_step} prompts × {sampling.group_size}"
        several = f", {held_out.group_size} samples each" if held_out.group_size > 1 else ""
        often = {recipe_of(study, label).evaluation.every for label in study.methods}
        when = f"every {often.pop()} steps" if len(often) == 1 else "as often as each method says"
        effort = f"{len(study.trials(study.baseline))} trials a method, seeds {_listed(study.tuning_seeds)}"
        return [
            ("Model", f"{recipe.model.path} on {recipe.data.prompts}"),
            ("Budget of a run", self._budget(recipe, batch)),
            ("Seeds", _listed(study.seeds)),
            ("Held out", f"{held_out.count} prompts a set{several}, {when}"),
            ("Tuning", effort if self.trials else "none"),
            ("Runs", f"{len(self.jobs)} of {self.planned} finished"),
        ]

    def _budget(self, recipe: Recipe, batch: str) -> str:
        if self.study.budget == "rollouts":
            return f"{rollouts(recipe):,} rollouts: {recipe.train.steps} steps of {batch}"
        spent = BUDGETS[self.study.budget](recipe)
        return f"{spent:,.0f} {UNITS[self.study.budget]}, in steps as each method says"

    @property
    def notes(self) -> list[str]:
        """How to read the numbers."""
        study, n = self.study, len(self.study.seeds)
        tuned = "Tuning looked at the same measure with other seeds, as often for every method. "
        return [
            f"The measure that decides is {study.primary}, chosen beforehand; others are there to be looked "
            "at. Gains are over each run's own base; ± is one standard error over seeds. A method is called "
            "better or worse only where p < 0.05 in a paired t-test over seeds, after Holm's correction for "
            "the number of methods; where the differences have no spread, the test of sign flips stands in. "
            + (tuned if self.trials else "")
            + f"Sign flips assume no bell curve, and with {seeds(n)} their p is at least {2 / 2**n:.3g}.",
            "“Mean on the way” is the area under the curve over its length. "
            f"“{UNITS[study.budget].capitalize()} to” is what had been spent when the mean of the last "
            f"{WINDOW} scores first came to where {study.baseline}'s was in the end: the median over seeds; "
            "a dash where that is no higher than the base.",
            *filter(None, (unspent(study, row) for row in self.boards[0].rows)),
        ]

    def as_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return {
            "study": self.study.model_dump(mode="json"),
            "command": self.command,
            "burnish": __version__,
            "setting": dict(self.facts),
            "runs": [{"label": job.label, "seed": job.seed, "folder": str(job.folder)} for job in self.jobs],
            "failures": list(self.failures),
            "answers": self.answers,
            "measures": [
                {
                    **each.measure.model_dump(),
                    "target": each.target,
                    "methods": {row.label: {**asdict(row), "verdict": row.verdict} for row in each.rows},
                }
                for each in self.boards
            ],
            "gaps": [
                {
                    **each.pair.model_dump(),
                    "level": each.level,
                    "methods": {row.label: asdict(row) for row in each.rows},
                }
                for each in self.pairs
            ],
            "alarms": [asdict(each) for each in self.alarms],
            "judged": [asdict(each) for each in self.judged],
            "tuning": [asdict(trial) for trial in self.trials],
        }


def record(
    study: Study,
    command: str,
    jobs: Sequence[Job],
    planned: int,
    failures: Sequence[str] = (),
    trials: Sequence[Trial] = (),
) -> Record:
    """Reads the finished runs and counts."""
    boards = [board(study, jobs, measure) for measure in study.measures]
    pairs = [parting(study, jobs, pair) for pair in study.gaps]
    places = {label: place for place, label in enumerate(study.methods)}
    judged = [way for job in jobs for run in read_watched(job) for way in judge(run, places[run.label])]
    return Record(study, command, jobs, planned, failures, trials, boards, pairs, judged)


def title(pair: Gap) -> str:
    """As a heading."""
    return f"{pair.proxy} against {pair.truth}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
