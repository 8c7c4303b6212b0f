from __future__ import annotations

import pytest
import torch

from burnish.core import transitions
from burnish.policies.denoising.policy import DenoisingPolicy, Rollouts
from burnish.policies.load import load_policy
from burnish.recipes.schema import Advantage, Algorithm, Divergence, Model, Unit
from burnish.train.update import Credit, accumulate

ADVANTAGE = torch.tensor([1.0, -0.5, -0.5, 0.0, 0.0, 0.0, 2.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def policy(tiny_flux: str) -> DenoisingPolicy:
    return load_policy(Model(path=tiny_flux), "cpu")


@pytest.fixture(scope="module")
def rollouts(policy: DenoisingPolicy) -> Rollouts:
    schedule = policy.backbone.schedule(5)
    table = transitions.table("flow_sde", schedule, 0.7).window(0, 4, transitions.table("ode", schedule))
    texts = ["a red circle", "a star", "two blue squares"]
    return policy.sample(texts, 3, table, seed=(0,), shared_noise=True, rows=64)


def algorithm(unit: Unit, **more: object) -> Algorithm:
    return Algorithm(preset="custom", advantage=Advantage(), unit=unit, **more)  # type: ignore[arg-type]


def credit(unit_T: torch.Tensor, advantage_B: torch.Tensor = ADVANTAGE) -> Credit:
    return Credit(advantage_B, unit_T, torch.ones(9, 4, dtype=torch.bool), 9)


def gradient(
    policy: DenoisingPolicy, rollouts: Rollouts, given: Credit, how: Algorithm, rows: int
) -> torch.Tensor:
    policy.backbone.denoiser.zero_grad(set_to_none=True)
    accumulate(policy, rollouts, given, how, rows)
    return torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None])


def test_gradient_does_not_depend_on_the_micro_batch(policy: DenoisingPolicy, rollouts: Rollouts) -> None:
    how = algorithm(Unit(name="decision"))
    given = credit(rollouts.unit(how.unit))
    whole = gradient(policy, rollouts, given, how, rows=64)
    for rows in (4, 8, 20):
        torch.testing.assert_close(gradient(policy, rollouts, given, how, rows), whole, rtol=1e-4, atol=1e-8)


def test_first_gradient_is_the_policy_gradient(policy: DenoisingPolicy, rollouts: Rollouts) -> None:
    """At ratio 1 the clipped objective's gradient is −(1/B) Σ A·mean_t ∇ log-ratio."""
    how = algorithm(Unit(name="decision"))
    ours = gradient(policy, rollouts, credit(torch.arange(4)), how, rows=64)
    policy.backbone.denoiser.zero_grad(set_to_none=True)
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(9), rows=64)
    (-(ADVANTAGE[:, None] * log_ratio).mean(1).sum() / 9).backward()
    expected = torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-8)


def test_chunks_of_one_are_decisions_and_one_chunk_is_the_sequence(
    policy: DenoisingPolicy, rollouts: Rollouts
) -> None:
    pairs = (("decision", [1, 1, 1, 1]), ("sequence", [4]))
    for name, sizes in pairs:
        plain, chunked = algorithm(Unit(name=name)), algorithm(Unit(name="chunk", sizes=sizes))  # type: ignore[arg-type]
        ours, theirs = (
            gradient(policy, rollouts, credit(rollouts.unit(how.unit)), how, rows=64)
            for how in (chunked, plain)
        )
        assert torch.equal(ours, theirs)


def test_uneven_chunks_weigh_decisions_differently(policy: DenoisingPolicy, rollouts: Rollouts) -> None:
    how = algorithm(Unit(name="chunk", sizes=[1, 3]))
    chunked = gradient(policy, rollouts, credit(rollouts.unit(how.unit)), how, rows=64)
    plain = gradient(policy, rollouts, credit(torch.arange(4)), algorithm(Unit(name="decision")), rows=64)
    assert (chunked - plain).norm() > 1e-3 * plain.norm()


def test_rollouts_without_advantage_cost_no_forward(
    policy: DenoisingPolicy, rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    measure = policy.measure
    monkeypatch.setattr(policy, "measure", lambda r, w, *a: (seen.extend(w.tolist()), measure(r, w, *a))[1])
    how = algorithm(Unit(name="decision"))
    accumulate(policy, rollouts, credit(torch.arange(4)), how, 64)
    assert seen == [0, 1, 2, 6, 7, 8]
    seen.clear()
    numbers = accumulate(policy, rollouts, credit(torch.arange(4), torch.zeros(9)), how, 64)
    assert seen == []
    assert numbers["loss"] == 0


def test_masked_decisions_have_no_gradient(policy: DenoisingPolicy, rollouts: Rollouts) -> None:
    how = algorithm(Unit(name="decision"))
    keep = torch.zeros(9, 4, dtype=torch.bool)
    keep[:, 2] = True
    ours = gradient(policy, rollouts, Credit(ADVANTAGE, torch.arange(4), keep, 9), how, rows=64)
    policy.backbone.denoiser.zero_grad(set_to_none=True)
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(9), rows=64)
    (-(ADVANTAGE * log_ratio[:, 2]).sum() / 9).backward()
    expected = torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-8)


def test_divergence_alone_has_a_gradient_once_the_policy_has_moved(tiny_flux: str) -> None:
    policy = load_policy(Model(path=tiny_flux), "cpu")
    policy.remember_reference()
    schedule = policy.backbone.schedule(5)
    table = transitions.table("flow_sde", schedule, 0.7).window(0, 4, transitions.table("ode", schedule))
    rollouts = policy.sample(["a star"] * 3, 3, table, seed=(0,), shared_noise=True, rows=64)
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.02)
    how = algorithm(Unit(name="decision"), divergence=Divergence(name="gaussian", beta=0.5))
    numbers = accumulate(policy, rollouts, credit(torch.arange(4), torch.zeros(9)), how, 64)
    assert numbers["divergence"] > 0
    assert numbers["loss"] == pytest.approx(0.5 * numbers["divergence"], rel=1e-5)
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in policy.parameters.values())


def test_shares_cut_by_whole_groups_and_lose_nothing() -> None:
    group_B = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    parts = credit(torch.arange(4)).shares(group_B, 2)
    assert torch.equal(sum(part.advantage_B for part in parts), ADVANTAGE)  # type: ignore[arg-type]
    assert [part.denominator for part in parts] == [6, 3]
    assert parts[1].keep_BT.any(1).tolist() == [False] * 3 + [True] * 3 + [False] * 3


def test_gmpo_counts_the_decisions_that_its_clip_holds(
    policy: DenoisingPolicy, rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four decisions a rollout pushed up by 1: those of positive advantage are held, of negative are not."""
    measure = policy.measure

    def pushed(*arguments: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        log_ratio_BT, divergence_BT, drift_BT = measure(*arguments)  # type: ignore[arg-type]
        return log_ratio_BT + 1.0, divergence_BT, drift_BT

    monkeypatch.setattr(policy, "measure", pushed)
    steps = rollouts.mask_BT.shape[1]
    made = credit(torch.zeros(steps, dtype=torch.long))
    how = Algorithm.model_validate({"preset": "gmpo", "objective": {"clip_low": 0.2}})
    numbers = accumulate(policy, rollouts, made, how, 64)
    assert numbers["clip_fraction"] == pytest.approx(
        (ADVANTAGE > 0).sum().item() / (ADVANTAGE != 0).sum().item()
    )
