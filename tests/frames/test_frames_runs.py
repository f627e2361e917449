"""The frames of AgentOS runs: events, spans, and what a service says of runs and tasks."""

import json
import math
import warnings
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.native import concat


def quietly(function, *args, **options):
    """A frame and its problems; what is missing is no surprise here."""
    with warnings.catch_warnings(action="ignore", category=frames.FrameWarning):
        frame = function(*args, **options)
    return frame, frame.attrs["problems"]


def event(number, name="step.done", **fields):
    return {
        "id": f"e{number}",
        "sequence_number": number,
        "type": name,
        "level": "info",
        "occurred_at": f"2026-01-01T00:00:{number:02d}.000125Z",
        "payload": {},
        **fields,
    }


def span(number, name, parent=None, start=0, end=1000, **payload):
    fields = {
        "span_id": name,
        "started_at": f"2026-01-01T00:00:00.{start:03d}Z",
        "ended_at": f"2026-01-01T00:00:{end // 1000:02d}.{end % 1000:03d}Z",
        "duration_ms": end - start,
        "kind": "step",
        "payload": payload,
    }
    if parent is not None:
        fields["parent_span_id"] = parent
    return event(number, name, **fields)


def body(events):
    return json.dumps({"data": events}).encode()


EVENTS = [
    event(1, "tool.called", payload={"tool": "search", "input": {"q": "é"}}),
    event(2, "llm.response", payload={"model": "m", "input_tokens": 9, "output_tokens": 4}),
    event(3, "tool.failed", level="error", payload={"tool": "search", "error": "no net"}),
    event(4, "odd", level="loud", payload={"error": {"message": "inside"}}),
]


def test_an_event_fills_its_columns_and_those_taken_from_the_payload():
    frame = frames.decode_run_events(body(EVENTS), "r1")
    assert list(frame["run_id"]) == ["r1"] * 4
    assert list(frame["order"]) == [1, 2, 3, 4]
    assert list(frame["event_id"]) == ["e1", "e2", "e3", "e4"]
    assert list(frame["tool"].dropna()) == ["search", "search"]
    assert (frame["model"][1], frame["input_tokens"][1], frame["output_tokens"][1]) == ("m", 9, 4)
    assert list(frame["error"].dropna()) == ["no net", "inside"]
    assert frame["occurred_at"][0] == pd.Timestamp("2026-01-01T00:00:01.000125Z")
    assert json.loads(frame["payload"][0]) == EVENTS[0]["payload"]


def test_levels_are_ordered_and_unknown_ones_come_last():
    level = frames.decode_run_events(body(EVENTS))["level"]
    assert list(level.cat.categories) == ["debug", "info", "warn", "error", "loud"]
    assert (level >= "error").tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EVENTS),
        "\n".join(json.dumps(e) for e in EVENTS),
        "\n".join(json.dumps(e) for e in EVENTS) + "\n\n",
        json.dumps({"data": EVENTS, "error": None}, indent=1),
        [json.dumps({"data": EVENTS}).encode()[:50], json.dumps({"data": EVENTS}).encode()[50:]],
    ],
    ids=["list", "lines", "lines and blanks", "on many lines", "chunks"],
)
def test_every_form_of_a_body_makes_the_same_frame(text):
    left = frames.decode_run_events(text)
    right = frames.decode_run_events(body(EVENTS))
    pd.testing.assert_frame_equal(left.drop(columns="payload"), right.drop(columns="payload"))
    assert [json.loads(p) for p in left["payload"]] == [json.loads(p) for p in right["payload"]]


def test_without_sequence_numbers_the_order_is_that_of_the_body():
    events = [{"type": "a"}, {"type": "b"}]
    assert list(frames.decode_run_events(body(events))["order"]) == [1, 2]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"data": []}'])
