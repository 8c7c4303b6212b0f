"""LAION's aesthetic predictor on a small CLIP model, its head written by its own class's names."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import CLIPModel

from burnish.errors import RewardError
from burnish.rewards.models.aesthetic import aesthetic


class Head(nn.Module):
    """Linear layers and dropouts as in the official predictor, from 24 numbers on."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(24, 16), nn.Dropout(0.2), nn.Linear(16, 8), nn.Dropout(0.2), nn.Linear(8, 6),
            nn.Dropout(0.1), nn.Linear(6, 4), nn.Linear(4, 1),
        )  # fmt: skip


@pytest.fixture
def head(tmp_path):
    """The module, and its official file."""
    torch.manual_seed(1)
    module = Head().eval()
    torch.save(module.state_dict(), tmp_path / "head.pth")
    assert set(module.state_dict()) >= {"layers.0.weight", "layers.6.bias", "layers.7.weight"}
    return module, str(tmp_path / "head.pth")


def test_the_head_reads_the_unit_embedding(clip_folder, head, images, prompts, prepared):
    module, file = head
    model = CLIPModel.from_pretrained(clip_folder).eval()
    with torch.no_grad():
        seen = model.visual_projection(model.vision_model(pixel_values=prepared(32)).pooler_output)
        expected = module.layers(seen / seen.norm(dim=-1, keepdim=True))[:, 0]
    assert expected.std() > 1e-4
    found = aesthetic(clip_folder, file)(images, prompts)
    assert found == pytest.approx(expected.tolist(), abs=1e-5)
    assert aesthetic(clip_folder, file, batch=1)(images, prompts) == pytest.approx(found, abs=1e-5)
    assert aesthetic(clip_folder, file)(images, prompts[::-1]) == found  # prompts do not count


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"layers.0.weight": (4, 24)}, r"lacks 0.bias; download sac\+logos"),
        ({"layers.0.weight": (4, 24), "layers.0.bias": (4,), "layers.norm": (4,)}, "has the unknown norm"),
        (
            {"layers.0.weight": (4, 25), "layers.0.bias": (4,)},
            r"has layer 0 of shape \[4, 25\], which does not take 24 numbers",
        ),
        ({"mlp.weight": (4, 24)}, "lacks a head"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(clip_folder, tmp_path, weights, sentence):
    torch.save({name: torch.ones(shape) for name, shape in weights.items()}, tmp_path / "head.pth")
    with pytest.raises(RewardError, match=f"^reward aesthetic: .*head.pth {sentence}"):
        aesthetic(clip_folder, str(tmp_path / "head.pth"))


def test_missing_files_are_named(clip_folder, head):
    with pytest.raises(
        RewardError, match=r"^reward aesthetic: no folder nowhere; download openai/clip-vit-large"
    ):
        aesthetic("nowhere", head[1])
    with pytest.raises(RewardError, match=r"^reward aesthetic: no file x.pth; download sac\+logos\+ava1"):
        aesthetic(clip_folder, "x.pth")
