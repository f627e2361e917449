"""The reader: chunks, lines, runtimes, and input that nobody should send."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_sessions import RUNTIMES, known_session

from aod_notebook.transcripts import Reader

ODD = [None, True, 7, -1.5, 2**70, float("nan"), "x", "\ud800", [], [3], ["y"], {}, {"type": "z"}]


def read(text, runtime=None):
    reader = Reader(runtime)
    return reader.feed(text) + reader.flush()


def damaged(value, dice):
    """The same JSON with some of its values put in each other's place."""
    if dice.random() < 0.08:
        return dice.choice(ODD)
    if isinstance(value, dict):
        return {key: damaged(item, dice) for key, item in value.items() if dice.random() > 0.05}
    if isinstance(value, list):
        return [damaged(item, dice) for item in value]
    return value


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_values_of_the_wrong_type_never_raise(runtime):
    for seed in range(200):
        dice = random.Random(seed)
        lines = [
            json.dumps(damaged(json.loads(line), dice))
            for turn in known_session(runtime, seed).turns
            for line in turn.lines
            if line not in turn.broken
        ]
        for entry in read("\n".join(lines), dice.choice([None, runtime])):
            assert isinstance(entry.line_type, str)
            assert isinstance(entry.text, str | None)
            assert isinstance(entry.input, dict | None)


@given(st.text() | st.text(alphabet='{}[]":,\\n\\r\\ud800 01', max_size=40))
def test_no_text_raises(text):
    read(text)


@given(st.binary())
def test_no_bytes_raise(data):
    read(data.decode(errors="surrogateescape"))
    read(data.decode(errors="replace"))


