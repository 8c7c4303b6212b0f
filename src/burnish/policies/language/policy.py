"""A vision-language model as a policy: `sample` writes completions, `evaluate` scores their tokens again.

A decision is one sampled token. The sampling distribution (temperature, banned ids, no top-k and no top-p)
belongs to the policy and is the same when tokens are sampled and when they are scored.

Axes: P prompts, B rollouts, T tokens of the longest completion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from burnish.core import divergences, ratios
from burnish.engine import rng
from burnish.policies.language import noise
from burnish.policies.language.families import MARKERS
from burnish.policies.language.logprobs import distribution, token_log_probs
from burnish.policies.language.prompts import Encoded, Encoder, join_visuals
from burnish.policies.language.rollouts import Rollouts
from burnish.policies.language.vllm import VllmEngine, padded
from burnish.policies.reference import Referenced
from burnish.recipes.schema import Recipe
from burnish.types import Completion, Prompt


class LanguagePolicy(Referenced):
    """One vision-language model.

    Args:
        model: an `AutoModelForImageTextToText`.
        encoder: its tokenizer, template and image processor.
        device: where it runs.
        dtype: of the forward pass; trained weights and log-probabilities stay float32.
        temperature: logits are divided by it, in sampling and scoring alike; above 0.
        max_tokens: longest completion.
        critic: a value head on the last hidden state, if one is trained.
        engine: a server that draws the rollouts; None draws them here.
    """

    kind = "language"

    def __init__(
        self,
        model: Any,
        encoder: Encoder,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        temperature: float = 1.0,
        max_tokens: int = 256,
        critic: nn.Linear | None = None,
        engine: VllmEngine | None = None,
    ):
        self.model, self.encoder, self.device, self.dtype = model, encoder, device, dtype
        self.temperature, self.max_tokens, self.critic = temperature, max_tokens, critic
        self.recompute, self.engine = False, engine
        self.made_of = type(model).__name__
        config, tokenizer = model.config, encoder.tokenizer
        ids = {getattr(config, key, None) for key in MARKERS} | {tokenizer.pad_token_id}
        self.ends = sorted({tokenizer.eos_token_id, *_listed(model.generation_config.eos_token_id)} - {None})
        banned = sorted(i for i in ids if i is not None and i not in self.ends)
        self.banned = torch.tensor(banned, dtype=torch.long, device=device)
        self.padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.ends[0]
        newline = [i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i])]
        stops = [
            i for i in range(len(tokenizer)) if tokenizer.decode([i]).rstrip().endswith((".", "</think>"))
        ]
        self.boundaries = torch.tensor(sorted({*newline, *stops, *self.ends}))

    def check(self, recipe: Recipe) -> None:
        """Nothing that a recipe asks depends on the model here."""

    @property
    def network(self) -> Any:
        """The vision-language model."""
        return self.model

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name."""
        critic = self.critic.named_parameters() if self.critic is not None else ()
        return super().parameters | {f"critic.{name}": value for name, value in critic}

    def roll(
        self, prompts: list[Prompt], recipe: Recipe, step: int, seed: tuple[int | str, ...]
    ) -> Iterator[Rollouts]:
        """A training step's rollouts, whole groups at a time, as many as fit in `sampling.rows`."""
        sampling = recipe.sampling
        encoded = [self.encoder(prompt) for prompt in prompts]
        if self.engine:
            self.engine.send(self.model)
        asked = [encoded] * sampling.group_size  # by place in the group
        if sampling.noisy:
            level = noise.level_at(sampling.noisy.level, step, recipe.train.steps)
            views = [noise.view(p, level, (*seed, "noise", i)) for i, p in enumerate(prompts)]
            count = round(sampling.noisy.share * sampling.group_size)
            asked[len(asked) - count :] = [[self.encoder(each) for each in views]] * count
        group_B = torch.arange(len(prompts)).repeat_interleave(sampling.group_size)
        size = max(1, sampling.rows // sampling.group_size) * sampling.group_size
        for number, part in enumerate(group_B.split(size)):
            shown = [asked[place % sampling.group_size][i] for place, i in enumerate(part.tolist())]
            yield self.sample(encoded, part, seed=(*seed, number), shown=shown)

    @torch.no_grad()
    def sample(
        self,
        prompts: list[Encoded],
        prompt_B: Tensor,
        *,
        seed: tuple[int | str, ...],
        shown: list[Encoded] | None = None,
    ) -> Rollouts:
        """One completion for each entry of `prompt_B`, drawn by the policy's own distribution.

        Args:
            prompts: P prompts, encoded.
            prompt_B: which prompt each rollout answers, [B].
            seed: keys of the draws.
            shown: what each of the B rollouts is drawn from, where that is not its prompt.
        """
        draw = self._request if self.engine else self._generate
        asked = shown or [prompts[i] for i in prompt_B.tolist()]
        token_BT, sampled_BT = draw(asked, self.temperature, seed)
        ended_BT = torch.isin(token_BT, torch.tensor(self.ends))
        mask_BT = (ended_BT.cumsum(1) - ended_BT.long()) == 0
        token_BT = token_BT.masked_fill(~mask_BT, self.padding)
        empty = torch.zeros(token_BT.shape)
        rollouts = Rollouts(
            prompts, prompt_B, token_BT, mask_BT, empty, sampled_BT.masked_fill(~mask_BT, 0.0), None,
            torch.isin(token_BT, self.boundaries) & mask_BT, (ended_BT & mask_BT).any(1),
        )  # fmt: skip
        log_prob_BT, value_BT = self.score(rollouts, torch.arange(len(prompt_B)))
        value = None if self.critic is None else value_BT.cpu()
        return replace(rollouts, log_prob_BT=log_prob_BT.cpu(), value_BT=value)

    def _generate(
        self, prompts: list[Encoded], temperature: float, seed: tuple[int | str, ...]
    ) -> tuple[Tensor, Tensor]:
        """Ids [B, T] and their log-probabilities as generated; temperature 0 is greedy."""
        watch = _Watch(temperature or 1.0, self.banned)
        self.model.eval()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []), self._cast():
            torch.manual_seed(rng.seed_of(*seed))
            inputs = self._inputs(prompts, side="left")
            whole = self.model.generate(
                **inputs,
                generation_config=self._plain(temperature),
                logits_processor=[watch],
            )
        tokens = whole[:, inputs["input_ids"].shape[1] :]
        watch.last(tokens[:, -1])
        return tokens.cpu(), torch.stack(watch.log_prob, 1).cpu()

    def _request(
        self, prompts: list[Encoded], temperature: float, seed: tuple[int | str, ...]
    ) -> tuple[Tensor, Tensor]:
        """As `_generate`, by the engine."""
        assert self.engine is not None
        drawn = self.engine.draw(
            [prompt.prompt for prompt in prompts if prompt.prompt is not None],
            temperature=temperature,
            max_tokens=self.max_tokens,
            banned=self.banned.tolist(),
            ends=self.ends,
            seed=seed,
        )
        return padded(drawn, self.padding)

    def _plain(self, temperature: float) -> Any:
        from transformers import GenerationConfig

        return GenerationConfig(
            do_sample=temperature > 0,
            max_new_tokens=self.max_tokens,
            top_k=0,
            top_p=1.0,
            eos_token_id=self.ends,
            pad_token_id=self.padding,
        )

    def _inputs(self, prompts: list[Encoded], side: str, tails: list[Tensor] | None = None) -> dict[str, Any]:
        """The model's inputs, padded on one side; `tails` are completions to append."""
        rows = [prompt.ids for prompt in prompts]
        types = [prompt.types for prompt in prompts]
        if tails is not None:
            rows = [torch.cat([row, tail]) for row, tail in zip(rows, tails, strict=True)]
            types = [torch.cat([t, torch.zeros_like(tail)]) for t, tail in zip(types, tails, strict=True)]

        def batch(values: list[Tensor], fill: int) -> Tensor:
            return nn.utils.rnn.pad_sequence(
                values, batch_first=True, padding_value=fill, padding_side=side
            ).to(self.device)

        inputs: dict[str, Any] = {
            "input_ids": batch(rows, self.padding),
            "attention_mask": batch([torch.ones_like(row) for row in rows], 0),
        }
        visuals = join_visuals([prompt.visuals for prompt in prompts])
        if visuals and self.encoder.family.typed:
            inputs["mm_token_type_ids"] = batch(types, 0)
        return inputs | {name: value.to(self.device) for name, value in visuals.items()}

    def score(self, rollouts: Rollouts, which_B: Tensor, side: str = "right") -> tuple[Tensor, Tensor]:
        """log π of every token under the current weights, and the critic's values, float32 [b, T] each.

        Masked places are 0; without a critic so are the values.
        """
        which = which_B.tolist()
        prompts = [rollouts.prompts[i] for i in rollouts.prompt_B[which_B].tolist()]
        mask_BT = rollouts.mask_BT[which_B]
        lengths = mask_BT.sum(1).tolist()
        tails = [rollouts.token_BT[i, :n] for i, n in zip(which, lengths, strict=True)]
        inputs = self._inputs(prompts, side, tails)
        body = self.model.model
        self.model.train(torch.is_grad_enabled() and self.recompute)  # what checkpointing asks for
        if hasattr(body, "rope_deltas"):
            body.rope_deltas = None  # left there by generate
        with self._cast():
            hidden = body(**inputs, use_cache=False).last_hidden_state
            width = hidden.shape[1]
            starts = [
                (width - len(p.ids) - n if side == "left" else 0) + len(p.ids) - 1
                for p, n in zip(prompts, lengths, strict=True)
            ]
            flat = torch.cat(
                [hidden[i, s : s + n] for i, (s, n) in enumerate(zip(starts, lengths, strict=True))]
            )
            log_prob_N = token_log_probs(
                flat,
                self.model.get_output_embeddings(),
                torch.cat(tails).to(self.device),
                temperature=self.temperature,
                banned=self.banned,
            )
            value_N = (
                self.critic(flat.float())[:, 0] if self.critic is not None else torch.zeros_like(log_prob_N)
            )
        place = mask_BT.to(self.device)
        empty = torch.zeros(mask_BT.shape, device=self.device)
        return empty.masked_scatter(place, log_prob_N), empty.masked_scatter(place, value_N.float())

    def evaluate(
        self, rollouts: Rollouts, which_B: Tensor, rows: int, divergence: str = "none"
    ) -> tuple[Tensor, Tensor]:
        """Log importance ratios (with gradient) and divergences of the tokens, [b, T] each.

        Args:
            rollouts: from `sample`.
            which_B: indices of the rollouts to score, [b].
            rows: not used; the caller chooses b.
            divergence: an estimator of `core.divergences.ESTIMATORS`, or none.
        """
        log_ratio_BT, divergence_BT, _ = self.evaluate_valued(rollouts, which_B, divergence)
        return log_ratio_BT, divergence_BT

    def evaluate_valued(
        self, rollouts: Rollouts, which_B: Tensor, divergence: str = "none"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `evaluate`, and the critic's values with gradient, [b, T]."""
        log_prob_BT, value_BT = self.score(rollouts, which_B)
        old_BT = rollouts.log_prob_BT[which_B].to(log_prob_BT.device)
        distance = torch.zeros_like(log_prob_BT)
        if divergence != "none":
            reference_BT = self.reference_log_prob(rollouts, which_B)
            distance = divergences.ESTIMATORS[divergence](log_prob_BT, reference_BT)
        return ratios.log_ratio(log_prob_BT, old_BT), distance, value_BT

    @torch.no_grad()
    def reference_log_prob(self, rollouts: Rollouts, which_B: Tensor) -> Tensor:
        """log π_ref of every token, [b, T]."""
        with self.reference():
            return self.score(rollouts, which_B)[0]

    def micro(self, rows: int, steps: int) -> int:
        """Rollouts in one forward of `rows` sequences, however many tokens they have."""
        return rows

    def outputs(self, rollouts: Rollouts, rows: int) -> list[Completion]:
        """The completions as text."""
        return [
            self._text(token_T[mask_T], bool(complete))
            for token_T, mask_T, complete in zip(
                rollouts.token_BT, rollouts.mask_BT, rollouts.complete_B, strict=True
            )
        ]

    def _text(self, tokens: Tensor, complete: bool) -> Completion:
        text = self.encoder.tokenizer.decode(tokens, skip_special_tokens=True)
        ends = torch.isin(tokens, self.boundaries).nonzero().flatten() + 1
        pieces = [piece for piece in tokens.tensor_split(ends) if len(piece)]
        steps = self.encoder.tokenizer.batch_decode(pieces, skip_special_tokens=True)
        return Completion(text.strip(), len(tokens), not complete, tuple(step.strip() for step in steps))

    @torch.no_grad()
    def answer(
        self, prompts: list[Prompt], *, rows: int, temperature: float = 0.0, seed: int = 0
    ) -> list[Completion]:
        """One completion a prompt; temperature 0 is greedy."""
        found: list[Completion] = []
        for start in range(0, len(prompts), rows):
            encoded = [self.encoder(prompt) for prompt in prompts[start : start + rows]]
            token_BT, _ = self._generate(encoded, temperature, ("answer", seed, start))
            for token_T in token_BT:
                ended = torch.isin(token_T, torch.tensor(self.ends)).nonzero()
                stop = int(ended[0]) + 1 if len(ended) else len(token_T)
                found.append(self._text(token_T[:stop], bool(len(ended))))
        return found

    def respond(
        self,
        prompts: list[Prompt],
        *,
        steps: int,
        seeds: list[int],
        rows: int,
        greedy: bool = True,
        hybrid: int | None = None,
    ) -> list[Completion]:
        """One completion a prompt, greedy or drawn; `steps` and `hybrid` are for models that make images."""
        return self.answer(prompts, rows=rows, temperature=0.0 if greedy else self.temperature, seed=seeds[0])

    def save(self, folder: Any) -> None:
        """The tuned weights in the hub's format: a peft adapter, or the whole model; with its tokenizer."""
        self.model.save_pretrained(folder)
        self.encoder.tokenizer.save_pretrained(folder)
        if self.encoder.images is not None:
            self.encoder.images.save_pretrained(folder)

    def _cast(self) -> Any:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


class _Watch:
    """A logits processor: applies the policy's distribution and notes what the drawn tokens had of it."""

    def __init__(self, temperature: float, banned: Tensor):
        self.temperature, self.banned = temperature, banned
        self.previous: Tensor | None = None
        self.log_prob: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self.previous is not None:
            self.last(input_ids[:, -1])
        self.previous = distribution(scores, self.temperature, self.banned)
        return self.previous

    def last(self, token_B: Tensor) -> None:
        assert self.previous is not None
        self.log_prob.append(self.previous.gather(1, token_B[:, None])[:, 0])


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
