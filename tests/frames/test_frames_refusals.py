"""What frames cannot be made of is refused in one line of the package's own errors."""

import io
from contextlib import suppress
from types import SimpleNamespace

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from bodies import body_of, frames_of
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod import AsyncClient
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames import prepare

SESSION = "8d0c0000-0000-4000-8000-000000000001"
MADE = known_session("claude", 5)
EVENTS = frames.decode_events(body_of(MADE, SESSION, 1))
RUN_EVENTS = frames.decode_run_events(b'[{"type": "plan", "span_id": "a", "level": "error"}]', "r1")
SESSIONS, TURNS, CALLS, RESULTS = (frame.head(9) for frame in frames_of(MADE, SESSION))
SOME = {
    "events": EVENTS,
    "messages": frames.messages_from_events(EVENTS),
    "tool_calls": CALLS,
    "results": RESULTS,
    "model_usage": frames.model_usage_from_events(EVENTS),
    "sessions": SESSIONS,
    "turns": TURNS,
    "run_events": RUN_EVENTS,
    "spans": frames.spans_from_run_events(RUN_EVENTS),
}
CLIENT = SimpleNamespace(
    sessions=SimpleNamespace(get=None, turns=None), agents=SimpleNamespace(get=None, list=None)
)
AGENTOS = SimpleNamespace(runs=None, start_run=None)
PURE = {
    "messages_from_events": frames.messages_from_events,
    "tool_calls_from_events": frames.tool_calls_from_events,
    "results_from_events": frames.results_from_events,
    "model_usage_from_events": frames.model_usage_from_events,
    "spans_from_run_events": frames.spans_from_run_events,
    "runs_to_otlp": frames.runs_to_otlp,
    "runs_to_otlp, run_events": lambda f: frames.runs_to_otlp(RUN_EVENTS[["run_id"]], f),
    "sessions_to_otlp": lambda f: frames.sessions_to_otlp(f, TURNS),
    "sessions_to_otlp, turns": lambda f: frames.sessions_to_otlp(SESSIONS, f),
    "sessions_to_otlp, calls": lambda f: frames.sessions_to_otlp(SESSIONS, TURNS, f),
    "sessions_to_otlp, results": lambda f: frames.sessions_to_otlp(SESSIONS, TURNS, CALLS, f),
    "to_parquet": lambda f: frames.to_parquet(f, io.BytesIO()),
    "turns_with_results": lambda f: prepare.turns_with_results(f, RESULTS),
    "turns_with_results, results": lambda f: prepare.turns_with_results(TURNS, f),
    "turns_with_results, sessions": lambda f: prepare.turns_with_results(TURNS, RESULTS, f),
    "cost_per_agent_and_day": prepare.cost_per_agent_and_day,
    "tool_stats": prepare.tool_stats,
    "stage_durations": prepare.stage_durations,
    "compare": lambda f: prepare.compare(f, "session_id", "duration_s", SESSION),
    "outliers": lambda f: prepare.outliers(f, "duration_s", by="session_id"),
}
OF = {
    "messages_from_events": "events",
    "tool_calls_from_events": "events",
    "results_from_events": "events",
    "model_usage_from_events": "events",
    "spans_from_run_events": "run_events",
    "runs_to_otlp": "run_events",
    "runs_to_otlp, run_events": "run_events",
    "sessions_to_otlp": "sessions",
    "sessions_to_otlp, turns": "turns",
    "sessions_to_otlp, calls": "tool_calls",
    "sessions_to_otlp, results": "results",
    "to_parquet": "turns",
    "turns_with_results": "turns",
    "turns_with_results, results": "results",
    "turns_with_results, sessions": "sessions",
    "cost_per_agent_and_day": "results",
    "tool_stats": "tool_calls",
    "stage_durations": "events",
    "compare": "tool_calls",
    "outliers": "turns",
}
"""What each of them is made of."""


def refused(call):
    """The line with which a call is refused."""
    with pytest.raises(AodNotebookError) as raised:
        call()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("name", PURE)
def test_a_frame_of_another_kind_is_refused(name):
    tables = [] if name == "to_parquet" else [pl.DataFrame({"a": [1]})]
    for given in (5, "x", object(), [5], {"a": 1}, *tables):
        refused(lambda given=given: PURE[name](given))


