"""The events frame: decoding, its schema, and what it says of itself."""

import io
import json
import warnings
from itertools import pairwise

import pandas as pd
import pytest
from bodies import body_of, event, output
from hypothesis import given
from hypothesis import strategies as st
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod.events import StreamEvent, iter_events

BODY = body_of(known_session("claude", 3), "s1", 3)
START = event(0, has_id=False, type="start", runtime="claude", session_id="s1")


def quietly(function, *args):
    """A frame and its problems; what is missing is no surprise here."""
    with warnings.catch_warnings(action="ignore", category=frames.FrameWarning):
        frame = function(*args)
    return frame, frame.attrs["problems"]


def decode(text, **options):
    return frames.decode_events(text.encode() if isinstance(text, str) else text, **options)


def same(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert left.attrs == right.attrs


@given(st.lists(st.integers(0, len(BODY)), max_size=30))
def test_any_chunking_gives_the_same_frame(cuts):
    edges = [0, *sorted(cuts), len(BODY)]
    chunks = [BODY[start:end] for start, end in pairwise(edges)]
    same(decode(chunks), decode(BODY))


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_raise(chunks):
    frame, problems = quietly(frames.decode_events, chunks)
    assert frame.attrs["dropped"] == len(problems)


@given(
    st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists)
    | st.dictionaries(
        st.sampled_from(["type", "id", "turn", "stream", "data", "code", "duration_ms", "new"]),
        st.none() | st.integers() | st.text() | st.floats(allow_nan=False) | st.just("output"),
    )
)
def test_a_json_object_is_a_row_whatever_its_values(value):
    text = f"data: {json.dumps(value)}\n\n{output(9, 'kept')}"
    frame, problems = quietly(frames.decode_events, text.encode())
    assert frame["data"].iloc[-1] == "kept"
    assert len(frame) + len(problems) == 2
    assert isinstance(value, dict) == (not problems)


FRAGMENTS = st.sampled_from(
    [
        "id: 4\n",
        "id: x\n",
        "event: odd\n",
        'data: {"type": "output", "id": 4, "data": "a\\ndata: {}"}\n',
        'data: {"type": "brand_new"}\n',
        'data: {"type": "output",\n',
        'data:{"type": "exit"}\n',
        '{"type": "output"}\n',
        "data\n",
        "data: 7\n",
        ": heartbeat\n\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\ufeff",
    ]
)


@given(st.lists(FRAGMENTS, max_size=25), st.integers(1, 40))
def test_framing_is_read_as_the_client_reads_it(fragments, size):
    text = "".join(fragments).encode()
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    events = [event for event in iter_events(chunks) if event.type != "malformed"]
    frame, _ = quietly(frames.decode_events, chunks)
    found = list(
        zip(
            frame["type"],
            frame["data"].astype(object).where(frame["data"].notna(), None),
            strict=True,
        )
    )
    assert [data for _, data in found] == [event.extra.get("data") for event in events]
    named = [event.type for event in events if event.type != "odd"]
    assert [
        kind for (kind, _), event in zip(found, events, strict=True) if event.type != "odd"
    ] == named


def test_each_kind_of_event_fills_its_columns():
    frame = decode(
        START
        + event(4, type="stage", id=4, stage="skills", state="failed", duration_ms=12, message="no")
        + event(0, has_id=False, type="turn_start", id=5, turn=1)
        + output(5, "hé\n")
        + event(5, type="exit", id=5, code=3)
    )
    assert list(frame["type"]) == ["start", "stage", "turn_start", "output", "exit"]
    assert list(frame["session_id"]) == ["s1"] * 5
    assert list(frame["order"]) == [1, 2, 3, 4, 5]
    stage = frame.iloc[1]
    assert (stage["stage"], stage["state"], stage["duration_ms"], stage["message"]) == (
        "skills",
        "failed",
        12,
        "no",
    )
    assert (frame["data"][3], frame["turn"][3], frame["stream"][3]) == ("hé\n", 1, "stdout")
    assert frame["exit_code"][4] == 3
    assert frame["received_at"].isna().all()


def test_unknown_events_are_rows_with_their_whole_text():
    frame = decode(event(7, type="brand_new", id=7, depth={"a": 1}) + event(8, id=8, data="x"))
    assert list(frame["type"]) == ["brand_new", "message"]
    assert list(frame["type"].cat.categories[:8]) == list(
        frames.SCHEMAS["events"]["type"].categories
    )
    assert json.loads(frame["raw"][0]) == {"type": "brand_new", "id": 7, "depth": {"a": 1}}
    assert decode(output(1, "x"))["raw"].isna().all()


def test_a_bad_line_costs_one_row_and_is_counted():
    text = output(1, "a") + "id: 2\ndata: {broken\n\n" + output(3, "b") + "data: [1]\n\n"
    with pytest.warns(frames.FrameWarning, match=r"2 row\(s\) could not be read"):
        frame = decode(text)
    assert list(frame["data"]) == ["a", "b"]
    assert frame.attrs["dropped"] == 2
    _, problems = quietly(frames.decode_events, text.encode())
    assert [problem["raw"] for problem in problems] == ["{broken", "[1]"]


def test_two_data_lines_of_one_event_are_not_taken_for_an_id_and_data():
    text = output(1, "a") + 'data: [\ndata: {"type": "output", "data": "half"}\n\n'
    frame, problems = quietly(frames.decode_events, text.encode())
    assert list(frame["data"]) == ["a"]
    assert [problem["what"] for problem in problems] == ["an event is not JSON"]


