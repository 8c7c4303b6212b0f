"""The pictures of a run: fixed prompts, fixed noise, one strip an evaluation, and the film of them all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from burnish.report.grid import grid, save_png


class Pictures:
    """Keeps the first `count` images of each evaluation under `RUN/images`.

    Args:
        folder: the run.
        count: pictures a set; 0 keeps none.
    """

    def __init__(self, folder: Path, count: int):
        self.folder, self.count = folder, count

    def keep(self, name: str, step: int, images: np.ndarray, texts: list[str]) -> str | None:
        """Writes `images/NAME_STEP.png` (the strip, captioned) and renews `images/NAME_timeline.png`.

        Args:
            name: short name of the prompt set.
            step: training step.
            images: uint8 [N, H, W, 3].
            texts: their prompts.

        Returns:
            The grid's path relative to the run, or None when no pictures are kept.
        """
        count = min(self.count, len(images))
        if not count:
            return None
        place = self.folder / "images"
        (place / "raw").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(list(images[:count]), axis=1)).save(
            place / "raw" / f"{name}_{step:06d}.png"
        )
        across = min(6, count)
        rows = [list(images[start : min(start + across, count)]) for start in range(0, count, across)]
        captions = [texts[start : min(start + across, count)] for start in range(0, count, across)]
        path = place / f"{name}_{step:06d}.png"
        save_png(grid(rows, captions=captions), path)
        self.timeline(name, texts[:count], images.shape[2])
        return str(path.relative_to(self.folder))

    def side_by_side(
        self,
        name: str,
        of: str,
        steps: list[int],
        which: list[int],
        texts: list[str],
        captions: list[list[str]],
    ) -> str | None:
        """Writes `images/NAME_OF_STEP.png`: prompts (rows) at a few evaluations (columns), as kept.

        Args:
            name: short name of the prompt set.
            of: what is shown, for the name of the file.
            steps: the evaluations, the newest last.
            which: R of the kept prompts.
            texts: all prompts of the set.
            captions: a text below each picture, [R][len(steps)].

        Returns:
            The path relative to the run, or None without a prompt or where a picture is gone.
        """
        strips = [self.folder / "images" / "raw" / f"{name}_{step:06d}.png" for step in steps]
        if not which or not all(strip.is_file() for strip in strips):
            return None
        shown = [np.asarray(Image.open(strip).convert("RGB")) for strip in strips]
        width = shown[0].shape[1] // min(self.count, len(texts))
        cells = [[row[:, n * width : (n + 1) * width] for row in shown] for n in which]
        heads = [f"step {step}" for step in steps]
        picture = grid(
            cells, captions=captions, row_captions=[texts[n] for n in which], column_captions=heads
        )
        shown_as = "".join(c if c.isalnum() else "-" for c in of)
        path = self.folder / "images" / f"{name}_{shown_as}_{steps[-1]:06d}.png"
        save_png(picture, path)
        return str(path.relative_to(self.folder))

    def timeline(self, name: str, texts: list[str], width: int) -> None:
        """Fixed prompts (columns) by training step (rows)."""
        strips = sorted((self.folder / "images" / "raw").glob(f"{name}_*.png"))
        rows = [np.asarray(Image.open(strip).convert("RGB")) for strip in strips]
        shown = min(8, len(texts))
        cells = [[row[:, i * width : (i + 1) * width] for i in range(shown)] for row in rows]
        steps = [f"step {int(strip.stem.rsplit('_', 1)[1])}" for strip in strips]
        picture = grid(cells, row_captions=steps, column_captions=texts[:shown])
        save_png(picture, self.folder / "images" / f"{name}_timeline.png")
