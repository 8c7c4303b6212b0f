from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from burnish.core import transitions
from burnish.errors import ModelError
from burnish.policies.denoising.policy import DenoisingPolicy, Rollouts
from burnish.policies.load import folder_of, load_policy, pick_device
from burnish.recipes.schema import Lora, Model

TEXTS = ["a red circle", "two blue squares"]
STEPS, WINDOW = 5, (0, 3)


@pytest.fixture(scope="module")
def policy(tiny_flux: str) -> DenoisingPolicy:
    return load_policy(Model(path=tiny_flux), "cpu")


def table_of(policy: DenoisingPolicy, kind: str = "flow_sde") -> transitions.Table:
    schedule = policy.backbone.schedule(STEPS)
    plain = transitions.table("ode", schedule)
    return transitions.table(kind, schedule, eta=0.7).window(*WINDOW, plain)


def roll(policy: DenoisingPolicy, *, shared: bool = True, rows: int = 64, seed: int = 0) -> Rollouts:
    return policy.sample(TEXTS, 3, table_of(policy), seed=(seed, "t"), shared_noise=shared, rows=rows)


def test_shapes_of_rollouts(policy: DenoisingPolicy) -> None:
    rollouts = roll(policy)
    shape = policy.backbone.latent_shape
    assert rollouts.latents_BT.shape == (6, 3, *shape)
    assert rollouts.final_B.shape == (6, *shape)
    assert rollouts.prompt_B.tolist() == [0, 0, 0, 1, 1, 1]
    assert rollouts.time_T.tolist() == pytest.approx([1.0, 8 / 9, 0.75])  # shift 2
    assert policy.decode(rollouts.final_B, 4).shape == (6, 32, 32, 3)


def test_shared_noise_is_shared_within_a_group_only(policy: DenoisingPolicy) -> None:
    start = roll(policy).latents_BT[:, 0]
    assert torch.equal(start[0], start[2])
    assert not torch.equal(start[0], start[3])
    apart = roll(policy, shared=False).latents_BT[:, 0]
    assert not torch.equal(apart[0], apart[1])


def test_decisions_differ_within_a_group(policy: DenoisingPolicy) -> None:
    noise = roll(policy).noise_BT
    assert not torch.equal(noise[0], noise[1])


def test_every_decision_follows_its_affine_row(policy: DenoisingPolicy) -> None:
    rollouts, table = roll(policy), table_of(policy)
    for t in range(2):  # x of decision t + 1 is x' of decision t
        expected = (
            table.a_T[t] * rollouts.latents_BT[:, t].double()
            + table.b_T[t] * rollouts.prediction_BT[:, t].double()
            + table.s_T[t] * rollouts.noise_BT[:, t].double()
        )
        torch.testing.assert_close(rollouts.latents_BT[:, t + 1].double(), expected, atol=1e-5, rtol=0)


def test_ratio_is_exactly_one_before_an_update(policy: DenoisingPolicy) -> None:
    rollouts = roll(policy)  # forwards of 6 images
    for part in torch.arange(6).split(2):  # forwards of 2 rollouts × 3 timesteps
        log_ratio, divergence = policy.evaluate(rollouts, part, rows=6)
        assert log_ratio.shape == (2, 3)
        assert log_ratio.abs().max() == 0
        assert divergence.abs().max() == 0
    elsewhere, _ = policy.evaluate(rollouts, torch.arange(6), rows=64)
    assert elsewhere.abs().max() < 1e-6


def test_stacking_and_micro_batching_do_not_change_ratios_or_gradients(policy: DenoisingPolicy) -> None:
    rollouts = roll(policy)
    weights = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))

    def gradients(parts: list[torch.Tensor], rows: int) -> torch.Tensor:
        policy.backbone.denoiser.zero_grad()
        for part in parts:
            log_ratio, _ = policy.evaluate(rollouts, part, rows=rows)
            (log_ratio * weights[part]).sum().backward()
        return torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None])

    whole = gradients([torch.arange(6)], rows=18)
    assert whole.abs().max() > 0
    for parts, rows in (([torch.arange(6)], 1), (list(torch.arange(6).split(2)), 6), ([torch.arange(6)], 6)):
        torch.testing.assert_close(gradients(parts, rows), whole, atol=1e-7, rtol=1e-4)


