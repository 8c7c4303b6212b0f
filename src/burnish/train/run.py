"""A run from recipe to report: set up, loop, evaluate, checkpoint, and leave everything on disk.

Everything that can be refused is refused before the run folder is made.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from burnish.data.prompts import load_prompts
from burnish.engine import checkpoint, signals
from burnish.errors import CheckpointError, RecipeError, RunError
from burnish.evaluate.evaluate import EvaluationSet, evaluation_sets, means, measure
from burnish.policies.load import load_policy
from burnish.recipes.load import dump_yaml, load_recipe
from burnish.recipes.schema import Recipe
from burnish.report.card import write_card
from burnish.report.environment import environment
from burnish.report.events import EventLog, read_events
from burnish.report.html import write_report
from burnish.report.parting import in_words
from burnish.report.progress import Progress
from burnish.report.trackers import TensorBoard
from burnish.rewards.reward import Scores, load_rewards
from burnish.train import health, state
from burnish.train.loop import Trainer
from burnish.train.pictures import Pictures
from burnish.train.transcripts import illustrated, keep_transcripts
from burnish.train.watch import Watch, check_count


def train(recipe: Recipe) -> Path:
    """Trains from the beginning; returns the run folder.

    Raises:
        BurnishError: anything the user can mend, before the folder is made wherever possible.
    """
    folder = Path(recipe.run.dir)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"run.dir={str(folder)!r} already exists and is not empty; "
            f"continue it with `burnish resume {folder}` or choose another run.dir"
        )
    session = Session(recipe, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(dump_yaml(recipe), encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(environment(), indent=2) + "\n", encoding="utf-8")
    except OSError as problem:
        raise RunError(
            f"run.dir={str(folder)!r} cannot be written ({problem.strerror}); choose another"
        ) from None
    return session.run(start=0)


def resume(folder: Path, steps: int | None = None) -> Path:
    """Continues a run from its newest complete checkpoint, exactly as if it had not stopped.

    Args:
        folder: the run.
        steps: a new total number of training steps, if it is to change.

    Raises:
        RunError: `folder` is not a run.
        CheckpointError: it has no usable checkpoint.
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise RunError(f"{folder} is not a run: it holds no recipe.yaml")
    recipe = load_recipe(str(path), [f"train.steps={steps}"] if steps is not None else [])
    found = checkpoint.latest(folder / "checkpoints")
    if found.step > recipe.train.steps:
        raise RecipeError(f"{folder} is at step {found.step} already; --steps must be at least that")
    session = Session(recipe, folder)
    state.unpack(session.trainer, found)
    path.write_text(dump_yaml(recipe), encoding="utf-8")
    for sentence in found.skipped:
        session.notes.append(f"skipped a damaged checkpoint: {sentence}")
    return session.run(start=found.step)


