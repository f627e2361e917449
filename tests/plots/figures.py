"""The figures that the documentation shows, which are those that the tests compare with.

Draw them anew with `python tests/plots/figures.py`, and look at them before they are committed.
"""

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import samples
from PIL import Image

from aod_notebook import plots

FOLDER = Path(__file__).parents[2] / "docs" / "_static" / "plots"
FIGURES = {
    "timeline": lambda theme: plots.timeline(samples.session_events(), theme=theme),
    "crowd": lambda theme: plots.timeline(samples.many_calls(), theme=theme),
    "waterfall": lambda theme: plots.waterfall(samples.run_events(), theme=theme),
    "tokens": lambda theme: plots.tokens(samples.session_events(), theme=theme),
    "cost": lambda theme: plots.cost(samples.turns(), theme=theme),
    "tools": lambda theme: plots.tools(samples.many_calls(), theme=theme),
    "latency": lambda theme: plots.latency(samples.many_calls(), theme=theme),
    "overview": lambda theme: plots.overview(samples.sessions(16), theme=theme),
    "batch": lambda theme: plots.overview(samples.sessions(300), theme=theme),
}
THEMES = ("light", "dark")
BLOCK = 5
"""Pixels of a side of the squares that are compared: letters may sit a little otherwise."""


def drawn(name, theme):
    """The picture of a figure."""
    with mpl.rc_context(mpl.rcParamsDefault | {"backend": "agg"}):
        figure = FIGURES[name](theme).figure
        return picture(figure)


def picture(figure):
    file = io.BytesIO()
    figure.savefig(file, dpi=100, metadata={"Software": None})
    return Image.open(file).convert("RGB")


def path(name, theme):
    return FOLDER / f"{name}-{theme}.png"


def difference(one, other):
    """How much two pictures differ: 0 if not at all, 255 as white from black."""
    return float(np.sqrt(np.mean((_blocks(one) - _blocks(other)) ** 2)))


def _blocks(image):
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    height, width = (size // BLOCK * BLOCK for size in pixels.shape[:2])
    squares = pixels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return squares.mean(axis=(1, 3))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in FIGURES:
        for theme in THEMES:
            image = drawn(name, theme).quantize(64, dither=Image.Dither.NONE)
            image.save(path(name, theme), optimize=True)