def test_log_ratio_equals_the_difference_of_gaussian_log_densities(tiny_flux: str) -> None:
    policy = load_policy(Model(path=tiny_flux), "cpu")
    rollouts, table = roll(policy), table_of(policy)
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.01 * torch.randn_like(parameter))
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(6), rows=64)
    condition = {key: value[rollouts.prompt_B] for key, value in rollouts.condition.items()}
    for t in range(3):
        x = rollouts.latents_BT[:, t]
        with torch.no_grad():
            v_new = policy.predict(x, torch.full((6,), float(rollouts.time_T[t])), condition, 64).double()
        a, b, s = (float(row[t]) for row in (table.a_T, table.b_T, table.s_T))
        following = (
            a * x.double() + b * rollouts.prediction_BT[:, t].double() + s * rollouts.noise_BT[:, t].double()
        )

        def density(
            v: torch.Tensor,
            x: torch.Tensor = x,
            a: float = a,
            b: float = b,
            s: float = s,
            following: torch.Tensor = following,
        ) -> torch.Tensor:
            z = (following - (a * x.double() + b * v)) / s
            return (-z.square() / 2 - math.log(s) - math.log(2 * math.pi) / 2).flatten(1).mean(1)

        expected = density(v_new) - density(rollouts.prediction_BT[:, t].double())
        torch.testing.assert_close(log_ratio[:, t].double(), expected, atol=1e-6, rtol=1e-3)


def test_ode_sampling_equals_the_diffusers_pipeline(policy: DenoisingPolicy) -> None:
    pipe = policy.backbone.pipe
    shape = policy.backbone.latent_shape
    from burnish.engine import rng

    noise = torch.stack([rng.noise(shape, "image", seed) for seed in (3, 4)])
    theirs = pipe(
        TEXTS,
        height=32,
        width=32,
        num_inference_steps=4,
        max_sequence_length=16,
        latents=noise,
        output_type="np",
    ).images
    ours = policy.generate(TEXTS, 4, seeds=[3, 4], rows=8)
    assert np.abs(ours.astype(float) / 255 - theirs).max() <= 1.01 / 255


