"""The study's answers in sentences: every number is looked up, every better and worse is a corrected test."""

from __future__ import annotations

from burnish.study.analysis import mean_of
from burnish.study.exact.calibration import AT_NOISE, AT_SIZE, Reading
from burnish.study.exact.claims import Direction
from burnish.study.exact.clamping import LARGEST, Clamped, bound
from burnish.study.exact.listings import signed, tested
from burnish.study.exact.results import NOISES, Results
from burnish.study.exact.shaping import GAMMAS
from burnish.study.findings import level


def summary(found: Results) -> list[str]:
    """The study in five lines."""
    tiny = {name: _reading(found, name, 0.02).share.mean for name in ("grpo", "linear")}
    better, worse, _ = _counts(found, "slas ½", "linear")
    grpo, _, _ = _counts(found, "grpo", "linear")
    plain, lost, _ = _counts(found, "linear", "grpo")
    rule = _counts(found, "rule over γ, grpo", "linear")
    regimes = len(found.contests)
    return [
        "**Holds**: SLAS's advantage is steepest ascent under its metric, up to one constant a prompt.",
        f"**Holds**: the prompt's std turns noise into credit. Groups without signal get {tiny['grpo']:.1%} "
        f"of it at 2% noise, and {tiny['linear']:.2%} under the batch's std. On the short budget "
        f"dropping the prompt's std alone is better in {plain} of {regimes} regimes and worse in {lost}.",
        "**Does not hold in general**: that super-linear is better than linear. γ = ½ is better in "
        f"{better} regimes and worse in {worse}. It holds where few prompts carry a signal and where few "
        "outcomes have a value *and* the reward is noisy.",
        f"**Turns round** in {grpo} regimes: with noise that differs by prompt, outliers, unequal units and "
        "an exploit, the prompt's std is better than linear, and γ > 0 is worse than both.",
        "**γ can be chosen from noise**: two scorings of a few batches pick an advantage that is better "
        f"than linear in {rule[0]} regimes and worse in {rule[1]}. A bias that both scorings share stays "
        "unseen.",
    ]


def direction(found: Results) -> list[str]:
    """Is SLAS's advantage the steepest ascent that it is said to be?"""
    half, two, binary = (
        _direction(found, *key) for key in ((0.5, "normal"), (2.0, "normal"), (2.0, "0 or 1"))
    )
    worst = min(each.solver for each in found.directions)
    return [
        "**Yes, with one λ more.** As probabilities sum to 1, the solution is π·(A − λ)/w, not π·A/w. A "
        f"numerical solver agrees with it (lowest cosine {worst:.6f}).",
        f"The λ matters little at small γ: π·A/w has cosine {half.paper:.3f} with the solution at γ = ½ and "
        f"{two.paper:.3f} at γ = 2. A softmax puts most of it right by itself: {half.softmax:.3f} and "
        f"{two.softmax:.3f} for a natural step on the shaped advantage. An ordinary gradient step is "
        f"further off at every γ ({_direction(found, 0.0, 'normal').plain:.3f} already at γ = 0), because "
        "it counts π twice.",
        f"The solution is not kinder to good outcomes: at γ = 2, outcomes holding {two.against:.0%} of the "
        "probability are moved against the sign of their own advantage.",
        "**With rewards of 0 or 1 γ changes nothing within a prompt** (natural step: cosine "
        f"{binary.softmax:.3f} with the linear direction, gain {binary.gain:.3f}): two values leave one "
        "direction. There γ can only weigh prompts against each other.",
        "**When advantages are exact, γ > 0 costs.** At an equal trust region the step gains "
        f"{half.gain:.1%} of the linear one at γ = ½ and {two.gain:.1%} at γ = 2 (one prompt), "
        f"{_shared(found, 'metric, γ = 0.5')} and {_shared(found, 'metric, γ = 2')} on shared parameters. "
        "That is so by construction: the linear direction is the best one for the KL. What γ > 0 can win "
        "must come from noise.",
    ]


def trust(found: Results) -> list[str]:
    """What the prompt-level std is, as a metric."""
    shares = {each.name: each.share_P for each in found.regions}
    even, linear, half = shares["prompt std (grpo)"], shares["γ = 0"], shares["γ = 0.5"]
    return [
        "Dividing by the prompt's std is steepest ascent too, under w = std: distance is *cheap* where "
        f"rewards hardly differ. Every prompt then gets the same trust region ({even[0]:.0%} of the budget "
        "each of four), whatever there is to gain.",
        f"Without it, a prompt's share goes with its variance: {linear[-1]:.0%} for std 1 and "
        f"{linear[0]:.3%} for std 0.01. SLAS goes further the same way, with std to the power 2 + 2γ: "
        f"{half[-1]:.0%} and {half[0]:.5%} at γ = ½. Prompt std acts as γ = −1 between prompts.",
        "With a parameter of its own for every outcome this is a learning rate for each prompt and no "
        "more. It becomes a question of direction where prompts share parameters, as below.",
    ]


