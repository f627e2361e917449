"""The figures that the documentation shows, which are those that the tests compare with.

Draw them again with `python tests/plots/plot_figures.py`, and look at them before they are committed.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import plot_samples as samples
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aod_notebook import plots

FOLDER = Path(__file__).parents[2] / "docs" / "_static" / "plots"
FIGURES = {
    "timeline": lambda theme: plots.timeline(samples.session_events(), theme=theme),
    "crowd": lambda theme: plots.timeline(samples.many_calls(), theme=theme),
    "waterfall": lambda theme: plots.waterfall(samples.run_events(), theme=theme),
    "tokens": lambda theme: plots.tokens(samples.session_events(), theme=theme),
    "cost": lambda theme: plots.cost(samples.turns(), theme=theme),
    "tools": lambda theme: plots.tools(samples.calls_of_sessions(), theme=theme),
    "latency": lambda theme: plots.latency(samples.calls_of_sessions(), theme=theme),
    "overview": lambda theme: plots.overview(samples.sessions(16), theme=theme),
    "batch": lambda theme: plots.overview(samples.sessions(300), theme=theme),
}
THEMES = ("light", "dark")
COMPARED = (60, 40)
"""The size at which pictures are compared: letters differ a little from machine to machine."""
TOLERANCE, TOLERANCE_OF_OTHERS = 2.0, 9.0
"""Another version of matplotlib sets other letters; then only what is wrong at large is found."""
VERSION = mpl.__version__.rpartition(".")[0]


@dataclass
class Picture:
    """A picture, and where in it the Axes is: what is around it depends on the width of letters."""

    image: Image.Image
    box: tuple[float, ...]
    version: str = VERSION

    @classmethod
    def draw(cls, name, theme):
        with mpl.rc_context(mpl.rcParamsDefault | {"backend": "agg"}):
            return cls.of(FIGURES[name](theme))

    @classmethod
    def of(cls, ax):
        file = io.BytesIO()
        ax.figure.savefig(file, dpi=100)
        edges = ax.get_position().extents * np.tile(ax.figure.get_size_inches() * 100, 2)
        image = Image.open(file).convert("RGB")
        left, bottom, right, top = (round(float(edge), 1) for edge in edges)
        return cls(image, (left, image.height - top, right, image.height - bottom))

    @classmethod
    def load(cls, path):
        image = Image.open(path)
        box = tuple(json.loads(image.text["axes"]))
        return cls(image.convert("RGB"), box, image.text["matplotlib"])

    def save(self, path):
        info = PngInfo()
        info.add_text("axes", json.dumps(self.box))
        info.add_text("matplotlib", self.version)
        colours = self.image.quantize(64, dither=Image.Dither.NONE)
        colours.save(path, optimize=True, pnginfo=info)

    def difference(self, other):
        """How much two differ: 0 if not at all, 255 as white from black."""
        return float(np.sqrt(np.mean((self._inside() - other._inside()) ** 2)))

    def is_like(self, other):
        same = self.version == other.version
        return self.difference(other) < (TOLERANCE if same else TOLERANCE_OF_OTHERS)

    def _inside(self):
        inside = self.image.resize(COMPARED, Image.Resampling.BOX, box=self.box)
        return np.asarray(inside, dtype=float)


def path(name, theme):
    return FOLDER / f"{name}-{theme}.png"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in FIGURES:
        for theme in THEMES:
            Picture.draw(name, theme).save(path(name, theme))
