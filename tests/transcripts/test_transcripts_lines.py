"""Single lines of the CLIs: what each of them means."""

import json

import pytest
from captured import NAMES, turns_of
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.aod.pretty import formatter_for
from aod_notebook.transcripts import Reader, summary

RESULT = '{"type":"result","subtype":"success","result":"Hi","total_cost_usd":0.5}'


def read(*lines):
    reader = Reader()
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return reader.feed(text) + reader.flush()


def printed(runtime, *lines):
    printer = formatter_for(runtime)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return [*printer.feed(text + "\n"), *printer.flush()]


def user(*blocks, **more):
    return {"type": "user", "message": {"role": "user", "content": list(blocks)}, **more}


def assistant(*blocks, usage=None, stop_reason=None, model="m", **more):
    message = {"id": "m1", "role": "assistant", "model": model, "content": list(blocks)}
    message |= {"usage": usage, "stop_reason": stop_reason}
    return {"type": "assistant", "message": message, **more}


def text_block(text):
    return {"type": "text", "text": text}


def codex(kind, **item):
    return {"type": f"item.{kind}", "item": {"id": "item_0", **item}}


def opencode(kind, **part):
    return {"type": kind, "timestamp": 1_000, "sessionID": "o", "part": part}


@given(st.sampled_from(NAMES), st.data())
def test_the_captures_give_the_same_entries_however_they_are_cut(name, data):
    for lines in turns_of(name):
        text = "\n".join(lines)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        whole, cut, entries = Reader(), Reader(), []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            entries += cut.feed(text[start:end])
        assert entries + cut.flush() == whole.feed(text) + whole.flush()


@pytest.mark.parametrize(
    "before",
    [
        "\ufeff",
        "\x1b[?2004h",
        "\x1b[2J\x1b[H",
        "\x1b]0;title\x07",
        "\x1b]0;t\x1b\\",
        "\r \x1b=",
        "\x1b(B",
    ],
)
def test_what_a_shell_writes_before_a_line_does_not_cost_the_line(before):
    reader = Reader()
    [entry] = reader.feed(f"{before}{RESULT}\n")
    assert (reader.runtime, entry.result.text, entry.fields["result"]) == ("claude", "Hi", "Hi")


def test_coloured_text_stays_as_it_came():
    for text in ("\x1b[31mred\x1b[0m", "\ufeffwords", "\x1b[?2004h{broken"):
        assert [(e.line_type, e.text) for e in read(text)] == [("text", text)]


def test_two_lines_with_one_uuid_are_one_line():
    line = assistant(text_block("Hi"), uuid="u1")
    other = assistant(text_block("Hi"), uuid="u2")
    assert [e.uuid for e in read(line, line, other)] == ["u1", "u2"]
    assert len(read({**user(text_block("x")), "uuid": "u3", "odd": 1}, user("x", uuid="u3"))) == 1


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_value_that_json_forbids_costs_only_itself(word):
    line = f'{{"type":"result","subtype":"success","total_cost_usd":{word},"result":"a \\ud83d b"}}'
    [entry] = read(line)
    assert (entry.result.cost_usd, entry.result.text) == (None, "a ? b")


def test_a_count_that_json_forbids_costs_only_itself():
    tokens = '{"input":NaN,"output":2,"cache":{"read":3,"write":Infinity}}'
    part = f'{{"reason":"stop","tokens":{tokens},"cost":0.5}}'
    entries = read(f'{{"type":"step_finish","timestamp":1,"sessionID":"o","part":{part}}}')
    usage = entries[-1].result.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    assert (*counts, usage.cache_creation_tokens) == (None, 2, 3, None)


def test_a_clock_that_goes_back_makes_no_negative_time():
    lines = {"type": "result", "subtype": "success", "duration_ms": -4000, "duration_api_ms": -1}
    [entry] = read(lines)
    assert (entry.result.duration_ms, entry.result.duration_api_ms) == (0, 0)
    stats = {"duration_ms": -3}
    [entry] = read({"type": "result", "status": "success", "stats": stats})
    assert entry.result.duration_ms == 0


def test_lines_have_the_time_that_they_report():
    at = "2026-11-28T17:27:14.375Z"
    [spoken] = read(assistant(text_block("Hi"), timestamp=at))
    [tool] = read({"type": "tool_use", "tool_name": "x", "tool_id": "1", "timestamp": at})
    assert spoken.created_at == tool.created_at == 1795886834375000
    [odd] = read(assistant(text_block("Hi"), timestamp="yesterday"))
    [wrong] = read(assistant(text_block("Hi"), timestamp=7))
    assert (odd.created_at, wrong.created_at, odd.text) == (None, None, "Hi")


# -- Claude ---------------------------------------------------------------------------------------

COUNTS = {
    "input_tokens": 3,
    "output_tokens": 1,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens_details": {"thinking_tokens": 1},
}


