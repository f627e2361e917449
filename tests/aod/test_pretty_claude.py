"""The printer for Claude's output, beside the official SDK's."""

import json
import random
from pathlib import Path

import pytest
from aod.models import StreamEvent as OfficialEvent
from aod.pretty.claude import ClaudeFormatter as OfficialFormatter

import aod_notebook.local
from aod_notebook.aod.events import StreamEvent
from aod_notebook.aod.pretty import formatter_for
from aod_notebook.aod.pretty.claude import ClaudeFormatter

RECORDING = Path(aod_notebook.local.__path__[0]) / "recordings" / "claude-coding.jsonl"


def output(data, **more):
    return StreamEvent("output", 1, {"stream": "stdout", "data": data, "turn": 1, **more})


def ours(*lines, **options):
    formatter = ClaudeFormatter(**options)
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    return [*formatter.consume(output(text)), *formatter.flush()]


def official(*lines):
    formatter = OfficialFormatter()
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    event = OfficialEvent(type="output", id=1, extra={"stream": "stdout", "data": text})
    return [*formatter.consume(event), *formatter.flush()]


def assistant(*blocks, parent=None):
    return {"type": "assistant", "message": {"content": list(blocks)}, "parent_tool_use_id": parent}


def call(tool, **arguments):
    return {"type": "tool_use", "id": "t1", "name": tool, "input": arguments}


def result(**fields):
    return {"type": "result", "subtype": "success", "is_error": False, "duration_ms": 1, **fields}


def test_the_recorded_session_prints_as_with_the_official_formatter():
    lines = RECORDING.read_text().splitlines()
    printed = ours(*lines)
    assert printed == official(*lines)
    assert printed[-1] == "✨ Done · agent 74.3s, 12 turns, tokens $0.1690"


def drawn_line(dice):
    def text():
        words = ["ls", "  two  ", "a\nb", "é🙂", "x" * 150, "y" * 250, "", "tab\there", "\u2028"]
        return " ".join(dice.choices(words, k=dice.randint(1, 4)))

    def tool():
        path = dice.choice([{}, {"file_path": "/a b.py"}, {"file_path": ""}])
        made = [
            call(dice.choice(["Read", "Write", "Edit", "MultiEdit", "NotebookEdit"]), **path),
            call("Bash", command=text()),
            call("Bash"),
            call(dice.choice(["Grep", "Glob"]), pattern=text(), path=dice.choice(["", "src"])),
            call("WebFetch", url=text(), prompt="why"),
            call("WebSearch", query=text()),
            call(dice.choice(["Task", "Agent"]), prompt=text()),
            call("Task", description=text(), prompt="p"),
            call("TodoWrite", todos=[{}] * dice.randint(0, 4)),
            call(dice.choice(["ExitPlanMode", "Skill", "mcp__a__b"]), query=text(), name="n", x=1),
            call("Other", path=text(), description=dice.choice(["", "d"])),
        ]
        return dice.choice(made)

    blocks = [
        dice.choice(
            [{"type": "text", "text": text()}, {"type": "thinking", "thinking": text()}, tool()]
        )
        for _ in range(dice.randint(0, 3))
    ]
    servers = [{"name": name, "status": "connected"} for name in "ab"[: dice.randint(0, 2)]]
    told = {"type": "tool_result", "tool_use_id": "t1", "content": text(), "is_error": True}
    return dice.choice(
        [
            assistant(*blocks, parent=dice.choice([None, "t0"])),
            assistant(*blocks),
            {
                "type": "system",
                "subtype": "init",
                "model": "m",
                "tools": ["a"],
                "mcp_servers": servers,
            },
            {"type": "system", "subtype": "init"},
            {"type": "system", "subtype": "task_started", "description": dice.choice(["", "look"])},
            {"type": "system", "subtype": "task_progress", "description": "half"},
            {"type": "user", "message": {"role": "user", "content": [told]}},
            {"type": "stream_event", "event": {}},
            {"no": "type"},
            result(
                duration_ms=dice.randint(0, 10**6),
                num_turns=dice.randint(0, 9),
                total_cost_usd=dice.choice([0, 0.25, 1e-9, None]),
                subtype="success",
            ),
            {"type": "result", "subtype": "success"},
            "plain text",
            "   ",
            "",
            "{broken",
        ]
    )


def test_made_up_sessions_print_as_with_the_official_formatter():
    for seed in range(400):
        dice = random.Random(seed)
        lines = [drawn_line(dice) for _ in range(8)]
        assert ours(*lines) == official(*lines), lines


def test_a_line_comes_out_once_it_is_complete_however_it_is_cut():
    text = RECORDING.read_text()
    whole = ours(*text.splitlines())
    for size in (1, 7, 1000):
        formatter = ClaudeFormatter()
        printed = [
            line
            for start in range(0, len(text), size)
            for line in formatter.consume(output(text[start : start + size]))
        ]
        assert [*printed, *formatter.flush()] == whole