def test_no_events_make_an_empty_frame_of_the_same_schema(text):
    frame = frames.decode_run_events(text)
    whole = frames.decode_run_events(body(EVENTS))
    assert len(frame) == 0
    assert frame.dtypes.astype(str).to_dict() == whole.dtypes.astype(str).to_dict()


def test_an_error_answer_is_reported_as_incomplete():
    with pytest.warns(frames.FrameWarning, match="answered with an error"):
        frame = frames.decode_run_events(b'{"data": null, "error": {"code": "NOT_FOUND"}}')
    assert frame.attrs["complete"] is False


def test_a_bad_event_costs_one_row_and_odd_values_cost_themselves():
    events = [
        event(1),
        7,
        event(2, duration_ms="long", payload={"input_tokens": "nine", "tool": "x"}),
    ]
    frame, problems = quietly(frames.decode_run_events, body(events))
    assert list(frame["order"]) == [1, 2]
    assert (frame["tool"][1], frame["input_tokens"].isna().all()) == ("x", True)
    assert [problem["what"] for problem in problems] == ["an event is not a JSON object"]
    assert frame.attrs["dropped"] == 1


def steps(count, at, value):
    events = [{"type": "step", "payload": {"k": number}} for number in range(count)]
    events[at]["payload"]["output"] = value
    return events


SHAPES = {
    "envelope": lambda events: json.dumps({"data": events, "meta": {"next": [1]}}),
    "indented": lambda events: json.dumps({"data": events}, indent=2),
    "list": json.dumps,
    "flat list": lambda events: json.dumps(events, indent=0),
    "lines": lambda events: "\n".join(map(json.dumps, events)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [math.nan, -math.inf, "cut \ud83d"])
def test_a_value_that_json_forbids_costs_no_row(shape, value):
    frame = frames.decode_run_events(SHAPES[shape](steps(1000, 500, value)), "r1")
    assert list(frame["type"]) == ["step"] * 1000
    assert [json.loads(text)["k"] for text in frame["payload"]] == list(range(1000))
    assert json.loads(frame["payload"][500])["output"] in (None, "cut ?")
    assert frame.attrs["dropped"] == 0
    assert frame.attrs["problems"] == []


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('[{"type":"a"},{"type":b},{"type":"c"}]', ["a", "c"]),
        ('{"data": [{"type":"a"},\n {"type":"b"},\n {"ty', ["a", "b"]),
        ('{"type":"a"\n{"type":"b"}\n{"type":"c"}', ["b", "c"]),
        ('{"data": [{"type":"a"}, {"payload":' + "[" * 100_000 + "]" * 100_000 + "}]}", ["a"]),
        ('{\n  "error": {\n    "code": x\n  }\n}', []),
    ],
)
def test_a_broken_event_costs_itself_and_is_one_problem(body, kept):
    with pytest.warns(frames.FrameWarning, match=r"1 row\(s\)"):
        frame = frames.decode_run_events(body, "r1")
    assert list(frame["type"]) == kept
    assert frame.attrs["dropped"] == 1
    assert [(told["what"], told["where"]) for told in frame.attrs["problems"]] == [
        ("an event is not a JSON object", "r1")
    ]


@given(
    st.binary()
    | st.sampled_from([b'{"data": {', b"[[]]", b'{"data": 5}', b'{"data": [{"payload": 5}]}'])
)
def test_no_bytes_raise(text):
    frame, problems = quietly(frames.decode_run_events, text)
    assert frame.attrs["dropped"] <= len(problems)


def spans(*events):
    return frames.spans_from_run_events(frames.decode_run_events(body(list(events)), "r1"))


def test_spans_come_parents_first_and_know_their_place():
    frame = spans(
        span(1, "search", "plan", 100, 300),
        span(2, "ask", "plan", 50, 80),
        span(3, "plan", "root", 40, 400),
        span(4, "root", None, 0, 1000),
        event(5, "no span"),
    )
    assert list(frame["span_id"]) == ["root", "plan", "ask", "search"]
    assert list(frame["depth"]) == [0, 1, 2, 2]
    assert frame["path"].iloc[-1] == "root/plan/search"
    assert list(frame["is_root"]) == [True, False, False, False]
    assert not frame["is_orphan"].any()
    assert list(frame["offset_ms"]) == [0, 40, 50, 100]


