import plot_samples as samples
import pytest
from plot_figures import FIGURES, Picture, path

from aod_notebook import plots

DARK = ("timeline", "latency")
LARGEST_BYTES = 60_000


@pytest.mark.parametrize(
    ("name", "theme"), [(name, "light") for name in FIGURES] + [(name, "dark") for name in DARK]
)
def test_a_figure_looks_as_in_the_documentation(name, theme):
    assert Picture.draw(name, theme).is_like(Picture.load(path(name, theme)))


def test_the_comparison_sees_that_two_calls_no_longer_failed():
    events = samples.session_events()
    events["data"] = events["data"].str.replace('"is_error":true', '"is_error":false')
    drawn = Picture.of(plots.timeline(events, theme="light"))
    assert not drawn.is_like(Picture.draw("timeline", "light"))


def test_the_pictures_are_small():
    files = list(path("timeline", "light").parent.glob("*.png"))
    assert len(files) == 2 * len(FIGURES)
    assert max(file.stat().st_size for file in files) < LARGEST_BYTES
