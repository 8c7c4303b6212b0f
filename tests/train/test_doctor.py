"""Every check is shown a healthy run and its own fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from burnish.cli import main
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Lora, Model
from burnish.train import doctor, health
from burnish.train.doctor import diagnose

TEXTS = ["a red circle", "two blue squares"]


def faults(overrides: list[str]) -> dict[str, str]:
    return {f.check: f.message for f in diagnose(load_recipe(None, overrides)) if not f.ok}


def test_a_healthy_run_has_no_fault(small_run: list[str]) -> None:
    findings = list(diagnose(load_recipe(None, small_run)))
    assert [f.check for f in findings if not f.ok] == []
    assert len({f.check for f in findings}) == len(findings) >= 10


def test_the_command_names_faults_and_exits_with_2(
    small_run: list[str], tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *small_run]) == 0
    assert "FAULT" not in capsys.readouterr().out
    file = tmp_path / "flat.py"
    file.write_text("def same(images, prompts):\n    return [0.5] * len(images)\n")
    assert main(["doctor", *small_run, f"rewards=[{{name: '{file}:same'}}]"]) == 2
    out = capsys.readouterr()
    assert "FAULT reward varies" in out.out
    assert "mend them before a long run" in out.err


def test_a_reward_that_only_ranks_prompts_is_found(small_run: list[str], tmp_path: Any) -> None:
    file = tmp_path / "lengths.py"
    file.write_text("def length(images, prompts):\n    return [float(len(p)) for p in prompts]\n")
    found = faults([*small_run, f"rewards=[{{name: '{file}:length'}}]"])
    assert "mostly ranks prompts" in found["reward varies within prompts"]
    assert "they teach nothing" in found["groups have a signal"]


def test_a_reward_is_asked_twice(small_run: list[str], tmp_path: Any) -> None:
    def said(source: str) -> health.Finding:
        file = tmp_path / f"{abs(hash(source))}.py"
        file.write_text(f"import random\ndraw = random.Random(0)\n{source}")
        changes = [f"rewards=[{{name: '{file}:it'}}]", "sampling.group_size=8"]
        findings = diagnose(load_recipe(None, [*small_run, *changes]))
        return next(finding for finding in findings if finding.check == "reward asked twice")

    bright = "def it(images, prompts):\n    return [sum(i.resize((1, 1)).getpixel((0, 0)))"
    same = said(bright + " for i in images]\n")
    assert same.ok
    assert same.message == "it says the same"
    some = said(bright + " + draw.gauss(0, 1e-3) for i in images]\n")
    assert some.ok
    known = "noise is 0% of the variance within a prompt, over 16 rollouts; algorithm.advantage.name="
    assert known in some.message
    luck = said("def it(images, prompts):\n    return [draw.random() for i in images]\n")
    assert not luck.ok
    assert "score several times and take the mean" in luck.message


@pytest.mark.parametrize("lost", [0, 3])
def test_the_noise_of_a_reward_by_hand(lost: int) -> None:
    first_B = torch.tensor([0.0, 2.0, 0.0, 2.0, 4.0, 6.0]).double()
    second_B = torch.tensor([0.0, 4.0, 5.0, 7.0, 8.0, 6.0]).double()
    first_B[4:] = torch.nan if lost else first_B[4:]
    finding = doctor.reward_noise(first_B, second_B, torch.tensor([0, 0, 1, 1, 2, 2]))
    # Centred: ±1, ±1, ±1 and ±2, ±1, ∓1: differences ±1, 0 (5 higher as a whole), ±2.
    # Noise 2 + 0 + 8 of spread (2 + 2 + 2) + (8 + 2 + 2); without the third group 2 of 4 + 10.
    assert f"noise is {'14%' if lost else '56%'} of" in finding.message
    assert finding.ok == bool(lost)


@pytest.mark.parametrize("size", [2, 8])
def test_luck_is_all_noise_in_groups_of_any_size(size: int) -> None:
    first_B, second_B = torch.randn(2, 4096, generator=torch.Generator().manual_seed(0)).double()
    message = doctor.reward_noise(first_B, second_B, torch.arange(4096) // size).message
    assert int(message.removeprefix("noise is ").partition("%")[0]) > 95


def test_a_slow_reward_is_found(small_run: list[str], tmp_path: Any) -> None:
    file = tmp_path / "slow.py"
    source = "import time, random\ndef slow(images, prompts):\n    time.sleep(3)\n"
    file.write_text(source + "    return [random.random() for _ in images]\n")
    assert (
        "serve the reward"
        in faults([*small_run, f"rewards=[{{name: '{file}:slow'}}]"])["scoring is not the bottleneck"]
    )


def test_a_sampler_that_is_not_the_pipelines_is_found(
    tiny_flux: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(Model(path=tiny_flux), "cpu")
    assert doctor.same_images(policy, TEXTS, 3).ok
    schedule = policy.backbone.schedule
    monkeypatch.setattr(policy.backbone, "schedule", lambda steps: _bent(schedule(steps)))
    finding = doctor.same_images(policy, TEXTS, 3)
    assert not finding.ok
    assert "sampling is not the pipeline's" in finding.message


def _bent(schedule: Any) -> Any:
    from dataclasses import replace

    return replace(schedule, sigma_T1=schedule.sigma_T1**3, time_T=schedule.time_T**3)


def test_an_unbound_adapter_and_half_precision_weights_are_found(tiny_flux: str) -> None:
    policy = load_policy(Model(path=tiny_flux, lora=Lora(rank=2)), "cpu")
    assert doctor.adapter_bound(policy).ok
    name = next(iter(policy.parameters))
    policy.parameters[name].data = policy.parameters[name].data.bfloat16()
    assert "must be float32" in doctor.adapter_bound(policy).message
    policy.backbone.denoiser.requires_grad_(False)
    assert "nothing is trained" in doctor.adapter_bound(policy).message


def test_an_adapter_that_is_switched_off_is_found(tiny_flux: str) -> None:
    policy = load_policy(Model(path=tiny_flux, lora=Lora(rank=2)), "cpu")
    denoiser: Any = policy.backbone.denoiser
    for (
        module
    ) in denoiser.modules():  # as an adapter is that was merged, or bound to modules no longer called
        if hasattr(module, "_disable_adapters"):
            module._disable_adapters = True
    finding = doctor.adapter_bound(policy)
    assert not finding.ok
    assert "changing them changes no prediction" in finding.message


@pytest.mark.parametrize("name", list(tiny.PIPELINES))
def test_times_in_half_precision_are_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(Model(path=tiny.save(name, tmp_path), height=32, width=32), "cpu")
    assert doctor.exact_times(policy).ok
    predict = policy.backbone.predict
    monkeypatch.setattr(policy.backbone, "predict", lambda x, time_B, c: predict(x, time_B.bfloat16(), c))
    finding = doctor.exact_times(policy)
    assert not finding.ok
    assert "the time in bfloat16: steps near each other" in finding.message


def test_an_estimate_beyond_the_machine_is_found() -> None:
    assert doctor.estimate_fits(0.1, torch.device("cpu")).ok
    finding = doctor.estimate_fits(1e6, torch.device("cpu"))
    assert not finding.ok
    assert "model.gradient_checkpointing" in finding.message


def test_noise_that_is_shared_by_a_whole_group_is_found(tiny_flux: str) -> None:
    from burnish.core import transitions

    policy = load_policy(Model(path=tiny_flux), "cpu")
    schedule = policy.backbone.schedule(4)
    table = transitions.table("flow_sde", schedule, 0.7).window(0, 2, transitions.table("ode", schedule))
    rollouts = policy.sample(TEXTS, 2, table, seed=(0,), shared_noise=True, rows=8)
    assert health.noise_differs(rollouts, 2).ok
    rollouts.noise_BT[1] = rollouts.noise_BT[0]
    assert not health.noise_differs(rollouts, 2).ok


def test_a_lost_rollout_is_found() -> None:
    assert health.ledger_balances({"issued": 6, "trained": 5, "skipped": 1}).ok
    assert not health.ledger_balances({"issued": 6, "trained": 5, "skipped": 0}).ok


def test_spread_within_and_across_prompts_by_hand() -> None:
    group_B = torch.tensor([0, 0, 1, 1])
    fine = doctor.reward_within_prompts(torch.tensor([0.0, 1.0, 0.0, 1.0]), group_B)
    assert fine.ok
    assert "0.5 within a prompt, 0 across prompts" in fine.message
    missing = doctor.reward_within_prompts(torch.tensor([0.0, np.nan, 0.0, 1.0]), group_B)
    assert missing.ok


@pytest.mark.parametrize(("dead", "ok"), [(0.0, True), (0.5, True), (0.6, False)])
def test_dead_groups(dead: float, ok: bool) -> None:
    assert doctor.groups_alive(dead, 4).ok is ok