def test_output_tokens_are_known_once_the_message_has_stopped():
    first, last = (
        entry.usage
        for entry in read(
            assistant(text_block("a"), usage=COUNTS),
            assistant(
                text_block("b"), usage={**COUNTS, "output_tokens": 9}, stop_reason="end_turn"
            ),
        )
    )
    assert (first.input_tokens, first.output_tokens, first.reasoning_tokens) == (3, None, None)
    assert (last.output_tokens, last.reasoning_tokens, last.cache_creation_1h_tokens) == (9, 1, 20)


def test_counts_of_the_wrong_type_leave_the_others():
    odd = {**COUNTS, "output_tokens": "many", "cache_creation": 7}
    [entry] = read(assistant(text_block("a"), usage=odd, stop_reason="end_turn"))
    assert (entry.usage.input_tokens, entry.usage.output_tokens) == (3, None)


def test_an_error_of_the_api_is_an_error_and_not_the_answer():
    words = assistant(text_block("API Error: 529"), usage=COUNTS, model="<synthetic>")
    end = {"type": "result", "subtype": "success", "is_error": True, "result": "API Error: 529"}
    spoken, result = read(words, end)
    assert (spoken.line_type, spoken.block, spoken.is_error) == ("assistant", "text", True)
    assert (spoken.usage.input_tokens, spoken.usage.output_tokens) == (0, 0)
    assert (result.result.text, result.result.errors) == (None, ("API Error: 529",))
    assert printed("claude", words, end) == [
        "⚠️  Error · API Error: 529",
        "⚠️  Done · agent 0.0s",
    ]


def test_a_retry_is_a_note_with_its_text():
    line = {"type": "system", "subtype": "api_retry", "attempt": 3, "max_retries": 10}
    line |= {"retry_delay_ms": 4000.2, "error_status": 529, "error": "overloaded"}
    [entry] = read(line)
    assert (entry.line_type, entry.is_error, entry.is_note) == ("system", None, True)
    assert entry.text == "API 529, retry 3 of 10 in 4 s"
    assert printed("claude", line) == ["⏳ API 529, retry 3 of 10 in 4 s"]
    [bare] = read({"type": "system", "subtype": "api_retry", "error": "timeout"})
    assert bare.text == "API timeout, retry"


def test_a_summary_of_a_compaction_is_not_a_message():
    boundary = {"type": "system", "subtype": "compact_boundary"}
    boundary |= {"compact_metadata": {"trigger": "auto", "pre_tokens": 167000}}
    note, text, own = read(boundary, user(text_block("So far …")), user(text_block("Go on")))
    assert note.text == "Conversation compacted (auto, 167000 tokens before)"
    assert (text.line_type, text.subtype, text.text) == ("system", "compact_summary", "So far …")
    assert own.line_type == "user"


@pytest.mark.parametrize(
    ("more", "subtype"),
    [
        ({"parent_tool_use_id": "t1"}, "subagent_prompt"),
        ({"isSynthetic": True}, "synthetic"),
        ({"isMeta": True}, "synthetic"),
        ({"isCompactSummary": True}, "compact_summary"),
        ({"isSynthetic": True, "timestamp": 7}, "synthetic"),
    ],
)
def test_user_lines_that_no_user_wrote_are_not_the_users(more, subtype):
    [entry] = read(user(text_block("x"), **more))
    assert (entry.line_type, entry.subtype, entry.text) == ("system", subtype, "x")


def test_a_replayed_prompt_is_the_users_and_a_subagents_tool_result_a_tool_result():
    result = {"type": "tool_result", "tool_use_id": "t2", "content": "ok"}
    replay, inner = read(
        user(text_block("x"), isReplay=True), user(result, parent_tool_use_id="t1")
    )
    assert (replay.line_type, inner.line_type, inner.block) == ("user", "user", "tool_result")


def test_lines_about_tasks_and_limits_are_known():
    entries = read(
        {"type": "system", "subtype": "task_started", "description": "look", "tool_use_id": "t"},
        {"type": "system", "subtype": "task_notification", "summary": "found", "tool_use_id": "t"},
        {"type": "tool_progress", "tool_use_id": "t", "tool_name": "Bash"},
        {"type": "rate_limit_event", "rate_limit_info": {"status": "allowed"}},
        {
            "type": "rate_limit_event",
            "rate_limit_info": {"status": "rejected", "rateLimitType": "five_hour"},
        },
    )
    assert [e.text for e in entries] == [
        "look",
        "found",
        None,
        None,
        "Rate limit (five_hour): rejected",
    ]
    assert [e.is_note for e in entries] == [False, False, False, False, True]


def test_todays_todo_tools_are_summarised():
    assert summary("TaskCreate", {"subject": "Fix dates", "description": "…"}) == "Fix dates"
    assert summary("TaskUpdate", {"taskId": "1", "status": "completed"}) == "#1 completed"
    assert summary("TaskList", {}) == ""
    call = {"type": "tool_use", "id": "t", "name": "TaskUpdate", "input": {"taskId": "2"}}
    assert printed("claude", assistant(call)) == ["📋 TaskUpdate · #2"]


