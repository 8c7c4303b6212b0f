"""train, resume, plan, doctor: what a recipe does, or would."""

from __future__ import annotations

from pathlib import Path

from burnish.cli.words import (
    UsageError,
    at_least,
    parser_of,
    print_folder,
    print_table,
    recipe_of,
    resumable,
)


def train(rest: list[str]) -> None:
    """Train a model by a recipe: a bundled name (scenes, flux_dev_lora), a YAML file or a run folder.

    Any leaf can be overridden: burnish train scenes algorithm.preset=chunk_grpo train.lr=1e-4 run.dir=runs/b
    """
    parser = parser_of(train, "[RECIPE] [key.sub=value …] [--dry-run]")
    parser.add_argument("words", nargs="*", metavar="RECIPE key.sub=value", help="default recipe: scenes")
    parser.add_argument("--dry-run", action="store_true", help="print the resolved recipe and stop")
    options = parser.parse_intermixed_args(rest)
    recipe = recipe_of(options.words)
    if options.dry_run:
        from burnish.recipes.load import dump_yaml

        print(dump_yaml(recipe), end="")
        return
    from burnish.train.run import train as start

    print_folder(resumable(recipe.run.dir, lambda: start(recipe)))


def resume(rest: list[str]) -> None:
    """Continue a run from its newest checkpoint, exactly as if it had not stopped."""
    parser = parser_of(resume, "RUN [--steps N]")
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--steps", type=at_least(0), help="new total of training steps")
    options = parser.parse_intermixed_args(rest)
    from burnish.train.run import resume as go_on

    print_folder(resumable(options.run, lambda: go_on(Path(options.run), steps=options.steps)))


def doctor(rest: list[str]) -> None:
    """Say in minutes whether a run can learn: one step on your own model, looked at from all sides."""
    parser = parser_of(doctor, "[RECIPE] [key.sub=value …]")
    parser.add_argument("words", nargs="*", metavar="RECIPE key.sub=value", help="as for burnish train")
    recipe = recipe_of(parser.parse_intermixed_args(rest).words)
    from burnish.train.doctor import diagnose

    faults = 0
    for finding in diagnose(recipe):
        faults += not finding.ok
        print(f"{'ok   ' if finding.ok else 'FAULT'} {finding.check}: {finding.message}", flush=True)
    if faults:
        raise UsageError(f"{faults} fault{'s' if faults > 1 else ''} found; mend them before a long run")


def plan(rest: list[str]) -> None:
    """Estimate memory and operations of a recipe, phase by phase, before anything loads."""
    parser = parser_of(plan, "[RECIPE] [key.sub=value …]")
    parser.add_argument("words", nargs="*", metavar="RECIPE key.sub=value", help="as for burnish train")
    recipe = recipe_of(parser.parse_intermixed_args(rest).words)
    from burnish.train.plan import CARDS, UTILISATION
    from burnish.train.plan import plan as estimate

    found = estimate(recipe)
    sizes = [[name, f"{count / 1e6:,.1f}"] for name, count in found.parameters.items()]
    print_table("", ["network", "million parameters"], [*sizes, ["trained", f"{found.trained / 1e6:,.1f}"]])
    rows = [[p.name, f"{p.flops / 1e12:,.3g}", f"{p.gigabytes:,.2f}"] for p in found.phases]
    print_table("", ["phase of a step", "TFLOP", "GB"], rows)
    fits = [
        [name, "yes" if found.gigabytes < 0.95 * size else "no", f"{found.hours(speed):,.2g}"]
        for name, (size, speed) in CARDS.items()
    ]
    share = f"{UTILISATION:.0%}"
    print_table("", ["card", "fits", f"hours for {found.steps} steps at {share} of its bf16 peak"], fits)
    print("An estimate: evaluations, rewards and the allocator's slack are not in it.")