@pytest.mark.parametrize("odd", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_does_not_keep_the_others_from_being_shown(odd):
    told = [event(1, occurred_at=odd, started_at=odd), event(2)]
    events = frames.decode_run_events(json.dumps(told).encode())
    assert list(events["occurred_at"].isna()) == [True, False]
    assert "2026-01-01 00:00:02" in events.to_string()


def test_own_time_is_what_no_child_covers_and_overlaps_count_once():
    frame = spans(
        span(1, "root", None, 0, 1000),
        span(2, "a", "root", 100, 400),
        span(3, "b", "root", 300, 500),
        span(4, "c", "root", 900, 1500),
    )
    assert dict(zip(frame["span_id"], frame["self_ms"], strict=True)) == {
        "root": 500,
        "a": 300,
        "b": 200,
        "c": 600,
    }


def test_a_span_with_an_unreported_parent_is_an_orphan_root():
    frame = spans(span(1, "lost", "gone"), span(2, "child", "lost", 10, 20))
    assert list(frame["span_id"]) == ["lost", "child"]
    assert list(frame["is_orphan"]) == [True, False]
    assert list(frame["depth"]) == [0, 1]
    assert not frame["is_root"].any()


def test_a_circle_of_parents_ends():
    frame = spans(span(1, "a", "b", 5), span(2, "b", "a", 9), span(3, "self", "self", 1))
    assert sorted(frame["span_id"]) == ["a", "b", "self"]
    assert frame["is_orphan"].sum() == 2


def test_a_span_reported_twice_is_one_row_and_the_later_report_counts():
    frame = spans(span(1, "a", None, 0, 10), span(2, "a", None, 0, 20))
    assert list(frame["duration_ms"]) == [20]


def test_a_failed_span_says_so():
    frame = spans(
        span(1, "a", error="broke"),
        {**span(2, "b", start=5), "level": "error"},
        span(3, "c", start=9),
    )
    assert list(frame["is_error"]) == [True, True, False]


def test_spans_of_several_runs_do_not_mix():
    both = body([{**span(1, "a"), "run_id": "r1"}, {**span(2, "b", "a"), "run_id": "r2"}])
    frame = frames.spans_from_run_events(frames.decode_run_events(both))
    assert list(frame["run_id"]) == ["r1", "r2"]
    assert list(frame["is_orphan"]) == [False, True]


TIMES = [None, *(f"2026-01-01T00:00:{second:02d}Z" for second in range(0, 60, 7))]
SPAN_IDS = [None, "s1", "s2", "s3", "s4"]
ODD_RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "run_id": st.sampled_from([None, "r1", "r2", "r3"]),
            "type": st.sampled_from(["plan", "ask"]),
            "level": st.sampled_from(["info", "error"]),
            "span_id": st.sampled_from(SPAN_IDS),
            "parent_span_id": st.sampled_from(SPAN_IDS),
            "started_at": st.sampled_from(TIMES),
            "occurred_at": st.sampled_from(TIMES),
            "ended_at": st.sampled_from(TIMES),
            "duration_ms": st.none() | st.integers(0, 60_000),
        }
    ),
    max_size=20,
)
"""Events of some runs that take turns: circles, orphans, spans reported twice, no times."""


