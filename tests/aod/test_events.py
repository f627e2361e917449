"""Events out of bytes: the same as the official decoder's, whatever the chunks and the bytes."""

import copy
import json
import pickle
from itertools import pairwise

import httpx
import msgspec
import pydantic
import pytest
from aod.stream import iter_sse
from hypothesis import given
from hypothesis import strategies as st
from scripted import output, runtime_start, start, terminal, turn_start

from aod_notebook.aod import StreamEvent, TurnCounter, iter_events


def cut(body, places):
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def dumps(events):
    return [event.model_dump() for event in events]


def official(body):
    response = httpx.Response(200, content=body, request=httpx.Request("GET", "http://x"))
    return dumps(iter_sse(response))


TEXT = st.text(max_size=20)
NUMBER = st.integers(min_value=0, max_value=2**53)
WHEN_KNOWN = {
    "start": {"runtime": TEXT, "session_id": TEXT},
    "stage": {"stage": TEXT, "state": TEXT, "duration_ms": NUMBER, "message": TEXT},
    "turn_start": {"turn": NUMBER},
    "output": {"stream": TEXT, "data": TEXT, "turn": st.none() | NUMBER},
    "exit": {"code": st.none() | NUMBER},
    "error": {"message": TEXT},
}


@st.composite
def known(draw):
    """The frame of an event that the service sends, some with fields it does not send yet."""
    kind = draw(st.sampled_from(sorted(WHEN_KNOWN)))
    fields = {name: draw(values) for name, values in WHEN_KNOWN[kind].items()}
    later = draw(st.dictionaries(TEXT, st.none() | NUMBER | TEXT, max_size=1))
    payload = {**later, "type": kind, "id": draw(st.none() | NUMBER), **fields}
    mark = b"id: %d\n" % payload["id"] if payload["id"] is not None and draw(st.booleans()) else b""
    return mark + b"data: " + json.dumps(payload).encode() + b"\n\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ODD = st.one_of(
    JSON.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n"),
    st.fixed_dictionaries({"type": JSON, "id": JSON, "data": JSON}).map(
        lambda value: b"id: 3\ndata: " + json.dumps(value).encode() + b"\n\n"
    ),
    st.binary(max_size=40).map(lambda raw: b"data: " + raw + b"\n\n"),
    st.lists(JSON, min_size=1, max_size=3).map(
        lambda values: b"".join(b"data: %s\n" % json.dumps(v).encode() for v in values) + b"\n"
    ),
    st.sampled_from([b"data:  \n\n", b"data: {}\ndata: {}\n\ndata:  \n\n"]),
    st.just(b": heartbeat\n\n"),
)
CUTS = st.lists(st.integers(0, 100_000), max_size=10)


@given(st.lists(known(), max_size=8).map(b"".join))
def test_known_events_are_as_the_official_client_reads_them(body):
    assert dumps(iter_events([body])) == official(body)


@given(st.lists(known() | ODD, max_size=8).map(b"".join), CUTS)
def test_any_chunking_gives_the_same_events(body, places):
    assert repr(list(iter_events(cut(body, places)))) == repr(list(iter_events([body])))


@given(st.binary(max_size=300), CUTS)
def test_arbitrary_bytes_never_raise(body, places):
    for event in iter_events(cut(body, places)):
        assert isinstance(event.type, str)
        assert isinstance(event.extra, dict)
        assert event.id is None or type(event.id) is int


@given(st.lists(known() | ODD, max_size=5).map(b"".join))
def test_one_odd_event_does_not_change_its_neighbours(odd):
    good = output(1) + output(2, "é") + terminal(2)
    plain = list(iter_events([good]))
    mixed = list(iter_events([good + odd + good]))
    assert mixed[:3] == plain
    assert mixed[-3:] == plain


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_endless_nesting_is_malformed_and_not_fatal(depth):
    (event,) = iter_events([b"data: " + b"[" * depth + b"\n\n"])
    assert event.type == "malformed"


