"""Frames that are empty or lack values, Axes of the caller's own, matplotlib that is not there."""

import doctest
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pandas as pd
import plot_samples as samples
import pytest
from matplotlib import pyplot as plt

from aod_notebook import frames, plots

NO_EVENTS = frames.decode_events(b"")
NO_SPANS = frames.spans_from_run_events(samples.run_events())[:0]
EMPTY = {
    "timeline": NO_EVENTS,
    "waterfall": NO_SPANS,
    "tokens": NO_EVENTS,
    "cost": NO_EVENTS,
    "tools": NO_EVENTS,
    "latency": NO_EVENTS,
    "overview": samples.sessions(1)[:0],
}
FULL = {
    "timeline": samples.many_calls(12),
    "waterfall": samples.run_events(),
    "tokens": samples.turns(4),
    "cost": samples.turns(4),
    "tools": samples.many_calls(12),
    "latency": samples.many_calls(12),
    "overview": samples.sessions(4),
}


def words(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_frame_gives_an_axes_that_says_so(name):
    ax = getattr(plots, name)(EMPTY[name])
    ax.figure.draw_without_rendering()
    (told,) = words(ax)
    assert told.startswith("Nothing to show: ")


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_frame_has_the_columns_and_dtypes_of_a_full_one(name):
    make = getattr(plots, f"{name}_df")
    empty, full = make(EMPTY[name]), make(FULL[name])
    assert list(empty.columns) == list(full.columns)
    categorical = {column for column in full if full[column].dtype == "category"}
    same = [column for column in full if column not in categorical]
    assert empty[same].dtypes.to_dict() == full[same].dtypes.to_dict()


@pytest.mark.parametrize("name", FULL)
def test_a_frame_with_missing_values_is_drawn(name):
    frame = FULL[name]
    if name == "waterfall":
        frame = frames.spans_from_run_events(frame)
    kept = {"session_id", "run_id", "order", "depth", "span_id", "offset_ms"}
    for column in set(frame.columns) - kept:
        frame = frame.assign(**{column: pd.Series([None] * len(frame), dtype=frame[column].dtype)})
    getattr(plots, name)(frame).figure.draw_without_rendering()


@pytest.mark.parametrize("name", FULL)
def test_a_figure_is_drawn_on_the_axes_given(name):
    _, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    assert getattr(plots, name)(FULL[name], ax=axes[1]) is axes[1]
    assert not axes[0].has_data()


def test_rows_that_would_not_fit_the_axes_given_are_put_together():
    _, ax = plt.subplots(figsize=(8, 2))
    plots.timeline(samples.many_calls(30), ax=ax)
    assert len(ax.get_yticklabels()) <= 8


def test_frames_have_their_figures_before_matplotlib_is_imported():
    code = (
        "import sys\n"
        "from aod_notebook import frames\n"
        "import pandas as pd\n"
        "assert hasattr(pd.DataFrame, 'aod')\n"
        "assert not {'matplotlib', 'aod_notebook.agentos'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(plots.MissingMatplotlibError) as raised:
        plots.tools(samples.many_calls(3))
    assert str(raised.value) == "Figures need matplotlib: pip install 'aod-notebook[viz]'"
    assert isinstance(raised.value, ImportError)


def test_the_tables_are_there_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert len(plots.tools_df(samples.many_calls(30))) > 1


@pytest.mark.parametrize("name", [module.name for module in iter_modules(plots.__path__)])
def test_the_examples_run_as_written(name):
    module = import_module(f"aod_notebook.plots.{name}")
    assert doctest.testmod(module).failed == 0