@pytest.mark.parametrize(
    "event",
    [
        StreamEvent("output", 1, {"stream": "stderr", "data": "x\n", "turn": 1}),
        StreamEvent("stage", 1, {"stage": "skills", "state": "done"}),
        StreamEvent("exit", 1, {"code": 0}),
        StreamEvent("output", 1, {"stream": "stdout", "data": None}),
        StreamEvent("output", 1, {}),
        StreamEvent("brand_new", None, {"stream": "stdout", "data": "x\n"}),
    ],
)
def test_events_that_are_not_output_on_stdout_print_nothing(event):
    assert list(ClaudeFormatter().consume(event)) == []


def test_an_event_is_read_even_if_its_lines_are_unused():
    # The official formatter reads only as far as its generator is driven, and loses the rest.
    formatter = ClaudeFormatter()
    formatter.consume(output("first half, "))
    assert list(formatter.consume(output("second half\n"))) == ["first half, second half"]


def test_a_carriage_return_goes_from_the_last_line_too():
    # The official formatter leaves it on the line that flush() gives.
    formatter = ClaudeFormatter()
    formatter.consume(output("end\r"))
    assert list(formatter.flush()) == ["end"]


def test_half_a_line_at_the_end_of_a_turn_is_not_glued_to_the_next_turn():
    # The official formatter joins the two.
    formatter = ClaudeFormatter()
    formatter.consume(output("cut off"))
    assert list(formatter.consume(output("next\n", turn=2))) == ["cut off", "next"]


def test_a_notebook_edit_shows_its_path():
    # Claude sends notebook_path; the official formatter says "(no path)".
    assert ours(assistant(call("NotebookEdit", notebook_path="a.ipynb"))) == [
        "📓 NotebookEdit · a.ipynb"
    ]


def test_lines_that_are_json_but_no_object_print_as_they_are():
    """JSON that is not an object must not raise."""
    lines = ["123", "[]", "null", "true", '"s"', "1e5"]
    assert ours(*lines) == lines


def test_an_mcp_server_without_a_name_is_shown_as_unknown():
    """The official SDK: an MCP server without a name must not raise."""
    init = {"type": "system", "subtype": "init", "model": "m", "tools": []}
    servers = [{"status": "failed"}, {"name": "docs"}, "bare", None]
    assert ours({**init, "mcp_servers": servers}) == [
        "⚙️  Session init · model=m, tools=0, mcp=[?, docs, bare, ?]"
    ]


def test_content_given_as_a_string_is_shown_as_text():
    """The official SDK: content given as a string must not raise."""
    assert ours({"type": "assistant", "message": {"content": "Hi"}}) == ["✉️  Hi"]


def test_errors_and_denied_permissions_are_shown_with_the_result():
    """The official SDK: error text, is_error, permission_denials are shown."""
    denial = {"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": "rm -rf /"}}
    failed = result(is_error=True, result="API Error: 529", permission_denials=[denial])
    assert ours(failed) == [
        "⚠️  Done · agent 0.0s\n⚠️  Error · API Error: 529\n🚫 Permission denied · Bash · rm -rf /"
    ]


def test_a_result_without_words_says_its_subtype():
    """The official SDK: the kind of error is shown where there is no text."""
    stopped = result(subtype="error_max_turns", is_error=True)
    assert ours(stopped) == ["⚠️  Done · agent 0.0s\n⚠️  Error · error_max_turns"]


def test_tool_results_are_shown_on_request():
    """The official SDK: tool results can be shown."""
    blocks = [
        {"type": "tool_result", "tool_use_id": "a", "content": "fine\nand more"},
        {"type": "tool_result", "tool_use_id": "b", "content": "no such file", "is_error": True},
    ]
    line = {"type": "user", "message": {"role": "user", "content": blocks}}
    assert ours(line) == []
    assert ours(line, tool_results=True) == ["↩️  fine and more\n❌ no such file"]


@pytest.mark.parametrize("name", ["codex", "gemini", "opencode", "openai", "google", None])
def test_every_runtime_has_a_printer(name):
    """The official SDK: codex, gemini and opencode lines are not printed raw."""
    lines = {
        "codex": '{"type":"item.completed","item":{"type":"agent_message","text":"Hi"}}',
        "gemini": '{"type":"message","timestamp":"t","role":"assistant","content":"Hi"}',
        "opencode": '{"type":"text","timestamp":1,"sessionID":"o","part":{"text":"Hi"}}',
    }
    runtime = {"openai": "codex", "google": "gemini", None: "opencode"}.get(name, name)
    formatter = formatter_for(name)
    assert [*formatter.feed(lines[runtime] + "\n"), *formatter.flush()] == ["✉️  Hi"]


@pytest.mark.parametrize(
    "line",
    [
        assistant("bare", 5, None, {"type": "text", "text": 7}),
        assistant({"type": "tool_use", "name": "Bash", "input": "no object"}),
        assistant({"type": "tool_use", "name": None, "input": None}),
        {"type": "assistant", "message": 5},
        {"type": "system", "subtype": "init", "tools": 5, "mcp_servers": {}},
        result(duration_ms="long", num_turns=[], total_cost_usd="0.1"),
        result(permission_denials=[5, {"tool_name": 7, "tool_input": "x"}]),
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": {"a": [1]}}]}},
    ],
)
def test_values_of_unexpected_types_print_something_and_never_raise(line):
    assert all(isinstance(shown, str) for shown in ours(line, tool_results=True))