@given(ODD_RUNS)
def test_the_spans_of_many_runs_are_those_of_each_run(rows):
    told = [
        {"id": f"e{n}", "sequence_number": n, **{k: v for k, v in row.items() if v is not None}}
        for n, row in enumerate(rows, 1)
    ]
    events = frames.decode_run_events(body(told))
    with_span = events[events["span_id"].notna()]
    alone = [rows for _, rows in with_span.groupby("run_id", sort=False, dropna=False)]
    parts = [frames.spans_from_run_events(rows) for rows in alone]
    expected = concat(parts, frames.SCHEMAS["spans"].columns)
    spans = frames.spans_from_run_events(events).reset_index(drop=True)
    pd.testing.assert_frame_equal(spans, expected)


def test_the_path_of_a_deep_span_keeps_its_ends():
    rows = [span(n % 60, f"s{n}", f"s{n - 1}" if n else None) for n in range(300)]
    names = spans(*rows)["path"].iloc[-1].split("/")
    assert names == [*(f"s{n}" for n in range(50)), "…", *(f"s{n}" for n in range(250, 300))]


class Runs:
    """The part of a control plane that frames ask."""

    def __init__(self):
        self.stored = {
            "r1": {
                "id": "r1",
                "agent_id": "a1",
                "status": "completed",
                "trigger_type": "sdk",
                "test": False,
                "input": {"n": 1},
                "output": {"summary": "fine"},
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_tokens": None,
                "started_at": "2026-01-01T00:00:00Z",
                "ended_at": "2026-01-01T00:00:02Z",
                "duration_ms": 2000,
                "new_field": 1,
                "tasks": [{"id": "t1", "name": "look", "status": "completed", "output": {"x": 1}}],
            },
            "r2": {"id": "r2", "status": "awaiting_input", "error_message": None},
        }

    def list(self, *, limit):
        return list(self.stored.values())[:limit]

    def get(self, *, run_id):
        if run_id not in self.stored:
            raise AodNotebookError(f"run {run_id} not found")
        return self.stored[run_id]

    def events(self, *, run_id, limit):
        self.get(run_id=run_id)
        return [span(1, "a"), *EVENTS][:limit] if run_id == "r1" else []


class Service:
    base_url = "http://127.0.0.1:1"

    def __init__(self):
        self.runs = Runs()


@pytest.fixture
def agentos():
    return Service()


def test_runs_have_what_the_service_says_of_them(agentos):
    frame = frames.runs_df(client=agentos)
    assert list(frame["run_id"]) == ["r1", "r2"]
    assert list(frame["status"]) == ["completed", "awaiting_input"]
    first = frame.iloc[0]
    assert (first["total_tokens"], first["duration_ms"]) == (15, 2000)
    assert json.loads(first["output"]) == {"summary": "fine"}
    assert json.loads(first["extra"]) == {"new_field": 1}
    assert pd.isna(frame["total_tokens"][1])
    assert frame.attrs["base_url"] == agentos.base_url
    assert frame.dtypes.astype(str).to_dict() == {
        column.name: column.pandas_dtype for column in frames.SCHEMAS["runs"].columns
    }


def test_events_spans_and_tasks_are_asked_for_by_run(agentos):
    assert len(frames.run_events_df(["r1", "r2"], client=agentos)) == 5
    assert list(frames.spans_df("r1", client=agentos)["name"]) == ["a"]
    tasks = frames.tasks_df(client=agentos)
    assert list(zip(tasks["run_id"], tasks["task_id"], tasks["name"], strict=True)) == [
        ("r1", "t1", "look")
    ]


@pytest.mark.parametrize("source", [5, [5], [None], pd.DataFrame({"x": [1]})])
def test_a_value_that_is_not_a_run_is_a_type_error(agentos, source):
    with pytest.raises(TypeError, match="run"):
        frames.runs_df(source, client=agentos)


def test_a_run_is_named_by_a_uuid_and_runs_by_an_iterator(agentos):
    current.set_provider(None, lambda: agentos)
    try:
        assert list(frames.runs_df(iter(["r1"]))["run_id"]) == ["r1"]
        with pytest.raises(AodNotebookError, match=str(UUID(int=7))):
            frames.runs_df(UUID(int=7))
    finally:
        current.set_provider(None)


