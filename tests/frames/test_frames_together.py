"""Frames of lines that are decoded together: every column as if each was read by itself."""

import json
from itertools import cycle

import pandas as pd
import pyarrow as pa
import pytest
from captured import NAMES, turns_of
from counted_sessions import claude

from aod_notebook import frames
from aod_notebook.frames.transcripts.line_array import LineArray

FRAMES = [
    frames.messages_from_events,
    frames.tool_calls_from_events,
    frames.results_from_events,
    frames.files_df,
]
MANY = [
    {"type": "text", "text": "Ein Läuten"},
    {"type": "tool_use", "id": "t", "name": "Edit", "input": {"file_path": "a.py", "content": "x"}},
    {"type": "tool_result", "tool_use_id": "t", "content": "done"},
]


def body(turns):
    """An event per line, as services send them."""
    events, number = [], 0
    for turn, lines in enumerate(turns, 1):
        events.append({"type": "turn_start", "id": number, "turn": turn})
        for line in lines:
            number += 1
            output = {"type": "output", "id": number, "stream": "stdout", "turn": turn}
            events.append({**output, "data": f"{line}\n", "created_at": "2026-01-02T03:04:05Z"})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


def long_turn(number):
    """A turn of many lines that have a block each."""
    for at in range(200):
        block = MANY[at % len(MANY)]
        usage = {"input_tokens": at, "output_tokens": 1}
        message = {"id": f"m{number}-{at // 3}", "content": [block], "usage": usage, "model": "big"}
        kind = "user" if block["type"] == "tool_result" else "assistant"
        yield json.dumps({"type": kind, "uuid": f"{number}-{at}", "message": message})


def sessions():
    yield from (pytest.param(turns_of(name), id=name) for name in NAMES)
    for seed in range(6):
        turns = [
            [*turn.lines[:1], *long_turn(n), *turn.lines] for n, turn in enumerate(claude(seed))
        ]
        yield pytest.param(turns, id=f"long {seed}")


@pytest.mark.parametrize("turns", [*sessions()])
@pytest.mark.parametrize("make", FRAMES, ids=lambda make: make.__name__)
def test_frames_equal_those_of_lines_read_one_at_a_time(make, turns, monkeypatch):
    events = frames.decode_events(body(turns), "8d0c0000-0000-4000-8000-000000000000")
    together = make(events)
    monkeypatch.setattr(LineArray, "of", lambda texts: None)
    apart = make(events)
    pd.testing.assert_frame_equal(together, apart)
    assert together.attrs == apart.attrs


def test_texts_that_pandas_keeps_as_python_objects_are_read_too():
    events = frames.decode_events(body([[*long_turn(1)]]), "8d0c0000-0000-4000-8000-000000000000")
    kept = pd.array(list(events["data"]), dtype=pd.StringDtype("python", na_value=float("nan")))
    pd.testing.assert_frame_equal(
        frames.messages_from_events(events.assign(data=kept)), frames.messages_from_events(events)
    )


@pytest.mark.parametrize("sizes", [[1], [3, 300, 1], [255, 257], [2000], [1025], [0, 1500, 0, 7]])
def test_the_chunks_that_texts_stand_in_change_nothing(sizes):
    lines = [line for number in range(12) for line in long_turn(number)]
    events = frames.decode_events(body([lines[:700], lines[700:]]), "8d0c0000")
    texts = pa.chunked_array(events["data"].array.__arrow_array__()).combine_chunks()
    cut, start = [], 0
    for size in cycle(sizes):
        cut.append(texts.slice(start, size))
        start += size
        if start >= len(texts):
            break
    dtype = events["data"].dtype
    kept = events.assign(data=dtype.construct_array_type()(pa.chunked_array(cut), dtype=dtype))
    assert len(pa.chunked_array(kept["data"].array.__arrow_array__()).chunks) == len(cut)
    pd.testing.assert_frame_equal(
        frames.messages_from_events(kept), frames.messages_from_events(events)
    )


def test_texts_with_smaller_offsets_are_left_to_be_read_by_themselves():
    assert LineArray.of(pa.chunked_array([pa.array(["{}\n"] * 3, pa.string())])) is None


def array(*texts):
    return pa.chunked_array([pa.array(["before", *texts], pa.large_string())]).slice(1)


def test_lines_are_read_where_they_stand():
    lines = LineArray.of(array('{"a":1}\n', '{"b":"é"}\n', "{}\n"))
    assert list(lines) == ['{"a":1}', '{"b":"é"}', "{}"]
    assert (lines[1], lines[-1], list(lines[1:])) == ('{"b":"é"}', "{}", ['{"b":"é"}', "{}"])
    assert lines[1:].joined == '{"b":"é"}\n{}\n'.encode()
    assert lines[1:].array().to_pylist() == ['{"b":"é"}', "{}"]


@pytest.mark.parametrize(
    "texts",
    [
        ['{\n"a":1}\n'],
        ["{}"],
        ["{}\n", None],
        ["{}\n", ""],
        ["{}\n", "\n"],
        ["{}\n{}\n"],
        ["[]\n"],
        ['{"a":', "1}\n"],
        ["{}\r\n"],
        [],
    ],
)
def test_texts_that_are_not_a_line_each_are_left_to_be_read_by_themselves(texts):
    assert LineArray.of(array(*texts)) is None
