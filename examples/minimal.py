"""The whole method on one page: post-train the bundled model with SLAS, no recipe and no trainer.

    python examples/minimal.py [STEPS]

Sample → score → advantage → evaluate → objective → step. Axes: B rollouts, T trained decisions, U units.
"""

import sys

import torch

from burnish.core import advantages, objectives, transitions, units
from burnish.data.prompts import load_prompts
from burnish.data.sampler import PromptSampler
from burnish.policies.load import load_policy
from burnish.recipes.schema import Model, Reward
from burnish.rewards.reward import load_rewards

SEED = 0
PROMPTS, GROUP = 16, 12  # prompts a step, rollouts a prompt
STEPS, WINDOW = 6, (0, 3)  # denoising steps; those that are stochastic and trained
ROWS = 192  # images or stacked timesteps in one forward
CLIP = 1e-3


def main(iterations: int) -> None:
    prompts = load_prompts("scenes:train")
    rewards = load_rewards([Reward(name="scenes_graded")])
    policy = load_policy(Model(path="scenes-small"), "auto", SEED)
    optimizer = torch.optim.AdamW(policy.parameters.values(), lr=3e-4, weight_decay=1e-4)
    sampler = PromptSampler(len(prompts), SEED)

    # one affine row a step: x' = a·x + b·v + s·ε; stochastic inside the window, the plain ODE outside
    schedule = policy.backbone.schedule(STEPS)
    plain = transitions.table("ode", schedule)
    table = transitions.table("flow_sde", schedule, eta=0.7).window(*WINDOW, plain)

    for iteration in range(1, iterations + 1):
        # sample: PROMPTS × GROUP rollouts, the initial noise shared within a group
        chosen = [prompts[i] for i in sampler.next(PROMPTS)]
        rollouts = policy.sample(
            [prompt.text for prompt in chosen],
            GROUP,
            table,
            seed=(SEED, "train", iteration),
            shared_noise=True,
            rows=ROWS,
        )

        # score: pictures and prompts in, one number a picture out
        images = policy.decode(rollouts.final_B, ROWS)
        scores = rewards.score(images, [chosen[i] for i in rollouts.prompt_B.tolist()])
        reward_B = torch.from_numpy(scores.total_B)

        # advantage: the one line that tells SLAS from DanceGRPO (advantages.grpo)
        advantage_B = advantages.clamp(advantages.slas(reward_B, rollouts.prompt_B, gamma=0.5), 5.0).float()

        # unit: which decisions share a ratio (units.fixed_chunks([1, 2]) is two chunks)
        unit_T = units.decision(len(rollouts.time_T))

        # evaluate → objective → step; a rollout without advantage costs no backward
        optimizer.zero_grad()
        for part in advantage_B.nonzero().flatten().split(ROWS // len(unit_T)):
            log_ratio_BT, _ = policy.evaluate(rollouts, part, ROWS)
            log_ratio_BU, mask_BU = units.pool(log_ratio_BT, unit_T.to(policy.device))
            loss_BU = objectives.clip(log_ratio_BU, advantage_B[part].to(policy.device), low=CLIP)
            objectives.reduce_mean(loss_BU, mask_BU, denominator=len(rollouts)).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters.values(), 1.0)
        optimizer.step()
        print(f"step {iteration:3}  reward {reward_B.nanmean():.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
