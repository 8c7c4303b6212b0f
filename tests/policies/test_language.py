"""Language policies of every family: one distribution for sampling and scoring, whatever the padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_language
import torch
from PIL import Image

from burnish.errors import DataError, ModelError
from burnish.policies.language.logprobs import distribution, token_log_probs
from burnish.policies.language.policy import LanguagePolicy
from burnish.policies.language.rollouts import Rollouts
from burnish.policies.load import load_policy
from burnish.recipes.schema import Lora, Model, Unit
from burnish.types import Prompt


def picture(side: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


PROMPTS = [
    Prompt("<image>\nhow many red circles?", images=(picture(32, 0),)),
    Prompt("one two", system="be brief"),
    Prompt("<image> and <image>: what color?", images=(picture(64, 1), picture(32, 2))),
    Prompt("<video>\nwhat color?", videos=((picture(32, 3), picture(32, 4)),)),
]
FAMILIES = list(tiny_language.FAMILIES)


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_language.save(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def policy(folder: str) -> LanguagePolicy:
    return load_policy(Model(path=folder, kind="language", max_new_tokens=12, temperature=1.3), "cpu")


@pytest.fixture(scope="module")
def rollouts(policy: LanguagePolicy) -> Rollouts:
    encoded = [policy.encoder(prompt) for prompt in PROMPTS]
    return policy.sample(encoded, torch.arange(4).repeat_interleave(3), seed=(1,))


EVERYONE = torch.arange(12)


def test_padding_does_not_matter(policy: LanguagePolicy, rollouts: Rollouts) -> None:
    with torch.no_grad():
        right, _ = policy.score(rollouts, EVERYONE)
        left, _ = policy.score(rollouts, EVERYONE, side="left")
        alone = torch.cat([policy.score(rollouts, torch.tensor([i]))[0] for i in range(12)])
    assert torch.allclose(right, left, atol=2e-6)
    assert torch.allclose(right, alone, atol=2e-6)


def test_what_was_sampled_is_what_is_scored(policy: LanguagePolicy, rollouts: Rollouts) -> None:
    log_ratio, _ = policy.evaluate(rollouts, EVERYONE, rows=12)
    assert log_ratio.abs().max() < 1e-6
    assert rollouts.numbers["engine/largest"] < 2e-6


def test_scoring_after_generation_equals_a_fresh_copy(
    folder: str, policy: LanguagePolicy, rollouts: Rollouts
) -> None:
    fresh = load_policy(Model(path=folder, kind="language", temperature=1.3), "cpu")
    with torch.no_grad():
        assert torch.equal(fresh.score(rollouts, EVERYONE)[0], policy.score(rollouts, EVERYONE)[0])


def test_scores_equal_a_plain_forward_pass(policy: LanguagePolicy, rollouts: Rollouts) -> None:
    """One row, no padding, the model called as its own documentation calls it."""
    row = 7
    encoded, count = rollouts.prompts[2], int(rollouts.mask_BT[row].sum())
    tokens = rollouts.token_BT[row, :count]
    ids = torch.cat([encoded.ids, tokens])[None]
    more = {"mm_token_type_ids": (ids == policy.encoder.placeholder).long()}
    with torch.no_grad():
        logits = policy.model(
            input_ids=ids, **encoded.visuals, **(more if policy.encoder.family.typed else {})
        ).logits[0, len(encoded.ids) - 1 : -1]
    logits = logits / 1.3
    logits[:, policy.banned] = -torch.inf
    wanted = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    with torch.no_grad():
        ours = policy.score(rollouts, torch.tensor([row]))[0][0, :count]
    assert torch.allclose(ours, wanted, atol=2e-6)


def test_placeholders_are_never_sampled_and_have_no_probability(policy: LanguagePolicy) -> None:
    encoded = [policy.encoder(PROMPTS[1])]
    drawn = policy.sample(encoded, torch.zeros(200, dtype=torch.long), seed=(2,)).token_BT
    assert policy.encoder.placeholder in policy.banned
    outside = policy.banned[policy.banned != policy.padding]
    assert not torch.isin(drawn, outside).any()
    logits = torch.randn(3, 50)
    probability = distribution(logits, 0.7, torch.tensor([4, 9])).exp()
    assert torch.allclose(probability.sum(-1), torch.ones(3))
    assert probability[:, [4, 9]].max() == 0


def test_the_mask_ends_with_the_first_end_of_text(rollouts: Rollouts, policy: LanguagePolicy) -> None:
    encoded = [policy.encoder(PROMPTS[1])]
    drawn = policy.sample(encoded, torch.zeros(300, dtype=torch.long), seed=(3,))
    assert 0 < drawn.complete_B.sum() < 300
    for tokens, mask, complete in zip(drawn.token_BT, drawn.mask_BT, drawn.complete_B, strict=True):
        kept = tokens[mask].tolist()
        assert (kept[-1] in policy.ends) == bool(complete)
        assert not any(token in policy.ends for token in kept[:-1])
        assert (tokens[~mask] == policy.padding).all()


def test_sampling_follows_the_scored_distribution(policy: LanguagePolicy) -> None:
    """First tokens of many completions against the probabilities that scoring gives them."""
    encoded = [policy.encoder(PROMPTS[1])]
    drawn = policy.sample(encoded, torch.zeros(3000, dtype=torch.long), seed=(4,))
    first, log_prob = drawn.token_BT[:, 0], drawn.log_prob_BT[:, 0]
    top = first.mode().values
    share = (first == top).float().mean()
    probability = log_prob[first == top][0].exp()
    assert abs(share - probability) < 4 * (probability * (1 - probability) / 3000).sqrt()


def test_draws_repeat_with_their_seed(policy: LanguagePolicy) -> None:
    encoded = [policy.encoder(prompt) for prompt in PROMPTS[:2]]
    group = torch.tensor([0, 0, 1, 1])
    first, again, other = (policy.sample(encoded, group, seed=(seed,)) for seed in (5, 5, 6))
    assert torch.equal(first.token_BT, again.token_BT)
    assert not torch.equal(first.token_BT, other.token_BT)


def test_the_global_generator_is_left_alone(policy: LanguagePolicy) -> None:
    before = torch.get_rng_state()
    policy.sample([policy.encoder(PROMPTS[1])], torch.zeros(2, dtype=torch.long), seed=(5,))
    assert torch.equal(torch.get_rng_state(), before)


def test_pictures_reach_the_scores(policy: LanguagePolicy, rollouts: Rollouts) -> None:
    other = policy.encoder(Prompt(PROMPTS[0].text, images=(picture(32, 99),)))
    changed = Rollouts(**{**vars(rollouts), "prompts": [other, *rollouts.prompts[1:]]})
    with torch.no_grad():
        ours, theirs = (policy.score(r, torch.arange(6))[0] for r in (rollouts, changed))
    assert not torch.allclose(ours[:3], theirs[:3])
    assert torch.allclose(ours[3:], theirs[3:], atol=2e-6)


def test_units_of_tokens(rollouts: Rollouts) -> None:
    steps = rollouts.token_BT.shape[1]
    assert rollouts.unit(Unit(name="decision")).tolist() == list(range(steps))
    assert rollouts.unit(Unit(name="sequence")).tolist() == [0] * steps
    assert rollouts.unit(Unit(name="chunk", sizes=[5])).tolist() == [t // 5 for t in range(steps)]
    assert rollouts.unit(Unit(name="chunk", sizes="dynamic")).shape == rollouts.token_BT.shape


def test_chosen_and_gathered_rollouts_keep_their_prompts(policy: LanguagePolicy, rollouts: Rollouts) -> None:
    some = rollouts.chosen(torch.tensor([3, 4, 9]))
    assert some.prompt_B.tolist() == [0, 0, 1]
    both = Rollouts.gather([some, rollouts.chosen(torch.tensor([0, 1]))])
    assert both.prompt_B.tolist() == [0, 0, 1, 2, 2]
    with torch.no_grad():
        assert torch.allclose(policy.score(both, torch.arange(5))[0], both.log_prob_BT, atol=2e-6)


@pytest.mark.parametrize("how", ["full", "lora"])
def test_save_and_reload_with_plain_transformers_and_peft(
    folder: str, how: str, tmp_path: Path, rollouts: Rollouts
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    lora = Lora(rank=2, alpha=4.0) if how == "lora" else None
    policy = load_policy(Model(path=folder, kind="language", lora=lora, temperature=1.3), "cpu")
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    policy.save(tmp_path)
    base = AutoModelForImageTextToText.from_pretrained(folder if lora else tmp_path)
    plain = PeftModel.from_pretrained(base, str(tmp_path)).base_model.model if lora else base
    again = LanguagePolicy(plain.eval(), policy.encoder, policy.device, temperature=1.3)
    with torch.no_grad():
        ours, theirs = policy.score(rollouts, EVERYONE)[0], again.score(rollouts, EVERYONE)[0]
        assert torch.equal(ours, theirs)
        assert not torch.allclose(ours, rollouts.log_prob_BT, atol=1e-3)


def test_the_reference_is_the_model_as_it_was(folder: str, rollouts: Rollouts) -> None:
    for lora in (None, Lora(rank=2, alpha=4.0)):
        policy = load_policy(Model(path=folder, kind="language", lora=lora, temperature=1.3), "cpu")
        policy.remember_reference()
        with torch.no_grad():
            for parameter in policy.parameters.values():
                parameter.add_(0.1)
        assert torch.allclose(policy.reference_log_prob(rollouts, EVERYONE), rollouts.log_prob_BT, atol=2e-6)


def test_the_vision_tower_is_frozen_unless_it_is_tuned(folder: str) -> None:
    for tuned in (False, True):
        policy = load_policy(Model(path=folder, kind="language", tune_vision=tuned), "cpu")
        assert any("visual" in name or "vision" in name for name in policy.parameters) == tuned


def test_gradient_checkpointing_changes_no_gradient(folder: str, rollouts: Rollouts) -> None:
    found, passes = [], []
    for checkpointing in (False, True):
        settings = Model(path=folder, kind="language", gradient_checkpointing=checkpointing, temperature=1.3)
        policy = load_policy(settings, "cpu")
        calls: list[int] = []
        policy.model.model.language_model.layers[0].mlp.register_forward_pre_hook(
            lambda *_, calls=calls: calls.append(1)
        )
        policy.evaluate(rollouts, EVERYONE, rows=12)[0].sum().backward()
        passes.append(len(calls))
        found.append(torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None]))
    assert passes == [1, 2]
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_chunks_of_the_vocabulary_change_nothing() -> None:
    head, hidden = torch.nn.Linear(8, 30), torch.randn(11, 8, requires_grad=True)
    tokens, none = torch.randint(30, (11,)), torch.tensor([], dtype=torch.long)
    gradients = []
    for chunk in (3, 1000):
        values = token_log_probs(hidden, head, tokens, temperature=1.0, banned=none, chunk=chunk)
        assert torch.allclose(
            values, -torch.nn.functional.cross_entropy(head(hidden), tokens, reduction="none")
        )
        gradients.append(torch.autograd.grad(values.sum(), hidden)[0])
    assert torch.allclose(*gradients, atol=1e-6)


def test_markers_and_pictures_must_agree(policy: LanguagePolicy) -> None:
    with pytest.raises(DataError, match="has 1 <image> markers for 0"):
        policy.encoder(Prompt("<image> what?"))
    with pytest.raises(DataError, match="places 1 pictures"):
        policy.encoder(Prompt("<|image_pad|> what?"))


def test_foreign_and_damaged_folders_are_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"set model\.kind to language"):
        load_policy(Model(path=folder), "cpu")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="is a bert"):
        load_policy(str(tmp_path), "cpu")
    with pytest.raises(ModelError, match=r"model\.lora\.targets"):
        load_policy(Model(path=folder, kind="language", lora=Lora(targets=["to_zebra"])), "cpu")
