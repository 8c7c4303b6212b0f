import pytest

from burnish.errors import RecipeError
from burnish.recipes.check import impossible
from burnish.recipes.load import load_recipe

CHUNK = "algorithm.preset=chunk_grpo"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["sampling.window=[0, 6]"], "includes the last step, whose noise is almost zero"),
        (["sampling.window=[0, 6]"], "end it at 5"),
        (["sampling.window=[0, 9]"], "ends after the 6 steps of sampling.steps"),
        (["train.share=0.5", "algorithm.preset=flow_grpo"], "divergence in the loss learns from all of them"),
        (
            ["train.share=0.5", "algorithm.preset=diffusion_nft", "train.updates=2"],
            "algorithm.objective.name nft with train.updates above 1 learns from",
        ),
        (
            ["evaluation.hybrid=30", "evaluation.steps=28"],
            "hybrid is 30, but an image has only 28 steps",
        ),
        (
            ["model.kind=language", "algorithm.preset=grpo", "evaluation.hybrid=1"],
            "evaluation.hybrid is for image models",
        ),
        (
            ["model.kind=language", "algorithm.preset=grpo", "evaluation.group_size=4"],
            "group_size is 4, but evaluation.greedy writes the same answer every time",
        ),
        (["sampling.window=[2, 2]"], "sampling.window [2, 2] is empty"),
        (["sampling.window=[-1, 2]"], "0 <= first < last"),
        (["sampling.window=null", "sampling.steps=1"], "take at least 2"),
        (["sampling.transition=cps", "sampling.eta=1.5"], "cps needs 0 < eta <= 1"),
        (["sampling.group_size=1"], "compares the images of one prompt and would always be zero"),
        (["model.height=500"], "model.height is 500, which is not a multiple of 8: take 496"),
        (["model.width=9"], "take 8"),
        (
            ["algorithm.preset=dance_grpo", "algorithm.advantage.gamma=0.4"],
            "set algorithm.advantage.name to slas",
        ),
        (["algorithm.preset=dance_grpo", "algorithm.advantage.order=power_first"], "does not read it"),
        (["algorithm.unit.sizes=[1, 1]"], "algorithm.unit.name decision does not read it"),
        (["algorithm.unit.weighted=true"], "set algorithm.unit.name to chunk"),
        (["sampling.slide=2", "algorithm.preset=chunk_grpo"], "measures the chunks of one"),
        (["sampling.slide=2", "sampling.window=[0, 5]"], "has no room to move sampling.window [0, 5]"),
        (["algorithm.objective.clip_high=0.1"], "set algorithm.objective.name to clip_higher"),
        (
            ["algorithm.objective.name=clip_higher", "algorithm.objective.clip_high=1e-4"],
            "clip_high 0.0001 is below clip_low 0.001",
        ),
        (["algorithm.divergence.beta=0.1"], "set algorithm.divergence.name to gaussian"),
        (["algorithm.divergence.name=gaussian"], "gaussian with beta 0 computes a reference for nothing"),
        (["algorithm.unit.name=chunk"], "chunk needs algorithm.unit.sizes: write a list that sums to the 3"),
        ([CHUNK, "algorithm.unit.sizes=[2, 3]"], "must be positive and sum to the 3 trained steps"),
        ([CHUNK, "algorithm.unit.sizes=[4, -1]"], "must be positive"),
        ([CHUNK, "algorithm.unit.sizes=[]"], "but they sum to 0"),
        (
            ["algorithm.unit.name=sequence", "algorithm.unit.fraction=0.5"],
            "0.5 of 1 unit leaves nothing to train",
        ),
        (["algorithm.unit.fraction=0.3"], "0.3 of 3 units leaves nothing to train: take at least 0.333"),
        (["sampling.transition=ode"], "algorithm.ratio.name exact finds no decision"),
        (["sampling.transition=ode", "algorithm.preset=awm"], "set sampling.shared_noise to false"),
        (["algorithm.preset=awm", "algorithm.weights.name=noise"], "the ratio matching trains noised copies"),
        (["algorithm.objective.name=nft"], "halves of one method (DiffusionNFT): set both, or neither"),
        (["algorithm.ratio.name=contrast"], "halves of one method"),
        (["algorithm.preset=awm", "algorithm.unit={name: chunk, sizes: dynamic}"], "write the sizes"),
        (["algorithm.ratio.power=1"], "set algorithm.ratio.name to matching"),
        (["algorithm.ratio.beta=0.5"], "set algorithm.ratio.name to contrast"),
        (["algorithm.objective.threshold=1e-5"], "set algorithm.objective.name to dppo"),
        (["algorithm.objective.advantage_max=3"], "set algorithm.objective.name to nft"),
        (["train.updates=17"], "one step has only 16 prompts"),
        (["train.warmup=61"], "the run has only 60 steps"),
        (["rewards=[{name: a}, {name: a}]"], "rewards names a twice"),
        (["rewards.0.weight=0"], "nothing would be learned"),
        (["evaluation.also=[scenes:test]"], "names the prompts scenes:test twice"),
        (["evaluation.held_out=[ocr]"], "names ocr, which is not in evaluation.reward (scenes_strict, sce"),
        (["evaluation.held_out=[scenes_graded]"], "but rewards train on it: name one that training does not"),
        (["evaluation.held_out=[scenes_strict, scenes_strict]"], "names scenes_strict twice: once is enough"),
        (["evaluation.alarm=stop"], "stop needs something to watch: name rewards in evaluation.held_out"),
        (
            [
                "rewards=[{name: judge, options: {model: small}}]",
                "evaluation.reward=[{name: scenes_strict}, {name: judge, options: {model: large}}]",
                "evaluation.held_out=[scenes_strict]",
            ],
            "give both the same options",
        ),
        (
            [
                "rewards=[{name: one/mine.py:f}]",
                "evaluation.reward=[{name: scenes_strict}, {name: two/mine.py:f}]",
                "evaluation.held_out=[scenes_strict]",
            ],
            "are both called mine.py:f in the curves",
        ),
    ],
)
def test_impossible_combinations_are_refused_with_a_reason(overrides, expected):
    with pytest.raises(RecipeError) as caught:
        load_recipe(None, overrides)
    message = str(caught.value)
    assert expected in message
    assert message.endswith(f"(in scenes.yaml with overrides {' '.join(overrides)})")


