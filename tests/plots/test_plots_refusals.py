"""What cannot be drawn, or drawn on, is refused in one line before anything is asked for."""

from contextlib import suppress
from types import SimpleNamespace

import pandas as pd
import plot_samples as samples
import polars as pl
import pytest
from matplotlib import pyplot as plt

from aod_notebook import frames, plots
from aod_notebook.core.errors import AodNotebookError

EVENTS, RUN_EVENTS = samples.session_events(), samples.run_events()
SOME = {
    "events": EVENTS,
    "tool_calls": frames.tool_calls_from_events(EVENTS),
    "messages": frames.messages_from_events(EVENTS),
    "results": frames.results_from_events(EVENTS),
    "run_events": RUN_EVENTS,
    "spans": frames.spans_from_run_events(RUN_EVENTS),
    "turns": samples.turns(4),
    "sessions": samples.sessions(4),
    "runs": samples.typed([{"run_id": "r1", "status": "completed", "duration_ms": 5}], "runs"),
}
FIGURES = {
    "timeline": ("tool_calls", "events"),
    "waterfall": ("spans", "run_events"),
    "tokens": ("messages", "results", "runs"),
    "cost": ("turns", "runs"),
    "tools": ("tool_calls", "spans"),
    "latency": ("turns", "sessions"),
    "overview": ("sessions", "runs"),
}
WITH_LIMIT = ["timeline", "waterfall", "tools", "latency", "overview"]


@pytest.mark.parametrize("name", WITH_LIMIT)
@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_1_is_refused(name, limit):
    with pytest.raises(plots.PlotError) as raised:
        getattr(plots, name)("no such session", client="never asked", limit=limit)
    assert str(raised.value) == f"`limit` is {limit}. Use 1 or more."


@pytest.mark.parametrize("name", FIGURES)
def test_an_invalid_axes_or_theme_is_refused(name):
    figure = getattr(plots, name)
    for ax in (5, "x", plt.figure(), plt.subplots(1, 2)[1]):
        with pytest.raises(plots.PlotError, match="ax must be one matplotlib Axes, such as"):
            figure("no such session", client="never asked", ax=ax)
    with pytest.raises(plots.PlotError, match="There is no theme 'blue': use 'auto'"):
        figure("no such session", client="never asked", theme="blue")


EVERY = pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.faults)])
"""Of the columns, every sixth; in the long form each."""


def odd(frame, step):
    """A frame without any one of its columns, with columns twice, of other dtypes."""
    yield from (frame.drop(columns=name) for name in frame.columns[::step])
    yield pd.concat([frame, frame], axis=1)
    for value in ("x", None, 7)[: 3 // step + 2]:
        yield frame.astype(object).map(lambda _, value=value: value)


@EVERY
@pytest.mark.parametrize("name", FIGURES)
def test_any_frame_is_drawn_or_refused_in_one_line(name, step):
    make = getattr(plots, f"{name}_df")
    few = {kind: frame.head(3) for kind, frame in SOME.items()}
    client = SimpleNamespace()
    for given in (
        *few.values(),
        *(some for kind in FIGURES[name] for some in odd(few[kind], step)),
    ):
        with suppress(AodNotebookError):
            make(given, client=client)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("given", [5, pl.DataFrame({"a": [1]}), {"a": 1}, [None]])
def test_what_names_no_session_is_refused(name, given):
    client = SimpleNamespace(sessions=None, agents=None, runs=None)
    with pytest.raises(AodNotebookError) as raised:
        getattr(plots, name)(given, client=client)
    assert "\n" not in str(raised.value)


def test_runs_without_their_times_are_drawn():
    runs = SOME["runs"].assign(input_tokens=3)[["run_id", "status", "input_tokens"]]
    assert plots.tokens_df(runs)["tokens"].tolist() == [3]


def test_calls_from_a_text_file_have_their_times(tmp_path):
    calls = SOME["tool_calls"]
    calls.to_csv(tmp_path / "calls.csv", index=False)
    drawn = plots.timeline_df(pd.read_csv(tmp_path / "calls.csv"))
    pd.testing.assert_frame_equal(drawn, plots.timeline_df(calls))


@pytest.mark.parametrize("year", ["1600", "9999"])
def test_times_far_from_now_are_drawn(year):
    moment = pd.Timestamp(f"{year}-06-01T00:00:00Z").as_unit("us")
    turns = samples.turns(3).assign(ended_at=moment)
    for figure in (plots.tokens(turns), plots.cost(turns)):
        figure.figure.draw_without_rendering()
    spans = frames.spans_from_run_events(samples.run_events().assign(started_at=moment))
    plots.waterfall(spans).figure.draw_without_rendering()


def test_durations_of_a_clock_that_was_set_back_have_no_bar():
    sessions = samples.sessions(3)
    ax = plots.overview(sessions.assign(duration_s=-5.0))
    assert ax.get_xlim()[1] > 0
    spans = SOME["spans"].assign(duration_ms=-900_000)
    assert plots.waterfall(spans).get_xlim()[1] > 0


def test_a_span_with_a_reported_failure_is_answered():
    spans = samples.typed(
        [{"run_id": "r", "span_id": "a", "depth": 0, "tool": "x", "is_error": True}], "spans"
    )
    (row,) = plots.tools_df(spans).to_dict("records")
    assert (row["failed"], row["unanswered"], row["failure_rate"]) == (1, 0, 1.0)
