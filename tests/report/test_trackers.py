import sys

import numpy as np
import pytest

from burnish.errors import BurnishError
from burnish.report.trackers import TensorBoard


def test_scalars_reach_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoard(tmp_path) as board:
        board.append("train", 1, reward=np.float32(0.5), loss=float("nan"), note="text", dead=None)
        board.append("evaluate", 2, set="scenes:test", strict=0.25)
        for name, gain in (("strict", -0.5), ("ocr", 0.5)):
            fields = {"set": "scenes:test", "held_out": name, "rings": False, "rise": [1.0, 0.5, 1.5]}
            board.append("watch", 2, **fields, truth={"gain": gain, "gain_se": float("nan")})
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert sorted(read.Tags()["scalars"]) == [
        "evaluate/scenes:test/strict",
        "train/reward",
        "watch/scenes:test/ocr/truth/gain",
        "watch/scenes:test/strict/truth/gain",
    ]
    assert read.Scalars("watch/scenes:test/strict/truth/gain")[0].value == -0.5
    (event,) = read.Scalars("train/reward")
    assert (event.step, event.value) == (1, 0.5)


def test_a_resumed_run_hides_the_steps_it_repeats(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for start, reward in ((0, 0.25), (2, 0.75)):
        with TensorBoard(tmp_path, start) as board:
            for step in range(start + 1, 5):
                board.append("train", step, reward=reward)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("train/reward")] == [
        (1, 0.25),
        (2, 0.25),
        (3, 0.75),
        (4, 0.75),
    ]


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BurnishError, match=r"pip install 'burnish\[tensorboard\]'"):
        TensorBoard(tmp_path)
