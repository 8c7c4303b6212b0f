import numpy as np
import pytest
from PIL import Image, ImageEnhance

from burnish.scenes import preference
from burnish.scenes.grammar import parse, sample
from burnish.scenes.renderer import draw
from burnish.scenes.verifier import verify


def vivid(image, factor):
    return np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(factor))


@pytest.fixture(scope="module")
def pairs():
    """Prompts of the test split, a true picture of each, and one of an altered scene."""
    rng = np.random.default_rng(3)
    texts = [sample(rng, "test") for _ in range(120)]
    true = [draw(text, rng, 32) for text in texts]
    false = [draw(preference.altered(parse(text), rng), rng, 32) for text in texts]
    kept = [i for i, text in enumerate(texts) if not verify(false[i], text).strict]
    return [texts[i] for i in kept], [true[i] for i in kept], [false[i] for i in kept]


def test_the_bundled_scorer_prefers_true_pictures_but_not_always(pairs):
    texts, true, false = pairs
    scorer = preference.load()
    won = np.array(scorer.score(true, texts)) > np.array(scorer.score(false, texts))
    assert 0.65 < won.mean() < 1


def test_the_bundled_scorer_likes_vivid_pictures_which_the_verifier_does_not_reward(pairs):
    texts, true, _ = pairs
    scorer = preference.load()
    pale, strong = ([vivid(image, factor) for image in true] for factor in (0.7, 1.3))
    assert np.mean(np.array(scorer.score(strong, texts)) > np.array(scorer.score(pale, texts))) > 0.75


def test_scores_do_not_depend_on_the_company(pairs):
    texts, true, _ = pairs
    scorer = preference.load()
    together = scorer.score(true[:4], texts[:4])
    alone = [scorer.score([image], [text])[0] for image, text in zip(true[:4], texts[:4], strict=True)]
    assert together == pytest.approx(alone, abs=1e-4)
    with pytest.raises(ValueError, match="one prompt an image"):
        scorer.score(true[:2], texts[:1])


def test_raters_are_noisy_and_like_saturation():
    image = draw("a red circle", np.random.default_rng(0), 32)
    rng = np.random.default_rng(1)
    faint, strong = (
        [preference.liking(vivid(image, f), "a red circle", rng) for _ in range(60)] for f in (0.6, 1.5)
    )
    assert np.mean(strong) > np.mean(faint)
    assert np.std(strong) > 0.2


def test_an_altered_scene_asks_for_something_else():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scene = parse(sample(rng, "train"))
        other = preference.altered(scene, rng)
        assert len(other.things) == len(scene.things)
    assert any(preference.altered(scene, rng) != scene for _ in range(5))


def test_a_scorer_is_trained_from_nothing(tmp_path):
    words = ["--out", str(tmp_path), "--pairs", "60", "--steps", "2", "--workers", "1", "--device", "cpu"]
    assert preference.main(words) == 0
    assert "--pairs 60 --steps 2 --seed 0" in (tmp_path / "README.md").read_text()
    scorer = preference.Preference(tmp_path)
    assert np.isfinite(scorer.score([draw("a red circle", np.random.default_rng(0), 32)], ["a red circle"]))