def miscalibration(found: Results) -> list[str]:
    """Does the prompt-level std amplify groups of tiny variance?"""
    tiny = {name: _reading(found, name, 0.02) for name in ("grpo", "linear", "slas ½")}
    some = {
        name: _reading(found, name, AT_NOISE) for name in ("grpo", "linear", "slas ½", "slas 2", "shrunk")
    }
    most = {name: _reading(found, name, 1.0) for name in ("grpo", "linear", "slas ½")}
    large = {n: _reading(found, n, AT_NOISE, 24).cosine for n in ("grpo", "linear")}
    return [
        "**Yes, and it can be seen directly.** Half of the prompts have nothing to learn. With noise of 2 "
        f"% of the signal, prompt std gives them {tiny['grpo'].share.mean:.1%} of the squared advantage; "
        f"the batch's std {tiny['linear'].share.mean:.2%}. Noise is scaled up to a full signal, however "
        "small it is.",
        f"The gradient pays for it: cosine to the true gradient {level(tiny['grpo'].cosine)} against "
        f"{level(tiny['linear'].cosine)} at 2% noise, {level(some['grpo'].cosine)} against "
        f"{level(some['linear'].cosine)} at {AT_NOISE:.0%}, {level(most['grpo'].cosine)} against "
        f"{level(most['linear'].cosine)} at 100%.",
        f"Larger groups do not mend it: {level(large['grpo'])} against {level(large['linear'])} with 24 "
        "rollouts.",
        f"γ > 0 lowers the share further ({some['linear'].share.mean:.1%} → {some['slas ½'].share.mean:.1%} "
        f"at γ = ½, noise {AT_NOISE:.0%}), but the gradient is hardly better for it at any noise: "
        f"{level(some['slas ½'].cosine)} at γ = ½ and {level(some['slas 2'].cosine)} at γ = 2, as large "
        "advantages are distorted as well. Shrinking every group by its share of measured noise does both: "
        f"{some['shrunk'].share.mean:.1%} and {level(some['shrunk'].cosine)}.",
    ]


def regimes(found: Results) -> list[str]:
    """Where super-linear shaping helps, where it hurts, and where prompt std is right after all."""
    return [
        f"**SLAS (γ = ½) against DanceGRPO's prompt std**, short budget: {_split(found, 'slas ½', 'grpo')}",
        "**Against γ = 0**, which is `batch_std`, `dr_grpo` and `rloo` alike: "
        f"{_split(found, 'slas ½', 'linear')} So most of SLAS's lead over prompt std comes from dropping "
        "it, not from γ.",
        f"At γ = 2: {_split(found, 'slas 2', 'linear')}",
        "**Prompt std against γ = 0**: "
        + _split(found, "grpo", "linear")
        + " It is right where spread tells of "
        "noise or of units rather than of signal: dividing by it then *is* calibration.",
        "**Bias**: a fixed taste or an exploit is amplified by γ like any other large reward (exploit, γ = "
        f"½: {_short(found, 'exploit', 'slas ½')}; γ = 2: {_short(found, 'exploit', 'slas 2')}).",
        "**Long runs at tuned step lengths** tell methods apart much less: the smallest difference told from "
        f"luck there is {_smallest(found):.3f}. Against γ = 0, "
        + _split(found, "slas ½", "linear", "tuned", label="γ = ½ is ")
        + " "
        + _split(found, "slas 2", "linear", "tuned", label="γ = 2 is "),
    ]


def clamps(found: Results) -> list[str]:
    """What outliers do, and what the clamp at ±5 mends."""
    half, one = _clamp(found, "slas 0.5, scale first"), _clamp(found, "slas 1, scale first")
    late, grpo = _clamp(found, "slas 1, power first"), _clamp(found, "grpo")
    return [
        f"Prompt std bounds itself: a group of G holds no |A| above (G − 1)/√G, {bound(8):.2f} for 8 and "
        f"{bound(12):.2f} for 12. **The clamp at ±{LARGEST:g} of DanceGRPO's recipe does nothing** below a "
        f"group of {_first_clamped()}, and outliers hurt grpo least ({level(grpo.cosine[0])}).",
        f"SLAS needs it: with 3% of outliers the cosine goes from {level(half.cosine[0])} to "
        f"{level(half.cosine[1])} at γ = ½ and from {level(one.cosine[0])} to {level(one.cosine[1])} at γ = "
        "1.",
        "The clamp is also all that tells SLAS's two orders apart. Scale first lets it bite; power first "
        f"hides outliers in the scale it divides by ({level(late.cosine[1])} at γ = 1, clamped). That "
        "speaks for the default, `scale_first` with a clamp. Where large rewards are real, the clamp "
        "costs: see `rare, noise 1`.",
    ]


