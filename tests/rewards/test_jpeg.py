import io

import numpy as np
import pytest
from PIL import Image

from burnish.errors import RewardError
from burnish.rewards.jpeg import jpeg_compressibility, jpeg_incompressibility
from burnish.types import Prompt

SMOOTH = np.full((32, 48, 3), 90, np.uint8)
BUSY = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
IMAGES, PROMPTS = [SMOOTH, BUSY], [Prompt("a"), Prompt("b")]


@pytest.mark.parametrize("quality", [1, 75, 95, 100])
def test_the_reward_is_the_size_of_the_file_in_kilobytes(quality, tmp_path):
    sizes = []
    for image in IMAGES:
        Image.fromarray(image).save(tmp_path / "image.jpg", quality=quality)
        sizes.append((tmp_path / "image.jpg").stat().st_size / 1000)
    assert jpeg_incompressibility(quality)(IMAGES, PROMPTS) == sizes
    assert jpeg_compressibility(quality)(IMAGES, PROMPTS) == [-size for size in sizes]
    assert sizes[0] < sizes[1]


def test_the_quality_of_ddpo_is_the_default():
    file = io.BytesIO()
    Image.fromarray(BUSY).save(file, "JPEG", quality=95)
    assert jpeg_incompressibility()([BUSY], PROMPTS[:1]) == [len(file.getvalue()) / 1000]
    assert jpeg_compressibility()([], []) == []


@pytest.mark.parametrize("quality", [0, 101, 95.0, "95", True, None])
@pytest.mark.parametrize("maker", [jpeg_compressibility, jpeg_incompressibility])
def test_a_quality_that_is_none_is_refused(maker, quality):
    with pytest.raises(RewardError, match=f"reward {maker.__name__}: quality must be a whole number from 1"):
        maker(quality=quality)
