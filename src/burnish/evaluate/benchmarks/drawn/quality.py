"""Simple numbers of a picture without a model: they show flat, garish and blurred pictures, not good ones."""

from __future__ import annotations

import numpy as np


def measures(image: np.ndarray) -> dict[str, float]:
    """Of a uint8 picture [H, W, 3].

    Returns:
        `contrast`, the standard deviation of the luminance (Rec. 601) in [0, 0.5]; `colourfulness` after
        Hasler and Süsstrunk (2003), 0 for grey, 109 called extremely colourful there; `sharpness`, the mean
        absolute difference of the luminance to its neighbours, in [0, 1].
    """
    red, green, blue = np.moveaxis(image.astype(float), -1, 0)
    light = (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    centre = np.hypot(red_green.mean(), yellow_blue.mean())
    steps = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (0, 1)])
    return {
        "contrast": float(light.std()),
        "colourfulness": float(spread + 0.3 * centre),
        "sharpness": float(steps.mean()) if len(steps) else 0.0,
    }
