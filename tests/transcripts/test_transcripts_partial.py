"""Parts of Claude's messages, as it writes them: which message, and what it used in the end."""

import json

import pytest

from aod_notebook.transcripts import Reader, Usage

STARTED = {"id": "m1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}
PARTS = [
    {"type": "message_start", "message": STARTED},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


def entries(odd):
    lines = [json.dumps({"type": "stream_event", **odd, "event": part}) for part in PARTS]
    return Reader("claude").feed_lines(lines)


@pytest.mark.parametrize("odd", [{}, {"uuid": 7}, {"timestamp": 0.5}, {"subtype": []}])
def test_the_parts_of_a_message_name_it_and_its_usage_whatever_else_is_odd(odd):
    read = entries(odd)
    assert [entry.subtype for entry in read] == [part["type"] for part in PARTS]
    assert [entry.message_id for entry in read] == ["m1", None, "m1", "m1"]
    assert [entry.stop_reason for entry in read] == [None, None, "end_turn", None]
    assert read[2].usage == Usage(input_tokens=3, output_tokens=7)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start", "message": "none"},
        {"type": "message_start", "message": {"id": 5, "usage": "much"}},
        {"type": "message_delta", "delta": "?", "usage": 3},
        {"type": 4},
        "none",
        None,
    ],
)
def test_an_odd_part_is_an_entry_without_usage(event):
    (entry,) = Reader("claude").feed_lines([json.dumps({"type": "stream_event", "event": event})])
    assert entry.line_type == "stream_event"
    assert (entry.message_id, entry.usage, entry.result) == (None, None, None)
