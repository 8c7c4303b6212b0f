#!/usr/bin/env bash
# Five methods × three seeds on the embedded reader under one budget: same recipe, prompts, rollouts and steps.
#   benchmarks/compare_language.sh                     runs under runs/language
#   STEPS=40 SEEDS="0 1 2 3 4" OUT=runs/long benchmarks/compare_language.sh train.lr=1e-4
# Beside the preset only what a method's paper asks for differs: DAPO refills dead groups, and PPO's critic learns
# alone for three steps. Extra words are overrides given to every run. A finished run is kept; an interrupted one
# is resumed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

OUT="${OUT:-runs/language}"
PRESETS="${PRESETS:-grpo dapo gspo ppo slas}"
SEEDS="${SEEDS:-0 1 2}"
declare -A OWN=([dapo]="sampling.refill=1" [ppo]="algorithm.advantage.value_warmup=3")
BUDGET=(train.steps="${STEPS:-40}" evaluation.every="${STEPS:-40}" train.checkpoint_every="${STEPS:-40}")
if [ -z "${BURNISH:-}" ]; then
  if [ -x .venv/bin/burnish ]; then BURNISH=.venv/bin/burnish; else BURNISH=burnish; fi
fi

runs=()
for seed in $SEEDS; do
  for preset in $PRESETS; do
    dir="$OUT/$preset-$seed"
    if [ -d "$dir" ]; then
      "$BURNISH" resume "$dir"
    else
      # shellcheck disable=SC2086
      "$BURNISH" train scenes-vqa algorithm.preset="$preset" run.seed="$seed" run.dir="$dir" \
        ${OWN[$preset]:-} "${BUDGET[@]}" "$@"
    fi
    runs+=("$dir")
  done
done
"$BURNISH" compare "${runs[@]}"