class Session:
    """One process's stretch of a run.

    Args:
        recipe: the whole recipe.
        folder: the run folder.
    """

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe, self.folder = recipe, folder
        torch.manual_seed(recipe.run.seed)
        prompts = load_prompts(recipe.data.prompts, recipe.data.column, recipe.data.limit)
        self.sets = evaluation_sets(recipe.evaluation)
        check_count(recipe, len(self.sets[0].prompts))
        rewards = load_rewards(recipe.rewards)
        self.judges = load_rewards(recipe.evaluation.reward)
        if recipe.evaluation.held_out:
            self.judges = self.judges.joined(rewards)
        self.judges.check_groups(recipe.evaluation.group_size, "set evaluation.group_size to at least 2")
        critic = recipe.algorithm.advantage.name == "gae"
        self.policy = load_policy(recipe.model, recipe.run.device, recipe.run.seed, critic=critic)
        self.trainer = Trainer(recipe, self.policy, prompts, rewards)
        self.notes: list[str] = []
        self.held_out: float | None = None

    def run(self, start: int) -> Path:
        """Steps `start + 1` to the end, with evaluations, checkpoints and the report."""
        recipe, settings = self.recipe, self.recipe.train
        self.log = EventLog(self.folder / "metrics.jsonl")
        self.log.rewind(start or -1)  # step 0 is done over, with its evaluation
        self.sinks: list[Any] = [self.log]
        if recipe.run.tensorboard:
            self.sinks.append(TensorBoard(self.folder, start))
        self.watch = Watch(recipe, self.folder, start)
        self.pictures = Pictures(self.folder, recipe.evaluation.pictures)
        began = time.time()
        title = f"{recipe.algorithm.preset} on {recipe.model.path}"
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(signals.graceful())
            progress = stack.enter_context(Progress(settings.steps, title, start=start))
            for note in self.notes:
                progress.note(note)
            if start == 0:
                self._record("start", 0)
                self._evaluate(0, progress)
                self._save(0)
                progress.begin()
            else:
                self.held_out = self.trainer.history[-1]["held_out"] if self.trainer.history else None
            step, first = start, start + 1
            if self.watch.ended:
                progress.note(f"the alarm ended this run at step {start}; evaluation.alarm: warn goes on")
                first = settings.steps + 1
            for step in range(first, settings.steps + 1):
                metrics = self._train(step)
                self._record("train", step, **metrics)
                shown = {"reward": metrics["reward"], "held_out": self.held_out}
                progress.update(step, **{key: value for key, value in shown.items() if value is not None})
                last = step == settings.steps
                if last or step % recipe.evaluation.every == 0:
                    self._evaluate(step, progress)
                last = last or self.watch.ended
                if last or stop.stop or step in self.watch.kept or step % settings.checkpoint_every == 0:
                    self._save(step)
                if last:
                    break
                if stop.stop:
                    progress.note(f"stopped after step {step}; continue with: burnish resume {self.folder}")
                    write_report(self.folder)
                    return self.folder
            ended = any(e["kind"] == "end" and e["step"] == step for e in read_events(self.log.path))
            if not ended or not (self.folder / "model").exists():
                exported = self._export(step, progress)
                best = {"exported": exported} if self.watch.ended else {}
                self._record("end", step, seconds=time.time() - began, **best)
        write_report(self.folder)
        return self.folder

    def _record(self, kind: str, step: int, **fields: Any) -> None:
        for sink in self.sinks:
            sink.append(kind, step, **fields)

    def _train(self, step: int) -> dict[str, Any]:
        first = step == 1
        before = {name: p.detach().clone() for name, p in self.policy.parameters.items()} if first else {}
        metrics = self.trainer.step(step)
        findings = [
            health.reward_varies(metrics),
            health.ratio_is_one(metrics["ratio_drift"], self.recipe.algorithm.objective.clip_low),
            health.ledger_balances(self.trainer.counters),
        ]
        if first:
            findings.append(
                health.weights_moved(before, dict(self.policy.parameters), metrics["grad_norm"] > 0)
            )
            findings.append(self.trainer.noise_finding)
        for finding in findings:
            if first or not finding.ok:
                self._record("health", step, **finding._asdict())
        return metrics

    def _evaluate(self, step: int, progress: Progress) -> None:
        settings = self.recipe.evaluation
        for number, chosen in enumerate(self.sets):
            with self._averaged():
                outputs, scores = measure(
                    self.policy,
                    chosen,
                    self.judges,
                    steps=settings.steps,
                    rows=self.recipe.sampling.rows,
                    greedy=settings.greedy,
                    hybrid=settings.hybrid,
                )
            fields = means(chosen, scores)
            texts = [prompt.text for prompt in chosen.prompts]
            if self.policy.kind == "language":
                keep_transcripts(self.folder, chosen.slug, step, chosen.prompts, outputs)
                outputs, texts = illustrated(chosen.prompts[: self.pictures.count], outputs)
            grid = self.pictures.keep(chosen.slug, step, outputs, texts)
            self._record("evaluate", step, **fields, grid=grid)
            if number == 0:
                self._remember(step, fields)
                self._look(step, chosen, scores, progress)
        progress.note(self._sentence(step))

    def _look(self, step: int, chosen: EvaluationSet, scores: Scores, progress: Progress) -> None:
        """Has a held-out reward parted from the training reward? An alarm brings its evidence along."""
        for verdict in self.watch.look(step, scores):
            name, words = verdict["held_out"], in_words(verdict)
            if verdict.get("rings"):
                progress.note(f"HACKING ALARM at step {step}: {words}")
                verdict |= self._evidence(name, chosen)
            self._record("watch", step, set=chosen.name, **verdict)
            if "state" in verdict:
                ok = verdict["state"] != "hacking"
                message = words if verdict["state"] == "together" else f"{verdict['state']}: {words}"
                self._record("health", step, check=f"reward and {name} go together", ok=ok, message=message)

    def _evidence(self, name: str, chosen: EvaluationSet) -> dict[str, Any]:
        """Pictures, or files of transcripts, of the prompts that show best how reward and truth part."""
        if self.policy.kind == "language":
            which, steps, _ = self.watch.examples(name, len(chosen.prompts))
            files = [f"transcripts/{chosen.slug}_{step:06d}.jsonl" for step in steps]
            return {"prompts": which, "transcripts": files}
        which, steps, words = self.watch.examples(name, min(self.pictures.count, len(chosen.prompts)))
        texts = [prompt.text for prompt in chosen.prompts]
        of = f"parting {name}"
        grid = self.pictures.side_by_side(chosen.slug, of, steps, which, texts, words)
        return {"prompts": which, "grid": grid}

    def _remember(self, step: int, fields: dict[str, Any]) -> None:
        name = self.recipe.evaluation.reward[0].label
        self.held_out = fields.get(name)
        recent = [e["reward"] for e in read_events(self.log.path) if e["kind"] == "train"][-10:]
        recent = [value for value in recent if value is not None]
        if not recent or self.held_out is None:
            return
        mean = statistics.fmean(recent)
        error = statistics.stdev(recent) / len(recent) ** 0.5 if len(recent) > 1 else 0.0
        entry = {"step": step, "reward": mean, "reward_se": error, "held_out": self.held_out}
        self.trainer.history.append({**entry, "se": fields.get(f"{name}/se") or 0.0})
        if not self.watch.names:
            self._record("health", step, **health.not_hacking(self.trainer.history)._asdict())

    def _sentence(self, step: int) -> str:
        name = self.recipe.evaluation.reward[0].label
        rows = [e for e in read_events(self.log.path) if e["kind"] == "evaluate" and e["step"] == step]
        scores = [
            f"{row['set']} {row[name]:.3f} ± {row.get(f'{name}/se') or 0:.3f}"
            for row in rows
            if row.get(name) is not None
        ]
        return f"evaluation at step {step}: {name} " + ", ".join(scores)

    def _save(self, step: int) -> None:
        tensors, rest = state.pack(self.trainer)
        keep = self.recipe.train.keep_checkpoints
        checkpoint.save(self.folder / "checkpoints", step, tensors, rest, keep=keep, spare=self.watch.kept)

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the policy holds the averaged weights, if the run keeps an average."""
        average = self.trainer.average
        return self.policy.weights(average) if average else contextlib.nullcontext()

    def _export(self, step: int, progress: Progress) -> int:
        """The tuned weights in the hub's format: `RUN/model` (LoRA, or the whole pipeline).

        They are those of `step`, or of the best held-out value where the alarm ended the run; returns which.
        """
        weights, target = self._averaged(), self.folder / "model"
        if self.watch.ended:
            best = self.watch.best()
            try:
                found = checkpoint.load(self.folder / "checkpoints" / f"step_{best:08d}")
                weights = self.policy.weights(found.tensors["ema"] or found.tensors["parameters"])
                progress.note(f"the alarm ends the run at step {step}; model/ holds step {best}, the best")
                step = best
            except CheckpointError as problem:
                progress.note(f"model/ holds step {step}, not the best, step {best}: {problem}")
        with weights:
            self.policy.save(target)
        write_card(self.folder, target, self.policy.made_of, step)
        return step