def gammas(found: Results) -> list[str]:
    """Which γ the measured noise justifies, and whether choosing it by a rule wins."""
    at = NOISES.index(1.0)
    normal, dead, rare = (found.gammas[name, False][at] for name in dict.fromkeys(n for n, _ in found.gammas))
    heavy = found.gammas["normal", True][at]
    rule, wide = (_counts(found, name, "linear") for name in ("rule over γ", "rule over γ, grpo"))
    least = min(_counts(found, name, "linear")[1] for name in GAMMAS)
    return [
        "The advantage should follow E[A | d], the expected true advantage of an observed reward d. For a "
        "normal signal in normal noise that is linear, **so noise alone justifies no γ** (best γ "
        f"{abs(normal):.2f} with as much noise as signal). γ > 0 is right where the signal has heavier "
        f"tails than the noise: half of the prompts dead {dead:.2f}, one outcome in eight of value "
        f"{rare:.2f}. Heavy-tailed noise turns it round: {signed(heavy)} for a normal signal; the best "
        "power is below linear, which SLAS does not offer and a clamp imitates.",
        "**The rule**: score a few batches twice and take the γ whose advantages agree best with the "
        "centred rewards of the other scoring (`burnish doctor` does so with one batch). Against γ = 0 on "
        "the short budget "
        f"it is better in {rule[0]} regimes and worse in "
        f"{rule[1]} of {len(found.contests)} (few alive: "
        f"{_short(found, 'few alive', 'rule over γ')}; rare, noise 1: "
        f"{_short(found, 'rare, noise 1', 'rule over γ')}). Each fixed γ > 0 is worse in {least} or more; "
        "the rule takes γ = 0 there.",
        f"With grpo among its candidates it is better in {wide[0]} and worse in "
        f"{wide[1]}: it finds unequal noise and outliers by itself "
        f"(outliers: {_short(found, 'outliers', 'rule over γ, grpo')}).",
        "What it cannot see is what both scorings share: in `mixed units`, `taste` and `exploit` it "
        "reports no noise and takes γ = 0.",
        f"Shrinkage (`shrunk`) needs σ² and no γ. Against γ = 0 it is {_split(found, 'shrunk', 'linear')} "
        "It assumes one normal noise for all prompts, and breaks where that is wrong.",
    ]


def _split(found: Results, method: str, baseline: str, measure: str = "short", label: str = "") -> str:
    """`better in a (+0.1), b; worse in c; undecided in 12.`"""
    table = found.verdicts[measure, baseline]
    names = [each.regime.name for each in found.contests]
    parts = []
    for sign, word in ((1, "better"), (-1, "worse")):
        kept = [name for name in names if table[name, method].sign == sign]
        kept.sort(key=lambda name: -abs(table[name, method].difference.mean or 0.0))
        listed = ", ".join(f"{name} ({table[name, method].difference.mean:+.3f})" for name in kept)
        parts.append(f"{word} in {len(kept)}: {listed}" if kept else f"{word} in none")
    parts.append(f"undecided in {sum(table[name, method].sign == 0 for name in names)}")
    return label + "; ".join(parts).replace("-", "−") + "."


def _counts(found: Results, method: str, baseline: str) -> tuple[int, int, int]:
    """Regimes in which a method is better, worse and undecided on the short budget."""
    table = found.verdicts["short", baseline]
    signs = [table[each.regime.name, method].sign for each in found.contests]
    return signs.count(1), signs.count(-1), signs.count(0)


def _smallest(found: Results) -> float:
    """The smallest difference of the tuned runs that is more than luck; 0 if none is."""
    table = found.verdicts["tuned", "linear"].values()
    return min((abs(v.difference.mean or 0.0) for v in table if v.sign), default=0.0)


def _direction(found: Results, gamma: float, reward: str) -> Direction:
    return next(each for each in found.directions if (each.gamma, each.reward) == (gamma, reward))


def _reading(found: Results, method: str, noise: float, size: int = AT_SIZE) -> Reading:
    key = (method, noise, size)
    return next(each for each in found.readings if (each.method, each.noise, each.size) == key)


def _clamp(found: Results, method: str) -> Clamped:
    return next(each for each in found.clampings if (each.regime, each.method) == ("outliers", method))


def _shared(found: Results, name: str) -> str:
    return f"{mean_of(found.shared[name]).mean:.1%}"


def _short(found: Results, regime: str, method: str) -> str:
    return tested(found.verdicts["short", "linear"][regime, method])


def _first_clamped() -> int:
    return next(size for size in range(2, 100) if bound(size) > LARGEST)