EVERY = pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.faults)])
"""Of the columns, every sixth; in the long form each."""


def odd(frame, step):
    """A frame without any one of its columns, without rows, with columns twice, of other dtypes."""
    yield from (frame.drop(columns=name) for name in frame.columns[::step])
    yield frame[:0]
    yield pd.concat([frame, frame], axis=1)
    for value in ("x", None, 7)[: 3 // step + 2]:
        yield frame.astype(object).map(lambda _, value=value: value)


@EVERY
@pytest.mark.parametrize("name", PURE)
def test_any_frame_gives_an_answer_or_one_line(name, step):
    few = {kind: frame.head(2) for kind, frame in SOME.items()}
    for given in (*few.values(), *odd(few[OF[name]], step)):
        with suppress(AodNotebookError):
            PURE[name](given)


@pytest.mark.parametrize("there", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_missing_columns_are_named_with_the_function_and_what_gives_them(there):
    told = refused(
        lambda: prepare.tool_stats(there(CALLS.drop(columns=["duration_s", "is_error"])))
    )
    assert told.startswith("tool_stats needs the columns is_error, duration_s, and the frame given")
    assert told.endswith("pass what frames.tool_calls_df() returned")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: frames.runs_to_otlp(TURNS), "needs the column run_id.* aod.turns/1: pass what"),
        (lambda: frames.sessions_to_otlp(SESSIONS, RESULTS), "frames.turns_df"),
        (lambda: frames.runs_to_otlp(RUN_EVENTS.assign(run_id=None)), "run_id in every row"),
        (lambda: frames.otlp_to_protobuf({"x": 1}), "takes what runs_to_otlp or sessions_to_otlp"),
        (lambda: frames.spans_from_run_events(EVENTS), "pass what frames.run_events_df"),
        (lambda: frames.messages_from_events(TURNS), "A transcript needs the columns type, stream"),
        (lambda: frames.decode_events(b"", columns="tol"), "has no column 'tol'"),
        (lambda: frames.decode_events(b"", exclude=[None]), "has no column None"),
        (lambda: frames.decode_events(b"", to="excel"), "Use one of pandas, polars, arrow"),
        (lambda: frames.SCHEMAS["turns"]["turns"], "did you mean 'turn'"),
        (lambda: frames.read_parquet("typo"), "No frame could be read from 'typo'"),
        (lambda: frames.to_parquet(TURNS, "no/such/directory/x"), "No frame could be written to"),
    ],
)
def test_a_pure_function_says_what_is_wrong(call, told):
    with pytest.raises(frames.FrameError, match=told):
        call()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        *(
            (lambda k=k: prepare.outliers(CALLS, "output_chars", k=k), "`k` is .*Use 0 or more")
            for k in (-1, float("nan"))
        ),
        (lambda: prepare.outliers(CALLS, "output"), "needs numbers in the column output"),
        (lambda: prepare.outliers(CALLS, "output_char"), "did you mean 'output_chars'"),
        (lambda: prepare.tool_stats(CALLS, by=[]), "at least one column to group by"),
        (lambda: prepare.tool_stats(CALLS, by="tol"), "did you mean 'tool'"),
        (lambda: prepare.compare(CALLS, "tool", [], "Bash"), "at least one column to compare"),
        (lambda: prepare.compare(CALLS, "tool", "summary", "Bash"), "numbers or booleans in the"),
        (
            lambda: prepare.turns_with_results(TURNS, pd.concat([RESULTS] * 2)),
            "one row per session",
        ),
    ],
)
def test_questions_say_what_is_wrong_with_them(call, told):
    with pytest.raises(frames.FrameError, match=told):
        call()


def test_fences_at_the_quartiles_are_taken():
    assert len(prepare.outliers(pd.DataFrame({"s": [1, 2, 3, 4]}), "s", k=0)) == 2


def test_outliers_of_outliers_are_searched_again():
    first = prepare.outliers(pd.DataFrame({"s": [1, 2, 3, 4, 90]}), "s")
    again = prepare.outliers(first.assign(low=100.0), "s")
    assert again.empty
    assert list(again.columns) == ["s", "low", "high"]


