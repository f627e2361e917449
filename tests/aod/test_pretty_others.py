"""The printers for Codex, Gemini and opencode, and the one that finds out by itself."""

import json

import pytest

from aod_notebook.aod.pretty import (
    ClaudeFormatter,
    CodexFormatter,
    Formatter,
    GeminiFormatter,
    OpencodeFormatter,
    formatter_for,
)


def printed(formatter, *lines):
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    return [*formatter.feed(text), *formatter.flush()]


def codex_item(kind, when="completed", **fields):
    return {"type": f"item.{when}", "item": {"id": fields.pop("id", "i0"), "type": kind, **fields}}


def test_a_codex_turn():
    lines = [
        {"type": "thread.started", "thread_id": "th1"},
        {"type": "turn.started"},
        codex_item("reasoning", text="Look\nfirst"),
        codex_item("command_execution", "started", command="ls -l", status="in_progress"),
        codex_item("command_execution", command="ls -l", aggregated_output="a", exit_code=0),
        codex_item("file_change", id="i1", changes=[{"path": "a.py", "kind": "add"}]),
        codex_item("mcp_tool_call", id="i2", server="docs", tool="find", arguments={"query": "q"}),
        codex_item("web_search", id="i3", query="dates"),
        codex_item("agent_message", id="i4", text="Done it."),
        {"type": "turn.completed", "usage": {"input_tokens": 90, "output_tokens": 12}},
    ]
    assert printed(CodexFormatter(), *lines) == [
        "⚙️  Session init",
        "💭 Look first",
        "🔧 command_execution · ls -l",
        "✏️  file_change · a.py",
        "🛠️  mcp__docs__find · q",
        "🌐 web_search · dates",
        "✉️  Done it.",
        "✨ Done · tokens 90 in, 12 out",
    ]


def test_a_failed_codex_turn_says_why_once():
    lines = [
        {"type": "error", "message": "no credit"},
        {"type": "turn.failed", "error": {"message": "no credit"}},
    ]
    assert printed(CodexFormatter(), *lines) == ["⚠️  Error · no credit", "⚠️  Done"]


def test_gemini_deltas_print_as_one_message():
    lines = [
        {"type": "init", "session_id": "g", "model": "gemini-2.5-pro"},
        {"type": "message", "role": "user", "content": "the prompt"},
        {"type": "message", "role": "assistant", "content": "one ", "delta": True},
        {"type": "message", "role": "assistant", "content": "file", "delta": True},
        {
            "type": "tool_use",
            "tool_name": "run_shell_command",
            "tool_id": "t",
            "parameters": {"command": "ls"},
        },
        {"type": "result", "status": "success", "stats": {"duration_ms": 2100, "input_tokens": 5}},
    ]
    assert printed(GeminiFormatter(), *lines) == [
        "⚙️  Session init · model=gemini-2.5-pro",
        "✉️  one file",
        "🔧 run_shell_command · ls",
        "✨ Done · agent 2.1s, tokens 5 in",
    ]


def test_a_gemini_warning_is_not_called_an_error():
    line = {"type": "error", "severity": "warning", "message": "slow"}
    assert printed(GeminiFormatter(), line) == ["⚠️  Warning · slow"]


def test_an_opencode_turn_ends_with_its_sums():
    def line(kind, **part):
        return {"type": kind, "timestamp": 1, "sessionID": "o", "part": part}

    state = {"status": "completed", "input": {"command": "ls"}, "output": "a"}
    lines = [
        line("step_start"),
        line("tool_use", tool="bash", callID="c", state=state),
        line("step_finish", reason="tool-calls", cost=0.001, tokens={"input": 1, "output": 1}),
        line("text", text="Hi"),
        line("step_finish", reason="stop", cost=0.002, tokens={"input": 1, "output": 1}),
    ]
    assert printed(OpencodeFormatter(tool_results=True), *lines) == [
        "🔧 bash · ls\n↩️  a",
        "✉️  Hi",
        "✨ Done · tokens $0.0030",
    ]


def test_without_a_name_the_lines_identify_the_runtime():
    lines = [
        {"type": "turn.started"},
        codex_item("agent_message", text="Hi"),
    ]
    assert printed(Formatter(), *lines) == ["✉️  Hi"]


def test_plain_output_passes_unchanged_through_every_printer():
    for made in (ClaudeFormatter, CodexFormatter, GeminiFormatter, OpencodeFormatter, Formatter):
        formatter = made()
        assert [*formatter.feed("a  b\n{not json\n"), *formatter.flush()] == ["a  b", "{not json"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude", ClaudeFormatter),
        ("anthropic", ClaudeFormatter),
        ("openai", CodexFormatter),
        ("google", GeminiFormatter),
        ("opencode", OpencodeFormatter),
        ("shell", Formatter),
        (None, Formatter),
    ],
)
def test_the_printer_is_picked_by_runtime_or_provider(name, expected):
    assert type(formatter_for(name)) is expected
