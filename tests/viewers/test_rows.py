import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import aod_notebook
from aod_notebook.viewers.plain import plain_lines, status_line
from aod_notebook.viewers.row import Kind, SettledRows
from aod_notebook.viewers.rows import RowBuilder

RECORDING = Path(aod_notebook.__file__).parent / "local" / "recordings" / "claude-coding.jsonl"


def event(type_, **extra):
    return SimpleNamespace(type=type_, id=1, extra=extra)


def out(data, stream="stdout"):
    return event("output", stream=stream, data=data, turn=1)


def rows_of(*events, runtime=None):
    builder = RowBuilder(runtime)
    rows = [row for each in events for row in builder.feed(each)]
    return rows + builder.finish(), builder.summary


def test_a_script_gives_a_row_per_line_of_output():
    rows, _ = rows_of(out("one\ntw"), out("o\n"), runtime="shell")
    assert [(row.kind, row.text) for row in rows] == [(Kind.OUTPUT, "one"), (Kind.OUTPUT, "two")]


def test_half_a_line_is_shown_when_the_turn_ends():
    rows, _ = rows_of(out("no newline"), event("exit", code=0), runtime="shell")
    assert [row.kind for row in rows] == [Kind.OUTPUT, Kind.END]


def test_stderr_is_marked_and_never_read_as_a_transcript():
    line = '{"type":"result","subtype":"success","is_error":false}\n'
    rows, summary = rows_of(out(line, "stderr"), runtime="claude")
    assert [row.kind for row in rows] == [Kind.STDERR]
    assert summary.cost_usd is None


@pytest.mark.parametrize(
    ("final", "status"),
    [
        (event("exit", code=0), "completed"),
        (event("exit", code=3), "failed"),
        (event("error", message="Session failed"), "failed"),
        (event("terminated", message="Session terminated"), "terminated"),
        (event("stale", message="No output for 600s"), "running"),
    ],
)
def test_the_last_event_decides_the_status(final, status):
    assert rows_of(event("turn_start", turn=1), final)[1].status == status


def test_a_second_turn_is_running_again():
    events = [event("turn_start", turn=1), event("exit", code=0), event("turn_start", turn=2)]
    summary = rows_of(*events)[1]
    assert (summary.status, summary.turns, summary.exit_code) == ("running", 2, None)


def runtime_start():
    return event("stage", stage="runtime_start", state="started")


def test_a_turn_that_says_nothing_runs_and_has_a_header():
    rows, summary = rows_of(event("stage", stage="env_file", state="done"), runtime_start())
    assert [row.title for row in rows if row.kind is Kind.TURN] == ["Turn 1"]
    assert (summary.status, summary.stage, summary.turns) == ("running", "", 1)


def test_each_turn_has_one_header_whether_it_says_something_or_not():
    said = event("turn_start", turn=3), out("third\n"), event("exit", code=0)
    rows, summary = rows_of(runtime_start(), runtime_start(), runtime_start(), *said)
    heads = [row.title for _, row in SettledRows(rows).ends(len(rows))[0] if row.kind is Kind.TURN]
    assert heads == ["Turn 1", "Turn 2", "Turn 3"]
    assert status_line("s", summary) == "s · completed · 3 turns"


@pytest.mark.parametrize(("later", "told"), [(1, "turn 3"), (2, "turns 3 to 4")])
def test_a_cell_that_shows_later_turns_only_says_which(later, told):
    builder = RowBuilder("shell")
    builder.pass_over([runtime_start(), event("turn_start", turn=1), out("x\n"), runtime_start()])
    rows = [row for _ in range(later) for row in builder.feed(runtime_start())]
    assert rows[0].title == "Turn 3"
    assert status_line("s", builder.summary) == f"s · running · {told}"


def test_a_failed_stage_shows_its_message():
    stage = event("stage", stage="install_runtime", state="failed", duration_ms=5, message="no CLI")
    _, row = rows_of(stage)[0]
    assert (row.title, row.text, row.is_error) == (
        "install_runtime failed in <0.1 s",
        "no CLI",
        True,
    )


def test_a_subagents_rows_are_indented_below_its_call():
    call = {"type": "tool_use", "id": "t1", "name": "Task", "input": {"description": "look"}}
    said = {"type": "text", "text": "found"}
    lines = [
        {"type": "assistant", "message": {"id": "a", "content": [call]}},
        {
            "type": "assistant",
            "parent_tool_use_id": "t1",
            "message": {"id": "b", "content": [said]},
        },
    ]
    rows, summary = rows_of(*(out(json.dumps(line) + "\n") for line in lines))
    assert [(row.kind, row.depth) for row in rows] == [(Kind.TOOL, 0), (Kind.TEXT, 1)]
    assert summary.answer == ""


@pytest.mark.parametrize(("turns", "title"), [(1, "Done · 1 step"), (2, "Done · 2 steps")])
def test_the_end_of_an_agents_work_counts_its_steps(turns, title):
    line = {"type": "result", "subtype": "success", "is_error": False, "num_turns": turns}
    rows, _ = rows_of(out(json.dumps(line) + "\n"), runtime="claude")
    assert rows[-1].title == title


