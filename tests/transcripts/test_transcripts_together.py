"""Lines of Claude that are decoded together: the same entries as one at a time."""

import json

import pytest
from captured import NAMES, turns_of
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.transcripts import Reader, Spoken

USAGE = {"input_tokens": 3, "output_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 1}}
BLOCKS = st.sampled_from(
    [
        {"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "é"},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
        {"type": "tool_use", "id": "t2", "name": "Read"},
        {"type": "tool_result", "tool_use_id": "t1", "content": "out"},
        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "x"}]},
        {"type": "tool_result", "tool_use_id": "t2", "is_error": True},
        {"type": "image", "source": {}},
    ]
)
MESSAGES = st.fixed_dictionaries(
    {"content": st.one_of(st.lists(BLOCKS, max_size=2), BLOCKS.map(lambda one: [one]))},
    optional={
        "id": st.sampled_from(["m1", "m2", None]),
        "model": st.sampled_from(["m", "m", "<synthetic>"]),
        "stop_reason": st.sampled_from([None, "end_turn"]),
        "usage": st.sampled_from([USAGE, None]),
    },
)
SPOKEN = st.fixed_dictionaries(
    {"type": st.sampled_from(["assistant", "user"]), "message": MESSAGES},
    optional={
        "uuid": st.integers(0, 99).map(str),
        "parent_tool_use_id": st.sampled_from([None, "t1"]),
        "timestamp": st.sampled_from(["2026-01-02T03:04:05Z", "never", None]),
        "isSynthetic": st.booleans(),
        "isMeta": st.booleans(),
        "isCompactSummary": st.booleans(),
    },
).map(json.dumps)
OTHERS = st.sampled_from(
    [
        '{"type":"system","subtype":"init","session_id":"s","claude_code_version":"2.1.332"}',
        '{"type":"system","subtype":"compact_boundary","compact_metadata":{"trigger":"auto"}}',
        '{"type":"result","subtype":"success","result":"Hi","total_cost_usd":0.5,"session_id":"s"}',
        '{"type":"user","message":{"role":"user","content":"typed"}}',
        '{"type":"stream_event","event":{"type":"message_start","message":{"id":"m1"}}}',
    ]
)
SOUND = st.one_of(SPOKEN, SPOKEN, OTHERS)
BROKEN = st.sampled_from(
    [
        '{"type":"assistant","message":"no object"}',
        '{"type":"assistant","message":{"content":[{"type":"text","text":7}],"model":3}}',
        '{"type":"assistant","message":{"content":["bare"],"usage":{"input_tokens":"many"}}}',
        '{"type":"assistant","message":{"content":[{"type":"text","text":"\\ud800"}]}}',
        '{"type":"user"} {"type":"user"}',
        '{"type":"user","message":{"content":[]}}\r',
        '{"type":"assistant","message":{"content":[',
        '{"type":"a","message":' + "[" * 5000,
        "plain text",
        "",
        " {}",
    ]
)
PLAIN = [
    json.dumps({"type": "assistant", "uuid": f"p{n}", "message": {"content": [{"type": "text"}]}})
    for n in range(300)
]


def together(lines):
    reader = Reader()
    parts = list(reader.read_lines(lines))
    assert all(parts)
    return [*(entry for part in parts for entry in part), *reader.flush()], reader.account.total


def one_by_one(lines):
    reader = Reader()
    return reader.feed_lines(lines) + reader.flush(), reader.account.total


@given(st.lists(SOUND, min_size=20, max_size=120))
def test_lines_read_together_give_the_same_entries_and_account(lines):
    assert together(lines) == one_by_one(lines)


@given(st.lists(SOUND, max_size=30), st.lists(BROKEN, max_size=4), st.lists(SOUND, max_size=30))
def test_broken_lines_amid_many_give_the_same_entries(before, broken, after):
    lines = [*PLAIN[:90], *before, *broken, *after, *PLAIN[90:], *broken, *PLAIN]
    assert together(lines) == one_by_one(lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_turns_of_real_clis_give_the_same_entries(name):
    for lines in turns_of(name):
        assert together(lines) == one_by_one(lines)


def test_many_plain_lines_come_in_one_part_without_entries_made():
    first, whole = Reader().read_lines(PLAIN)
    assert [entry.line for entry in first] == [1]  # by which the runtime is recognised
    assert isinstance(whole, Spoken)
    assert list(whole.numbers) == list(range(2, 301))


def test_a_line_that_is_not_json_leaves_most_others_together():
    parts = list(Reader().read_lines([*PLAIN[:200], "Killed", *PLAIN[200:]]))
    assert sum(len(part) for part in parts if isinstance(part, Spoken)) >= 300 - 64 - 1