@given(st.sampled_from(RUNTIMES), st.integers(0, 50), st.data())
def test_any_chunking_gives_the_same_entries(runtime, seed, data):
    text = "\r\n".join(line for turn in known_session(runtime, seed).turns for line in turn.lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    reader = Reader()
    entries = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        entries += reader.feed(text[start:end])
    assert entries + reader.flush() == read(text)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_runtime_is_recognised_from_the_lines(runtime):
    for seed in range(20):
        reader = Reader()
        reader.feed("\n".join(known_session(runtime, seed).turns[0].lines) + "\n")
        assert reader.runtime == runtime


def test_a_given_runtime_is_not_overruled():
    reader = Reader("codex")
    reader.feed('{"type":"system","subtype":"init"}\n')
    assert reader.runtime == "codex"


def test_an_error_line_alone_identifies_no_runtime_but_is_read():
    reader = Reader()
    [entry] = reader.feed('{"type":"error","message":"no key"}\n')
    assert (reader.runtime, entry.line_type, entry.text) == (None, "error", "no key")


def test_shell_output_is_text_line_by_line_blank_lines_too():
    entries = read('a\n\n{"type":"assistant"}\nend', "shell")
    assert [e.text for e in entries] == ["a", "", '{"type":"assistant"}', "end"]


def test_lines_are_numbered_as_they_came():
    entries = read(
        'x\n\n{"type":"assistant","message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}\nrest'
    )
    assert [(e.text, e.line) for e in entries] == [("x", 1), ("a", 3), ("b", 3), ("rest", 4)]


def test_a_joined_message_has_the_line_of_its_last_part():
    def delta(text):
        return json.dumps({"type": "message", "role": "assistant", "content": text, "delta": True})

    entries = read("\n".join([delta("a"), delta("b"), '{"type":"tool_use","tool_name":"x"}']))
    assert [(e.text, e.line) for e in entries] == [("ab", 2), (None, 3)]


def test_a_whole_message_is_not_joined_with_the_deltas_before_it():
    delta = '{"type":"message","role":"assistant","content":"a","delta":true}'
    whole = '{"type":"message","role":"assistant","content":"b"}'
    user = '{"type":"message","role":"user","content":"c","delta":true}'
    entries = read(f"{delta}\n{whole}\n{delta}\n{user}\n")
    assert [(e.line_type, e.text) for e in entries] == [
        ("assistant", "a"),
        ("assistant", "b"),
        ("assistant", "a"),
        ("user", "c"),
    ]


def test_warnings_of_gemini_are_not_errors():
    [entry] = read('{"type":"error","severity":"warning","message":"slow"}')
    assert (entry.line_type, entry.text, entry.is_error) == ("error", "slow", False)


def test_a_codex_file_change_and_its_failure():
    item = {"id": "i", "type": "file_change", "status": "failed", "changes": [{"path": "a.py"}]}
    call, result = read(json.dumps({"type": "item.completed", "item": item}))
    assert (call.tool, call.input) == ("file_change", {"changes": [{"path": "a.py"}]})
    assert (result.block, result.is_error) == ("tool_result", True)


def test_a_declined_command_is_an_error():
    item = {"id": "i", "type": "command_execution", "command": "rm", "status": "declined"}
    _, result = read(json.dumps({"type": "item.completed", "item": item}))
    assert result.is_error is True


def test_a_codex_todo_list_is_not_a_call():
    entries = read('{"type":"item.completed","item":{"id":"i","type":"todo_list","items":[]}}')
    assert [(e.line_type, e.block) for e in entries] == [("system", None)]


def test_text_between_two_deltas_keeps_its_place():
    delta = '{"type":"message","role":"assistant","content":"a","delta":true}'
    assert [e.text for e in read(f"{delta}\nplain\n{delta}\n")] == ["a", "plain", "a"]


def test_a_json_object_without_a_type_is_kept_as_it_came():
    [entry] = read('{"a": 1}')
    assert (entry.line_type, entry.raw) == ("unknown", '{"a": 1}')


def test_content_given_as_a_string_is_text():
    [entry] = read('{"type":"assistant","message":{"id":"m","content":"Hi"}}')
    assert (entry.block, entry.text, entry.message_id) == ("text", "Hi", "m")


def test_numbers_json_has_no_word_for_do_not_cost_the_line():
    [entry] = read('{"type":"result","subtype":"success","total_cost_usd":NaN,"num_turns":3}')
    assert (entry.result.cost_usd, entry.result.num_turns) == (None, 3)


def test_counts_beyond_64_bits_are_unknown():
    [entry] = read(f'{{"type":"result","usage":{{"input_tokens":{2**63},"output_tokens":7}}}}')
    assert (entry.result.usage.input_tokens, entry.result.usage.output_tokens) == (None, 7)


def test_lone_surrogates_can_be_encoded_afterwards():
    [entry, plain] = read(
        '{"type":"assistant","message":{"content":[{"type":"text","text":"a\\ud800"}]}}\n\ud800b'
    )
    assert entry.text.encode() == b"a?"
    assert plain.text.encode() == b"?b"


def test_items_of_the_next_codex_turn_are_new_calls():
    item = '{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":"ls"}}\n'
    reader = Reader()
    blocks = [[e.block for e in reader.feed(item) + reader.flush()] for _ in range(2)]
    assert blocks == [["tool_use", "tool_result"]] * 2


def test_opencode_steps_of_one_message_add_up_on_its_last():
    step = {"reason": "stop", "messageID": "m", "tokens": {"input": 2, "output": 3}}
    line = json.dumps({"type": "step_finish", "timestamp": 1, "sessionID": "o", "part": step})
    entries = read(f"{line}\n{line}\n")
    assert [e.usage.input_tokens for e in entries if e.usage] == [2, 4]
    assert entries[-1].result.usage.input_tokens == 4


@pytest.mark.timeout(60)  # a second is enough; a growing string takes minutes
def test_one_line_of_four_mebibytes_in_small_chunks_is_linear():
    line = json.dumps(
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "x" * 2**22}]}}
    )
    chunks = [line[i : i + 64] for i in range(0, len(line), 64)]
    reader = Reader()
    for chunk in chunks:
        reader.feed(chunk)
    [entry] = reader.feed("\n")
    assert len(entry.text) == 2**22