def test_the_recorded_session_is_shown_whole():
    recording = RECORDING.read_text(encoding="utf-8")
    result = json.loads(recording.splitlines()[-1])
    rows, summary = rows_of(out(recording), event("exit", code=0))
    assert {Kind.THINKING, Kind.TEXT, Kind.TOOL, Kind.TOOL_RESULT, Kind.RESULT} <= {
        row.kind for row in rows
    }
    assert any(row.is_error for row in rows if row.kind is Kind.TOOL_RESULT)
    assert any(row.depth == 1 for row in rows if row.kind is Kind.TOOL)
    assert summary.cost_usd == pytest.approx(result["total_cost_usd"])
    assert summary.answer == result["result"]


def test_rows_carry_no_escape_sequence():
    hostile = "\x1b]0;owned\x07\x1b[31mred\u202e\n"
    (row,) = rows_of(out(hostile), runtime="shell")[0]
    assert row.text == "red⟨U+202E⟩"


def test_a_long_tool_result_is_cut_in_plain_text_and_says_so():
    lines = "\n".join(map(str, range(100)))
    block = {"type": "tool_result", "tool_use_id": "t", "content": lines}
    rows, _ = rows_of(out(json.dumps({"type": "user", "message": {"content": [block]}}) + "\n"))
    shown = list(plain_lines(rows[0]))
    assert len(shown) == 8
    assert shown[-1].strip() == "[93 more lines]"


def test_the_status_line_says_what_is_known():
    _, summary = rows_of(event("turn_start", turn=1), event("exit", code=3), runtime="shell")
    assert status_line("shell · 7", summary) == "shell · 7 · failed · exit code 3 · 1 turn"


def test_subagents_of_subagents_are_indented_so_far_and_no_further():
    def call(number):
        block = {"type": "tool_use", "id": f"t{number}", "name": "Task", "input": {}}
        parent = f"t{number - 1}" if number else None
        message = {"id": f"m{number}", "content": [block]}
        return {"type": "assistant", "parent_tool_use_id": parent, "message": message}

    lines = "".join(json.dumps(call(number)) + "\n" for number in range(1_000))
    rows, _ = rows_of(out(lines))
    assert max(row.depth for row in rows) == 8


def codex_turn(turn, read):
    usage = {"input_tokens": read, "cached_input_tokens": 0, "output_tokens": turn}
    lines = ['{"type":"thread.started","thread_id":"th1"}']
    lines.append(json.dumps({"type": "turn.completed", "usage": usage}))
    said = event("output", stream="stdout", data="\n".join([*lines, ""]), turn=turn)
    return [event("turn_start", turn=turn), said]


def test_the_header_counts_what_each_turn_used_not_the_threads_totals_again():
    _, summary = rows_of(*codex_turn(1, 100), *codex_turn(2, 300), *codex_turn(3, 350))
    assert (summary.tokens_in, summary.tokens_out) == (350, 3)


def test_a_view_of_a_later_turn_counts_that_turn_only():
    builder = RowBuilder()
    builder.pass_over([*codex_turn(1, 100), event("exit", code=0)])
    for each in codex_turn(2, 300):
        builder.feed(each)
    assert (builder.summary.tokens_in, builder.summary.tokens_out) == (200, 1)


def test_what_a_turn_used_after_unseen_ones_is_unknown():
    _, summary = rows_of(*codex_turn(3, 300))
    assert (summary.tokens_in, summary.tokens_out) == (None, None)
    _, summary = rows_of(*codex_turn(3, 300), *codex_turn(4, 310))
    assert summary.tokens_in == 10


def test_tokens_that_were_written_to_the_cache_are_read_tokens_in_the_header():
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 100,
        "output_tokens": 7,
    }
    line = json.dumps({"type": "result", "subtype": "success", "usage": usage})
    _, summary = rows_of(out(line + "\n"))
    assert (summary.tokens_in, summary.tokens_cached, summary.tokens_out) == (5110, 5000, 7)


def test_two_result_lines_of_a_turn_are_not_added_up():
    def line(cost, read):
        models = {"m": {"inputTokens": read, "outputTokens": 1, "costUSD": cost}}
        told = {"total_cost_usd": cost, "modelUsage": models, "session_id": "s"}
        return json.dumps({"type": "result", "subtype": "success", **told}) + "\n"

    _, summary = rows_of(out(line(0.1, 10)), out(line(0.3, 30)))
    assert (summary.cost_usd, summary.tokens_in) == (0.3, 30)


def test_retries_are_shown_as_they_happen_and_errors_of_the_api_are_not_the_answer():
    retry = {"type": "system", "subtype": "api_retry", "attempt": 3, "max_retries": 10}
    retry |= {"retry_delay_ms": 4000, "error_status": 529}
    message = {"id": "m", "model": "<synthetic>", "content": [{"type": "text", "text": "API 529"}]}
    end = {"type": "result", "subtype": "success", "is_error": True, "result": "API 529"}
    lines = [retry, {"type": "assistant", "message": message}, end]
    rows, summary = rows_of(*(out(json.dumps(line) + "\n") for line in lines))
    assert [(row.kind, row.title or row.text, row.is_error) for row in rows] == [
        (Kind.SYSTEM, "API 529, retry 3 of 10 in 4 s", False),
        (Kind.SYSTEM, "Error", True),
        (Kind.RESULT, "Failed", True),
    ]
    assert summary.answer == ""