def test_the_current_connection_is_asked_for_runs_by_default(agentos):
    current.set_provider(None, lambda: agentos)
    try:
        assert (
            frames.runs_df()["run_id"].tolist() == frames.runs_df(client=agentos)["run_id"].tolist()
        )
    finally:
        current.set_provider(None)


def test_without_a_connection_runs_say_what_to_do():
    with pytest.raises(AodNotebookError, match="connect"):
        frames.runs_df()


def test_a_missing_run_among_others_costs_only_itself(agentos):
    with pytest.warns(frames.FrameWarning, match="a run could not be read"):
        frame = frames.runs_df(["r1", "gone"], client=agentos)
    assert list(frame["run_id"]) == ["r1"]
    with pytest.raises(AodNotebookError, match="gone"):
        frames.runs_df("gone", client=agentos)


def test_a_full_list_is_reported_as_cut(agentos, monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.runs.runs.LIST_LIMIT", 2)
    frame, problems = quietly(frames.runs_df, client=agentos)
    assert frame.attrs["truncated_by"] == "a limit on runs"
    assert len(problems) == 1


def test_without_a_client_the_error_says_what_to_pass():
    with pytest.raises(AodNotebookError, match="client="):
        frames.runs_df()


class Capped:
    """A service that lists at most so many runs, the newest first, whatever is asked for."""

    base_url = "http://capped.example"

    def __init__(self, cap, *statuses, is_embedded=False):
        self.runs, self.cap, self.is_embedded = self, cap, is_embedded
        self.made = [{"id": f"r{n}", "status": status} for n, status in enumerate(statuses)]

    def list(self, *, limit, status=None):
        rows = [run for run in self.made if status in (None, run["status"])]
        return rows[: min(limit, self.cap)]


DONE, FAILED = "completed", "failed"


@pytest.mark.parametrize(
    ("service", "listed", "is_cut"),
    [
        (Capped(100, *[DONE] * 99), 99, False),
        (Capped(100, *[DONE] * 150), 100, True),
        (Capped(100, *[DONE] * 90, *[FAILED] * 60), 100, True),
        (Capped(50, *[DONE] * 50, *[FAILED] * 2), 50, True),
        (Capped(50, *[DONE, FAILED] * 50), 50, True),
        (Capped(500, *[DONE, FAILED] * 50), 100, False),
        (Capped(500, *[DONE, FAILED] * 25), 50, False),
        (Capped(math.inf, *[DONE] * 100, is_embedded=True), 100, False),
        (Capped(math.inf, *[DONE] * 1000, is_embedded=True), 1000, False),
        (Capped(math.inf, *[DONE] * 1001, is_embedded=True), 1000, True),
        (Capped(math.inf, *[DONE, FAILED] * 500), 1000, True),
    ],
)
def test_a_list_that_a_cap_may_have_cut_says_so_and_no_other(service, listed, is_cut):
    frame, problems = quietly(frames.runs_df, client=service)
    assert len(frame) == listed
    assert (frame.attrs["truncated_by"] is not None) is is_cut
    assert frame.attrs["complete"] is not is_cut
    assert len(problems) == is_cut


def test_a_cut_list_of_runs_warns():
    with pytest.warns(frames.FrameWarning, match="possibly the service's cap"):
        frames.runs_df(client=Capped(100, *[DONE] * 150))


def test_a_hundred_runs_of_the_embedded_service_are_all_and_warn_of_nothing(service):
    with AgentOS(
        base_url=service.url, api_key=service.agentos_key, agent_id=service.agent_id
    ) as client:
        assert client.is_embedded
        missing = -len(client.runs.list(limit=1000)) % 50 or 50
        for _ in range(missing):
            client.start_run().complete()
        assert len(frames.runs_df(client=client)) % 50 == 0