def test_each_distinct_prompt_is_embedded_once(tiny_flux: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = load_policy(Model(path=tiny_flux), "cpu")
    seen: list[str] = []
    encode = policy.backbone.encode
    monkeypatch.setattr(policy.backbone, "encode", lambda texts: (seen.extend(texts), encode(texts))[1])
    policy.condition([*TEXTS, *TEXTS])
    policy.condition(TEXTS)
    assert seen == TEXTS


def test_lora_trains_adapters_only_and_starts_at_the_base(tiny_flux: str, policy: DenoisingPolicy) -> None:
    lora = load_policy(Model(path=tiny_flux, lora=Lora(rank=2, alpha=4.0)), "cpu", seed=1)
    assert lora.parameters
    assert all("lora_" in name for name in lora.parameters)
    ours, base = (p.generate(TEXTS, 2, seeds=[1, 2], rows=8) for p in (lora, policy))
    assert np.array_equal(ours, base)


def test_divergence_is_zero_at_the_reference_and_grows(tiny_flux: str) -> None:
    for lora in (None, Lora(rank=2, alpha=4.0)):
        policy = load_policy(Model(path=tiny_flux, lora=lora), "cpu")
        policy.remember_reference()
        rollouts = roll(policy)
        assert policy.evaluate(rollouts, torch.arange(6), 64, "gaussian")[1].abs().max() == 0
        with torch.no_grad():
            for parameter in policy.parameters.values():
                parameter.add_(0.05)
        moved = policy.evaluate(rollouts, torch.arange(6), 64, "gaussian")[1]
        assert moved.min() > 0


def test_exported_lora_gives_the_same_images_in_diffusers(tiny_flux: str, tmp_path) -> None:
    from diffusers import FluxPipeline

    policy = load_policy(Model(path=tiny_flux, lora=Lora(rank=2, alpha=4.0)), "cpu")
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    ours = policy.generate(TEXTS, 3, seeds=[3, 4], rows=8)
    policy.backbone.save_lora(tmp_path)
    pipe = FluxPipeline.from_pretrained(tiny_flux)
    plain = load_policy(Model(path=tiny_flux), "cpu").generate(TEXTS, 3, seeds=[3, 4], rows=8)
    pipe.load_lora_weights(tmp_path)
    from burnish.engine import rng

    noise = torch.stack([rng.noise(policy.backbone.latent_shape, "image", seed) for seed in (3, 4)])
    theirs = pipe(
        TEXTS,
        height=32,
        width=32,
        num_inference_steps=3,
        max_sequence_length=16,
        latents=noise,
        output_type="np",
    ).images
    assert not np.array_equal(ours, plain)
    assert np.abs(ours.astype(float) / 255 - theirs).max() <= 1.01 / 255


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no-such-folder", "does not exist"),
        ("scenes-huge", "no bundled model"),
        (".", "holds neither"),
    ],
)
def test_a_wrong_path_is_named(path: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        folder_of(path)


def test_other_refusals(tiny_flux: str) -> None:
    with pytest.raises(ModelError, match="matches no module"):
        load_policy(Model(path=tiny_flux, lora=Lora(targets=["to_zebra"])), "cpu")
    with pytest.raises(ModelError, match="multiple of 8"):
        load_policy(Model(path=tiny_flux, height=36), "cpu")
    with pytest.raises(ModelError, match=r"run\.device"):
        pick_device("warp:9")


def test_cudnn_attention_is_put_aside_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.policies.load.find_device", torch.device)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        for name, left in (("cpu", True), ("cuda", False)):
            torch.backends.cuda.enable_cudnn_sdp(True)
            pick_device(name)
            assert torch.backends.cuda.cudnn_sdp_enabled() is left
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_parts_are_the_batch_cut_by_groups(policy: DenoisingPolicy) -> None:
    texts = [*TEXTS, "a blue star"]
    options = {"seed": (0, "t"), "shared_noise": False}
    table = table_of(policy)
    whole = policy.sample(texts, 3, table, rows=64, **options)
    parts = list(policy.parts(texts, 3, table, rows=7, **options))
    assert [part.prompt_B.tolist() for part in parts] == [[0, 0, 0, 1, 1, 1], [2, 2, 2]]
    joined = Rollouts.join(parts)
    assert torch.equal(joined.noise_BT, whole.noise_BT)
    assert torch.equal(joined.latents_BT[:, 0], whole.latents_BT[:, 0])
    for name in ("latents_BT", "prediction_BT", "final_B", "l1rel_T"):
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name), rtol=1e-4, atol=1e-4)
    assert torch.equal(joined.prompt_B, whole.prompt_B)