def test_keys_of_other_widths_are_joined():
    results = pl.from_pandas(RESULTS).with_columns(pl.col("turn").cast(pl.Int64))
    joined = prepare.turns_with_results(pl.from_pandas(TURNS), results)
    assert list(joined["result"].dropna()) == RESULTS["result"].dropna().to_list()


def test_a_frame_from_text_or_without_the_payload_is_read_as_it_was():
    text = io.StringIO(EVENTS.to_csv(index=False))
    pd.testing.assert_frame_equal(
        frames.tool_calls_from_events(pd.read_csv(text)), frames.tool_calls_from_events(EVENTS)
    )
    spans = frames.spans_from_run_events(RUN_EVENTS[["run_id", "span_id", "type"]])
    assert list(spans["name"]) == ["plan"]


OF_SESSIONS = ["events_df", "messages_df", "tool_calls_df", "results_df", "model_usage_df"]
OF_SESSIONS += ["sessions_df", "turns_df", "agents_df"]
OF_RUNS = ["runs_df", "run_events_df", "spans_df", "tasks_df"]


@pytest.mark.parametrize("name", [*OF_SESSIONS, *OF_RUNS])
def test_a_call_that_cannot_be_answered_is_refused(name):
    function = getattr(frames, name)
    right, wrong = (CLIENT, AGENTOS) if name in OF_SESSIONS else (AGENTOS, CLIENT)
    for jobs in (0, -1):
        told = refused(lambda jobs=jobs: function([SESSION], client=right, jobs=jobs))
        assert told == f"`jobs` is {jobs}. Use 1 or more."
    assert "Use one of pandas" in refused(lambda: function(client=right, to="excel"))
    assert "client must be a" in refused(lambda: function(client=wrong))
    assert "client must be a" in refused(lambda: function(client="x"))
    for source in (5, "", [None], {"a": 1}, pd.DataFrame({"x": [1]}), pl.DataFrame({"x": [1]})):
        refused(lambda source=source: function(source, client=right))


def test_an_event_id_below_0_is_refused():
    assert "`since` is -1" in refused(lambda: frames.events_df(EVENTS, since=-1))


@pytest.mark.anyio
async def test_an_async_client_is_refused_with_the_way_to_use_a_sync_one():
    async with AsyncClient("http://127.0.0.1:9", "unused-token") as client:
        told = refused(lambda: frames.events_df(client=client))
    assert "await asyncio.to_thread(frames.sessions_df" in told


def test_collect_says_what_is_wrong(tmp_path):
    (tmp_path / "file").write_text("")
    given = {"into": tmp_path / "store", "client": CLIENT}
    assert "into must be the path" in refused(lambda: frames.collect([], **given | {"into": 5}))
    told = refused(lambda: frames.collect([], **given | {"into": tmp_path / "file"}))
    assert told.startswith("No store can be made in")
    assert "dask must be a dask" in refused(lambda: frames.collect([], **given, dask=5))
    assert "`jobs` is 0" in refused(lambda: frames.collect([], **given, jobs=0))
    assert not (tmp_path / "store").exists()


def test_events_with_categorical_texts_are_read():
    texts = EVENTS.astype({"data": "category", "session_id": "category"})
    pd.testing.assert_frame_equal(frames.messages_from_events(texts), SOME["messages"])


def test_a_store_says_what_is_wrong(tmp_path):
    store = frames.collect([], into=tmp_path, client=CLIENT)
    for name in ("spans", 5, None):
        for call in (store.frame, store.dataset, store.dask):
            assert "there are sessions, turns" in refused(lambda call=call, name=name: call(name))
    assert "filter must be" in refused(lambda: store.frame("turns", filter="turn > 1"))
    assert "No match" in refused(lambda: store.frame("turns", filter=ds.field("x") > 1))
    assert "has no column" in refused(lambda: store.frame("turns", columns=["x"]))
    assert "path must be the path" in refused(lambda: frames.scan(None))
    (tmp_path / "manifest.parquet").write_bytes(b"no parquet")
    assert "is damaged: delete the store and collect it again" in refused(
        lambda: store.frame("turns")
    )