# -- Codex ----------------------------------------------------------------------------------------


def test_a_web_search_shows_its_query_once_it_is_known():
    begun = codex("started", type="web_search", query="", action={"type": "other"})
    done = codex("completed", type="web_search", query="rust async await")
    entries = read(begun, done)
    calls = [(e.tool, e.input) for e in entries if e.block == "tool_use"]
    assert calls == [("web_search", {"query": "rust async await"})]
    assert printed("codex", begun, done) == ["🌐 web_search · rust async await"]


def test_the_input_of_a_call_is_the_most_complete_one():
    begun = codex("started", type="mcp_tool_call", server="s", tool="t", arguments={"a": 1})
    more = {"a": 1, "b": [2]}
    entries = read(
        begun,
        codex("updated", type="mcp_tool_call", server="s", tool="t", arguments=more),
        codex("completed", type="mcp_tool_call", server="s", tool="t", arguments=None),
    )
    assert [e.input for e in entries if e.block == "tool_use"] == [more]


def test_a_calls_id_is_not_kept_beyond_the_end_of_its_turn():
    done = codex("completed", type="command_execution", command="ls")
    end = {"type": "turn.completed", "usage": {}}
    entries = read(done, end, done)
    assert [e.block for e in entries if e.block] == ["tool_use", "tool_result"] * 2


def test_structured_content_is_the_output_where_there_is_not_an_other():
    result = {"content": [], "structured_content": {"answer": 42}}
    _, output = read(codex("completed", type="mcp_tool_call", server="s", tool="t", result=result))
    assert output.text == '{"answer":42}'
    result["content"] = [{"type": "text", "text": "it is 42"}]
    _, output = read(codex("completed", type="mcp_tool_call", server="s", tool="t", result=result))
    assert output.text == "it is 42"


def test_what_codex_survives_is_a_note_and_the_rest_an_error():
    lines = [
        {"type": "error", "message": "Reconnecting... 1/5 (timeout)"},
        codex("completed", type="error", message="Model metadata for `x` not found."),
        {"type": "error", "message": "no credit"},
        codex("completed", type="error", message="sandbox is off"),
    ]
    entries = read('{"type":"thread.started","thread_id":"t"}', *lines)[1:]
    assert [(e.line_type, e.is_note) for e in entries] == [
        ("system", True),
        ("system", True),
        ("error", False),
        ("error", False),
    ]
    assert printed("codex", lines[0]) == ["⏳ Reconnecting... 1/5 (timeout)"]


# -- opencode -------------------------------------------------------------------------------------


def opencode_call(tool, **state):
    state = {"status": "completed", "input": {"command": "false"}, "output": "", **state}
    return opencode("tool_use", tool=tool, callID="c", state=state, messageID="m")


def test_a_command_that_exits_with_an_error_failed():
    _, bad = read(opencode_call("bash", metadata={"exit": 3}))
    _, good = read(opencode_call("bash", metadata={"exit": 0}))
    _, unknown = read(opencode_call("bash", metadata={"exit": None}))
    assert (bad.is_error, good.is_error, unknown.is_error) == (True, False, False)


def test_a_call_of_a_tool_that_does_not_exist_failed():
    call, result = read(opencode_call("invalid", input={"tool": "fly", "error": "no such tool"}))
    assert (result.is_error, summary(call.tool, call.input)) == (True, "fly")


def test_a_call_took_as_long_as_its_tool_not_as_its_line():
    call, result = read(opencode_call("bash", time={"start": 5, "end": 9}))
    assert (call.created_at, result.created_at) == (5_000, 9_000)


# -- Gemini ---------------------------------------------------------------------------------------


def test_thoughts_are_what_the_total_holds_beside_input_and_output():
    stats = {"total_tokens": 7190, "input_tokens": 7173, "output_tokens": 0}
    [entry] = read({"type": "result", "status": "success", "stats": stats})
    assert (entry.result.usage.reasoning_tokens, entry.result.tokens_out) == (17, 17)
    del stats["total_tokens"]
    [entry] = read({"type": "result", "status": "success", "stats": stats})
    assert entry.result.usage.reasoning_tokens is None


@pytest.mark.parametrize("beside", ['{"type":"image"}', '{"type":"text","text":7}'])
def test_the_arguments_of_a_call_stay_as_written_beside_an_odd_block(beside):
    call = '{"type": "tool_use", "name": "Bash", "input": {"n": 1.50, "x": "\\u00e9"}}'
    line = f'{{"type":"assistant","message":{{"content":[{beside},{call}]}}}}'
    _, entry = Reader("claude").feed_lines([line])
    assert entry.input_json == '{"n": 1.50, "x": "\\u00e9"}'
