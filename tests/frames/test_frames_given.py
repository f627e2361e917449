"""Sessions, ids and stores, given where a frame could be given; what sessions cost."""

import generated
import matplotlib.pyplot as plt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from bodies import body_of
from known_sessions import RUNTIMES, known_session

from aod_notebook import frames, plots
from aod_notebook.aod import Client
from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames import prepare

LOST = "5e55a000-0000-4000-8000-000000000bad"


def made(count):
    found = {}
    for number in range(count):
        one, known = generated.session_id(number), known_session(RUNTIMES[number % 4], number)
        turns = len(known.turns)
        row = generated.session_of(one, runtime=known.runtime, turns=turns)
        found[one] = row, generated.turns_of(turns), body_of(known, one, number)
    return found


@pytest.fixture(scope="module")
def client():
    with (
        generated.Generated(made(8)) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):
        client.ids = sorted(service.sessions)
        yield client


@pytest.fixture(scope="module")
def store(client, tmp_path_factory):
    return frames.collect(into=tmp_path_factory.mktemp("given"), client=client)


@pytest.fixture(params=["store", "folder", "ids", "client"])
def source(request, client, store):
    known = {"store": store, "folder": str(store.path), "ids": client.ids, "client": client}
    return known[request.param]


QUESTIONS = {
    "turns_with_results": (prepare.turns_with_results, ("turns", "results", "sessions")),
    "tool_stats": (prepare.tool_stats, ("tool_calls",)),
    "stage_durations": (prepare.stage_durations, ("events",)),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_names_sessions_is_taken_for_their_frames(name, source, client, store):
    ask, tables = QUESTIONS[name]
    expected = ask(*(store.frame(table) for table in tables))
    assert len(expected) > 0
    answer = ask(source, client=client)
    pd.testing.assert_frame_equal(answer, expected, check_categorical=False)


def test_sessions_are_compared_and_searched_for_outliers_with_their_details(source, client):
    details = frames.sessions_df(client, details=True)
    asked = "runtime", ["input_tokens", "tool_call_count"], "claude"
    expected = prepare.compare(details, *asked)
    pd.testing.assert_frame_equal(prepare.compare(source, *asked, client=client), expected)
    far = prepare.outliers(source, "input_tokens", k=0, client=client)
    assert set(far["session_id"]) == set(
        prepare.outliers(details, "input_tokens", k=0)["session_id"]
    )


def test_traces_of_a_store_are_those_of_its_frames(source, client, store):
    names = ("sessions", "turns", "tool_calls", "results", "model_usage")
    expected = frames.sessions_to_otlp(*(store.frame(name) for name in names))
    assert ids_of(frames.sessions_to_otlp(source, client=client)) == ids_of(expected)


def ids_of(traces):
    spans = traces["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len(spans) > 8
    return sorted((span["traceId"], span["spanId"], span["name"]) for span in spans)


@pytest.mark.parametrize("figure", [plots.overview, plots.cost, plots.tools, plots.latency])
def test_figures_are_made_of_a_store(figure, store):
    drawn = figure(store)
    assert drawn is not None
    plt.close("all")


def test_costs_by_session_are_the_sums_of_model_usage(source, client, store):
    costs = prepare.cost(source, by="session", client=client).set_index("session")
    used = store.frame("model_usage")
    used["cost_usd"] = used["cost_usd"].fillna(used["computed_cost_usd"])
    names = [*TOKEN_FIELDS, "cost_usd"]
    expected = used.groupby("session_id")[names].sum(min_count=1)
    pd.testing.assert_frame_equal(costs[names], expected, check_names=False)
    assert costs["cost_usd"].notna().any()


@pytest.mark.parametrize("by", ["model", "day", "agent", "session", "tool", "runtime", "subagent"])
def test_costs_come_to_the_same_whatever_they_are_grouped_by(by, source, client, store):
    used = store.frame("model_usage")
    costs = prepare.cost(source, by=[by, "model"], client=client)
    for name in TOKEN_FIELDS:
        assert costs[name].sum() == used[name].sum()
    total = used["cost_usd"].fillna(used["computed_cost_usd"]).sum()
    assert costs["cost_usd"].sum() == pytest.approx(total)


def test_a_session_that_cannot_be_read_is_a_row_and_a_problem(client):
    with pytest.warns(frames.FrameWarning):
        costs = prepare.cost([*client.ids, LOST], by=["session"], client=client)
    lost = costs[costs["session"] == LOST].iloc[0]
    assert lost[[*TOKEN_FIELDS, "cost_usd", "cache_saved_usd"]].isna().all()
    assert lost["unpriced_count"] == 1
    assert not costs.attrs["complete"]
    assert any(LOST in problem["where"] for problem in costs.attrs["problems"])
    whole = prepare.cost(client.ids, by=["session"], client=client)
    others = costs[costs["session"] != LOST].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, whole)


def test_an_answer_says_which_session_is_missing_in_it(client):
    with pytest.warns(frames.FrameWarning):
        stats = prepare.tool_stats([*client.ids, LOST], client=client)
    assert not stats.attrs["complete"]
    assert any(LOST in problem["where"] for problem in stats.attrs["problems"])


@pytest.mark.parametrize(("to", "kind"), [("polars", pl.DataFrame), ("arrow", pa.Table)])
def test_costs_are_returned_as_what_is_asked_for(to, kind, store):
    assert isinstance(prepare.cost(store, to=to), kind)


@pytest.mark.parametrize("by", ["colour", [], ["model", "x"]])
def test_costs_by_what_is_not_known_are_refused(by, store):
    with pytest.raises(frames.FrameError, match="must name some of day, model"):
        prepare.cost(store, by=by)