@pytest.mark.parametrize(
    "overrides",
    [
        ["sampling.window=[0, 5]"],
        ["sampling.window=null"],
        [CHUNK, "algorithm.unit.sizes=[1, 2]"],
        [CHUNK, "sampling.steps=17", "sampling.window=null", "algorithm.unit.sizes=[2, 3, 4, 7]"],
        ["algorithm.unit.fraction=0.5"],
        ["algorithm.objective.name=clip_higher", "algorithm.objective.clip_high=2e-3"],
        ["algorithm.divergence.name=gaussian", "algorithm.divergence.beta=0.04"],
        ["algorithm.preset=awm", "sampling.transition=ode", "sampling.shared_noise=false"],
        ["algorithm.preset=awm", "sampling.window=[0, 6]"],  # copies of the last level are as good as others
        ["algorithm.preset=awm", "algorithm.objective.name=dppo", "algorithm.unit.fraction=0.5"],
        ["algorithm.preset=flow_dppo", "algorithm.ratio.name=guard", "algorithm.objective.threshold=1e-5"],
        ["train.updates=16", "train.warmup=60"],
        ["model.height=512", "model.width=768"],
        ["evaluation.held_out=[scenes_strict]", "evaluation.alarm=stop"],
        ["evaluation.held_out=[scenes_strict]", "evaluation.alarm=off"],
        [
            "rewards=[{name: scenes_preference}, {name: scenes_graded, weight: 0.0}]",
            "evaluation.held_out=[scenes_strict, scenes_graded]",
        ],
    ],
)
def test_possible_combinations_are_not(overrides):
    assert impossible(load_recipe(None, overrides)) == []