def test_two_objects_in_one_event_are_one_malformed_event():
    body = b'data: {"type": "output"}\ndata: {"type": "output"}\n\ndata:  \n\n' + output(1)
    assert [event.type for event in iter_events(body)] == ["malformed", "malformed", "output"]


def test_a_body_in_one_piece_will_do(tmp_path):
    body = start() + output(1) + terminal(1)
    (tmp_path / "body").write_bytes(body)
    with (tmp_path / "body").open("rb") as file:
        assert list(iter_events(body)) == list(iter_events([body])) == list(iter_events(file))


def test_not_a_number_and_huge_numbers_are_kept():
    body = b'data: {"type": "output", "data": NaN, "id": 123456789012345678901234567890}\n\n'
    (event,) = iter_events([body])
    assert event.id == 123456789012345678901234567890
    assert event.extra["data"] != event.extra["data"]  # NaN


def test_a_payload_keeps_every_field_that_it_has_and_no_other():
    payload = {"type": "output", "id": 1, "data": "d", "turn": None, "stage": "s", "new": [1]}
    (event,) = iter_events([b"data: " + json.dumps(payload).encode() + b"\n\n"])
    assert event.extra == {"data": "d", "turn": None, "stage": "s", "new": [1]}
    (event,) = iter_events([b'data: {"type": "output", "stream": "stdout", "code": null}\n\n'])
    assert event.extra == {"stream": "stdout", "code": None}


def test_extra_is_one_dict_that_can_be_changed():
    (event,) = iter_events([output(1)])
    event.extra["seen"] = True
    assert event.extra["seen"] is True


@pytest.fixture(params=["decoded", "made"])
def event(request):
    if request.param == "made":
        return StreamEvent("output", 1, {"stream": "stdout", "data": "x", "turn": 1})
    (event,) = iter_events([output(1)])
    return event


def test_events_of_either_origin_are_equal(event):
    made = StreamEvent(type="output", id=1, extra={"stream": "stdout", "data": "x", "turn": 1})
    assert event == made
    assert hash(event) == hash(made)
    assert repr(event) == repr(made)
    assert event != StreamEvent("output", 2)
    assert event != "output"


def test_events_survive_copying_and_pickling(event):
    assert copy.copy(event) == event
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event


def test_pydantic_models_hold_events(event):
    class Holder(pydantic.BaseModel):
        event: StreamEvent

    holder = Holder(event=event)
    assert holder.event is event
    assert holder.model_dump() == {"event": event.model_dump()}
    assert Holder.model_validate_json(holder.model_dump_json()) == holder
    assert Holder.model_json_schema()["properties"]["event"]["required"] == ["type"]
    with pytest.raises(pydantic.ValidationError):
        Holder(event={"id": 1})


def test_an_event_is_a_struct(event):
    assert isinstance(event, msgspec.Struct)


def test_the_turn_of_every_event_is_known():
    body = (
        start()
        + b'id: 1\ndata: {"type": "stage", "id": 1, "stage": "create_sprite", "state": "done"}\n\n'
        + runtime_start(2)
        + turn_start(3, 1)
        + output(3, turn=1)
        + runtime_start(4)  # a turn without output
        + runtime_start(5)
        + turn_start(6, 3)
        + output(6, turn=3)
        + terminal(6)
    )
    counter = TurnCounter()
    assert [counter.turn_of(event) for event in iter_events([body])] == [
        1, 1, 1, 1, 1, 2, 3, 3, 3, 3,
    ]  # fmt: skip


def test_the_turn_is_unknown_after_a_cursor_until_an_event_names_it():
    counter = TurnCounter(from_start=False)
    body = runtime_start(8) + output(9, turn=2) + runtime_start(10)
    assert [counter.turn_of(event) for event in iter_events([body])] == [None, 2, 3]


def test_what_is_provisioned_belongs_to_the_first_turn_even_after_a_cursor():
    stage = b'id: 3\ndata: {"type": "stage", "id": 3, "stage": "skills", "state": "done"}\n\n'
    counter = TurnCounter(from_start=False)
    body = stage + runtime_start(4) + runtime_start(5)
    assert [counter.turn_of(event) for event in iter_events([body])] == [1, 1, 2]
