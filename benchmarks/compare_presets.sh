#!/usr/bin/env bash
# Four methods × three seeds under one budget: same recipe, prompts, samples and steps; only the preset differs.
#   benchmarks/compare_presets.sh                      30 steps each, runs under runs/compare
#   STEPS=80 OUT=runs/long benchmarks/compare_presets.sh train.lr=1e-4
# Four of six denoising steps are trained, twice a batch, so that steps, chunks and clipping can differ.
# Extra words are overrides given to every run. A finished run is kept; an interrupted one is resumed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STEPS="${STEPS:-30}"
OUT="${OUT:-runs/compare}"
PRESETS="${PRESETS:-dance_grpo slas chunk_grpo slas_chunk}"
SEEDS="${SEEDS:-0 1 2}"
BUDGET=(sampling.window='[0, 4]' sampling.prompts_per_step=12 sampling.group_size=8 train.updates=2
  train.steps="$STEPS" train.checkpoint_every="$STEPS" evaluation.every="$STEPS")
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
      "$BURNISH" train algorithm.preset="$preset" run.seed="$seed" run.dir="$dir" "${BUDGET[@]}" "$@"
    fi
    runs+=("$dir")
  done
done
"$BURNISH" compare "${runs[@]}"
