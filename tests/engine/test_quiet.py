"""A terminal is for the run's own words."""

from __future__ import annotations

import subprocess
import sys


def test_a_reward_with_a_model_loads_without_a_word() -> None:
    code = "from burnish.rewards.reward import load_reward; load_reward('scenes_preference')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
