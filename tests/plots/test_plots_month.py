"""A month of imported sessions in one picture."""

from pathlib import Path

import pytest

from aod_notebook import frames, plots
from aod_notebook.plots import PlotError

SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home"

pytestmark = pytest.mark.filterwarnings("ignore:computed_cost_usd")


def test_a_month_is_drawn_in_one_call(tmp_path):
    store = frames.import_logs(SAMPLES, into=tmp_path / "store")

    figure = plots.month(store)

    titles = [ax.get_title(loc="left").partition(" ·")[0] for ax in figure.axes]
    assert sorted(titles) == [
        "Cost by day", "Failed calls by tool", "Files read again", "Longest sessions",
        "Projects by cost", "Turns by hour",
    ]  # fmt: skip


def test_the_numbers_of_a_month_are_those_of_its_turns(tmp_path):
    drawn = plots.month_df(SAMPLES)

    assert drawn["input_tokens"].sum() == 12081 + 1010 + 7121 + 2041 + 7182
    assert drawn["day"].nunique() == 1


def test_a_store_without_sessions_is_drawn_calmly(tmp_path):
    (tmp_path / "none" / ".claude" / "projects").mkdir(parents=True)

    figure = plots.month(frames.import_logs(tmp_path / "none", into=tmp_path / "store"))

    assert all("Nothing to show" in ax.texts[0].get_text() for ax in figure.axes)


@pytest.mark.parametrize("days", [0, 1.5])
def test_days_are_whole_numbers_from_one_on(days):
    with pytest.raises(PlotError, match="whole number"):
        plots.month_df(SAMPLES, days=days)