def test_a_number_too_large_for_its_column_is_missing():
    frame = decode(event(1, type="exit", id=2**70, code=2**40))
    assert frame[["event_id", "exit_code"]].isna().all(axis=None)


def test_the_session_is_that_of_the_last_start_unless_given():
    other = event(0, has_id=False, type="start", session_id="s2")
    text = output(1, "?") + START + output(2, "a") + other + output(3, "b")
    found = [None if pd.isna(v) else v for v in decode(text)["session_id"]]
    assert found == [None, "s1", "s1", "s2", "s2"]
    assert set(decode(text, session_id="x")["session_id"]) == {"x"}


@pytest.mark.parametrize(
    ("last", "complete"),
    [("exit", True), ("error", True), ("terminated", True), ("stale", False), ("output", False)],
)
def test_complete_says_whether_the_session_came_to_its_end(last, complete):
    assert decode(output(1, "a") + event(1, type=last, id=1)).attrs["complete"] is complete


def test_the_last_event_id_is_never_that_of_a_turn_start():
    text = output(4, "a") + event(0, has_id=False, type="turn_start", id=5, turn=2)
    assert decode(text).attrs["last_event_id"] == 4


def test_stream_events_make_the_same_frame_as_their_bytes():
    frame = frames.events_df(list(iter_events([BODY])))
    pd.testing.assert_frame_equal(frame, decode(BODY).assign(session_id=frame["session_id"]))
    assert set(frame["session_id"]) == {"s1"}


def test_stream_events_that_were_no_json_are_counted_as_dropped():
    events = [
        StreamEvent("malformed", None, {"raw": "{broken"}),
        StreamEvent("brand_new", 3, {"depth": {"a": 1}}),
        StreamEvent("output", 4, {"stream": "stdout", "data": "a\ud800", "turn": "one"}),
    ]
    frame, problems = quietly(frames.events_df, events)
    assert [problem["raw"] for problem in problems] == ["{broken"]
    assert json.loads(frame["raw"][0]) == {"type": "brand_new", "id": 3, "depth": {"a": 1}}
    assert (frame["data"][1], frame["turn"].isna().all()) == ("a?", True)


def test_a_cut_down_events_frame_can_be_read_again():
    small = decode(BODY, columns=["session_id", "type", "stream", "data", "turn"])
    whole = frames.results_from_events(BODY)
    pd.testing.assert_frame_equal(frames.results_from_events(small), whole)
    assert list(frames.events_df(small).columns) == list(frames.SCHEMAS["events"].names)


def test_since_leaves_out_earlier_rows_of_what_is_held():
    text = output(1, "a") + output(2, "b") + output(3, "c")
    assert list(frames.events_df(text.encode(), since=1)["data"]) == ["b", "c"]


def test_columns_can_be_picked_and_left_out():
    assert list(decode(BODY, columns=["data", "order"]).columns) == ["order", "data"]
    assert "data" not in decode(BODY, exclude=["data"])
    with pytest.raises(ValueError, match="did you mean 'stream'"):
        decode(BODY, columns=["streem"])


def test_more_rows_than_one_batch_stay_in_order():
    count = 20_000
    frame = decode("".join(output(n, f"{n}\n") for n in range(1, count + 1)))
    assert list(frame["event_id"]) == list(range(1, count + 1))
    assert list(frame["order"]) == list(range(1, count + 1))
    assert frame["data"].iloc[-1] == f"{count}\n"


def test_a_frame_survives_parquet_exactly():
    frame = decode(BODY)
    kept = io.BytesIO()
    frame.to_parquet(kept)
    same(pd.read_parquet(kept), frame)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("output", "type"),
        ("output", "stream"),
        ("output", "data"),
        ("stage", "state"),
        ("error", "message"),
    ],
)
def test_half_a_character_costs_itself_in_whatever_field(kind, name):
    event = {"type": kind, "id": 1, name: "a\ud83d"}
    frame = frames.decode_events(f"id: 1\ndata: {json.dumps(event)}\n\n".encode(), "s\ud83d")
    assert (list(frame["session_id"]), list(frame[name])) == (["s?"], ["a?"])


def test_a_clock_that_was_set_back_gives_no_negative_duration():
    item = '"item":{"id":"item_0","type":"command_execution","command":"ls","exit_code":0}'
    lines = [f'{{"type":"item.{state}",{item}}}\n' for state in ("started", "completed")]
    body = "".join(
        event(number, type="output", id=number, stream="stdout", data=line, turn=1, created_at=at)
        for number, (line, at) in enumerate(
            zip(lines, ["2026-01-01T00:01:00Z", "2026-01-01T00:00:30Z"], strict=True), 1
        )
    )
    calls = frames.tool_calls_from_events(body.encode())
    assert list(calls["called_at"]) == [pd.Timestamp("2026-01-01T00:01:00Z")]
    assert list(calls["returned_at"]) == [pd.Timestamp("2026-01-01T00:00:30Z")]
    assert list(calls["duration_s"]) == [0]


def test_what_is_written_into_an_empty_column_stays_in_its_frame():
    body = b'id: 7\ndata: {"type": "output", "id": 7, "data": "hi"}\n\n'
    frame = frames.decode_events(body, "s1")
    frame.loc[0, ["duration_ms", "exit_code", "turn"]] = 5
    frame.loc[0, "created_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    again = frames.decode_events(body, "s1")
    assert again[["duration_ms", "exit_code", "turn", "created_at"]].isna().all(axis=None)