def test_gradient_checkpointing_changes_no_gradient(tiny_flux: str) -> None:
    gradients = []
    for checkpointing in (False, True):
        policy = load_policy(Model(path=tiny_flux, gradient_checkpointing=checkpointing), "cpu")
        log_ratio, _ = policy.evaluate(roll(policy), torch.arange(6), rows=18)
        log_ratio.sum().backward()
        gradients.append({n: p.grad.clone() for n, p in policy.parameters.items() if p.grad is not None})
    assert policy.backbone.denoiser.is_gradient_checkpointing
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_offloaded_parts_are_on_the_device_only_while_in_use(
    tiny_flux: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(Model(path=tiny_flux, offload=True), "cpu")
    moved: list[tuple[str, str]] = []
    for name, part in policy.backbone.pipe.components.items():
        if isinstance(part, torch.nn.Module):
            monkeypatch.setattr(part, "to", lambda place, name=name: moved.append((name, str(place))))
    policy.device = torch.device("meta")  # a name to tell from "cpu"; nothing is moved
    policy._embed([])
    texts = ["text_encoder", "text_encoder_2"]
    assert sorted(moved[:2]) == [(name, "meta") for name in texts]
    assert sorted(moved[2:]) == [(name, "cpu") for name in texts]
    moved.clear()
    policy.decode(torch.zeros(1, *policy.backbone.latent_shape), 1)
    assert moved == [("vae", "meta"), ("vae", "cpu")]
    moved.clear()
    with policy._present(""):
        pass
    assert "transformer" not in dict(moved)


def test_offload_changes_no_image(tiny_flux: str) -> None:
    plain, offloaded = (
        load_policy(Model(path=tiny_flux, offload=offload), "cpu").generate(TEXTS, 2, seeds=[1, 2], rows=4)
        for offload in (False, True)
    )
    assert (plain == offloaded).all()


def test_compile_compiles_the_repeated_blocks(tiny_flux: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    load_policy(Model(path=tiny_flux, compile=True), "cpu")
    assert set(compiled) == {"FluxTransformerBlock", "FluxSingleTransformerBlock"}


def test_a_path_alone_is_enough(tiny_flux: str) -> None:
    assert type(load_policy(tiny_flux, "cpu").backbone).__name__ == "Flux"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        ('{"_class_name": "Sora"}', "is a Sora; burnish can"),
    ],
)
def test_a_damaged_or_foreign_index_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(ModelError, match=words):
        load_policy(str(tmp_path), "cpu")


@pytest.mark.parametrize("rows", [3, 64])
def test_a_group_is_computed_once_until_its_first_noise(
    policy: DenoisingPolicy, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Window [2, 4): two steps for two prompts, then three for six rollouts; as if each had run alone."""
    schedule = policy.backbone.schedule(STEPS)
    table = transitions.table("flow_sde", schedule, eta=0.7).window(2, 4, transitions.table("ode", schedule))
    seen: list[int] = []
    predict = policy.predict
    monkeypatch.setattr(policy, "predict", lambda x, *a: (seen.append(len(x)), predict(x, *a))[1])
    rollouts = policy.sample(TEXTS, 3, table, seed=(0, "t"), shared_noise=True, rows=rows)
    assert sum(seen) == 2 * 2 + 3 * 6

    condition = policy.condition([text for text in TEXTS for _ in range(3)])
    start = torch.cat([roll(policy).latents_BT[:1, 0], roll(policy).latents_BT[3:4, 0]])
    x = start.repeat_interleave(3, 0)
    noise = iter(rollouts.noise_BT.unbind(1))
    for t in range(STEPS):
        with torch.no_grad():
            v = predict(x, torch.full((6,), float(schedule.time_T[t])), condition, 64)
        x = float(table.a_T[t]) * x + float(table.b_T[t]) * v
        x = x + float(table.s_T[t]) * next(noise) if table.s_T[t] > 0 else x
    torch.testing.assert_close(rollouts.final_B, x, atol=1e-4, rtol=0)
    assert torch.equal(rollouts.latents_BT[0, 0], rollouts.latents_BT[2, 0])


def test_decisions_that_are_not_kept_are_not_computed(
    policy: DenoisingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts, which = roll(policy), torch.tensor([4, 1])
    keep_BT = torch.tensor([[True, False, True], [False, False, True]])
    rollouts.prediction_BT.add_(0.01)  # so that no log-ratio is 0
    whole_BT, _ = policy.evaluate(rollouts, which, rows=6)
    seen: list[int] = []
    predict = policy.predict
    monkeypatch.setattr(policy, "predict", lambda x, *a: (seen.append(len(x)), predict(x, *a))[1])
    part_BT, _, _ = policy.measure(rollouts, which, rows=6, keep_BT=keep_BT)
    assert seen == [3]
    torch.testing.assert_close(part_BT, whole_BT * keep_BT, atol=1e-5, rtol=1e-4)
    assert bool((part_BT[keep_BT] != 0).all())
