"""Themes, and colours that everybody can tell apart."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
import plot_samples as samples
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from aod_notebook import plots
from aod_notebook.plots._look import DARK, LIGHT

# Machado, Oliveira and Fernandes (2009), in full strength
COLOUR_BLIND = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def test_nothing_is_drawn_on_a_figure_of_an_unknown_theme():
    with pytest.raises(plots.PlotError, match="There is no theme 'blue'"):
        plots.tools(samples.many_calls(3), theme="blue")


@pytest.mark.parametrize(
    ("style", "text"),
    [("default", LIGHT.text), ("dark_background", DARK.text), ("ggplot", LIGHT.text)],
)
def test_by_default_a_figure_follows_the_background(style, text):
    with plt.style.context(style):
        ax = plots.tools(samples.many_calls(12))
        ground = to_rgb(mpl.rcParams["figure.facecolor"])
    assert ax._left_title.get_color() == text
    assert to_rgb(ax.figure.get_facecolor()) == ground


@pytest.mark.parametrize(("theme", "look"), [("light", LIGHT), ("dark", DARK)])
def test_a_theme_that_is_asked_for_paints_the_background(theme, look):
    ax = plots.tools(samples.many_calls(12), theme=theme)
    assert to_rgb(ax.get_facecolor()) == to_rgb(ax.figure.get_facecolor()) == to_rgb(look.ground)


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_texts_can_be_read_on_their_background(look):
    for ground in (look.ground, look.band):
        for colour in (look.text, look.quiet, look.bad_text):
            assert contrast(colour, ground) >= 4.5
    assert contrast(look.text, look.turn.colour) >= 4.5


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_bars_stand_out_from_their_background(look):
    for fill in (look.call, look.nested, look.failed, look.stopped, look.waiting, look.stage):
        assert contrast(fill.colour, look.ground) >= 2


def contrast(one, other):
    """The contrast ratio of the Web Content Accessibility Guidelines."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def linear(colour):
    return np.array(
        [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    )


@pytest.mark.parametrize("look", [LIGHT, DARK])
@pytest.mark.parametrize("eyes", COLOUR_BLIND)
def test_colours_differ_for_colour_blind_eyes(look, eyes):
    states = [look.call, look.nested, look.failed, look.stopped, look.waiting]
    kinds = [*look.kinds.values(), look.failed]
    for colours in (look.lines, [fill.colour for fill in states], [fill.colour for fill in kinds]):
        seen = [lab(np.array(COLOUR_BLIND[eyes]) @ linear(colour)) for colour in colours]
        assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 10


def lab(rgb):
    """CIELAB of linear light: distances are about as large as they are seen."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
