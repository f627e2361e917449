"""What a reader needs of a session: the question, the work, the words, each once."""

import base64
import json
from types import SimpleNamespace

import pytest

from aod_notebook.viewers.diffs import edits, patched
from aod_notebook.viewers.plain import about
from aod_notebook.viewers.row import Kind, SettledRows
from aod_notebook.viewers.rows import RowBuilder
from aod_notebook.viewers.static import Transcript, render_html
from aod_notebook.viewers.wire import wire_rows
from aod_notebook.viewers.words import tree


def event(type_, **extra):
    return SimpleNamespace(type=type_, id=1, extra=extra)


def said(*blocks, role="assistant", second=0, **fields):
    line = {"type": role, "message": {"id": "m", "role": role, "content": list(blocks)}, **fields}
    at = f"2026-11-28T10:00:{second:02}Z"
    return event("output", stream="stdout", data=json.dumps(line) + "\n", created_at=at)


def call(name, key="t", second=0, **given):
    return said({"type": "tool_use", "id": key, "name": name, "input": given}, second=second)


def returned(content, key="t", second=0, is_error=False, **fields):
    block = {"type": "tool_result", "tool_use_id": key, "content": content, "is_error": is_error}
    return said(block, role="user", second=second, **fields)


def begun(turn=1):
    return event("turn_start", turn=turn, created_at="2026-11-28T10:00:00Z")


def ended(second=30):
    return event("exit", code=0, created_at=f"2026-11-28T10:00:{second:02}Z")


def rows_of(*events, prompts=None):
    builder = RowBuilder("claude", prompts)
    rows = [row for each in events for row in builder.feed(each)]
    return [row for _, row in SettledRows(rows).ends(len(rows))[0]], builder


def test_the_prompt_is_the_first_row_of_its_turn():
    rows, _ = rows_of(begun(), ended(), begun(2), prompts={1: "Find it.\nFix it.", 2: "Test it."})
    kinds = [(row.kind, row.text) for row in rows if row.kind in (Kind.TURN, Kind.PROMPT)]
    assert kinds[1] == (Kind.PROMPT, "Find it.\nFix it.")
    assert kinds[3] == (Kind.PROMPT, "Test it.")


def test_a_prompt_that_is_known_late_is_shown_once():
    prompts = {}
    builder = RowBuilder("claude", prompts)
    start = event("stage", stage="runtime_start", state="started")
    rows = builder.feed(start)
    prompts[1] = "Find it."
    rows += [*builder.feed(begun()), *builder.feed(begun())]
    assert [row.kind for row in rows] == [Kind.TURN, Kind.PROMPT]


def test_the_title_is_the_first_line_of_the_first_prompt():
    transcript = Transcript("claude · 5f", "claude", prompts={2: "later", 1: "Find it.\nFix it."})
    assert transcript.heading == "Find it."
    assert Transcript("claude · 5f", "claude").heading == "claude · 5f"


def test_a_call_says_how_long_it_took_and_how_it_failed():
    failed = returned("Exit code 2\nno such test", second=9, is_error=True)
    rows, builder = rows_of(call("Bash", command="pytest", second=5), failed)
    tool, result = rows
    assert (tool.extra.took, tool.extra.bad, tool.is_error) == (4.0, "exit code 2", True)
    assert result.text == "no such test"
    assert about(builder.summary) == "1 tool call (1 failed)"


def test_a_duration_without_times_is_unknown():
    lines = [call("Bash", command="ls"), returned("a")]
    for each in lines:
        del each.extra["created_at"]
    rows, _ = rows_of(*lines)
    assert rows[0].extra.took is None


def test_a_long_failure_shows_the_lines_that_say_most():
    lines = [*map(str, range(20)), "E   assert 1 == 2", "a.py:7: AssertionError", "1 failed"]
    rows, _ = rows_of(call("Bash", command="x"), returned("\n".join(lines), is_error=True))
    assert rows[1].extra.short == "E   assert 1 == 2\na.py:7: AssertionError\n1 failed"


def test_what_an_edit_changes_is_numbered_where_the_runtime_says_where():
    hunk = {"oldStart": 8, "newStart": 8, "lines": [" day = start", "-while <", "+while <="]}
    patch = {"tool_use_result": {"structuredPatch": [hunk]}}
    edit = call("Edit", file_path="a.py", old_string="while <", new_string="while <=")
    rows, _ = rows_of(edit, returned("updated", **patch))
    (tool,) = rows
    assert [line[:4] for line in tool.extra.diff.lines] == [
        (" ", 8, 8, "day = start"),
        ("-", 9, None, "while <"),
        ("+", None, 9, "while <="),
    ]


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"content": "a\nb\n"}, (2, 0)),
        ({"edits": [{"old_string": "a", "new_string": ""}] * 2}, (0, 2)),
        ({"old_string": "a\nb\nc", "new_string": "a\nc"}, (0, 1)),
        ({"oldString": "x", "newString": "y\nz"}, (2, 1)),
        ({"patch": "*** Update File: a\n@@ -3,1 +3,2 @@\n x\n+y"}, (1, 0)),
        ({"changes": [{"path": "a", "kind": "update", "diff": "@@ -1 +1 @@\n-a\n+b"}]}, (1, 1)),
        (
            {"changes": ["odd", {"path": "a", "unified_diff": "--- a\n+++ b\n@@ -1 +1 @@\n-a"}]},
            (0, 1),
        ),
        ({"edits": [{"old_string": "a", "new_string": "b"}, {"new_string": "c"}, 5]}, (1, 1)),
        ({"old_string": "a\nb\nc", "new_string": "x\nb\ny"}, (2, 2)),
        ({"old_string": "x" * 5000, "new_string": "x" * 5001}, (1, 1)),
        ({"input": "*** Begin Patch\n*** Add File: a\n+b\n*** End Patch"}, (1, 0)),
    ],
)
def test_every_editing_tool_gives_a_diff(given, counts):
    diff = edits(given)
    assert (diff.added, diff.removed) == counts


def test_codex_changes_without_content_give_no_diff():
    assert edits({"changes": [{"path": "a.py", "kind": "add"}]}) is None
    assert patched("no list") is None


@pytest.mark.parametrize("given", [{}, {"patch": "no patch"}, {"content": 5}])
def test_arguments_that_say_nothing_of_lines_give_no_diff(given):
    assert edits(given) is None


def test_hunks_of_a_patch_are_set_apart_and_a_missing_newline_is_no_line():
    hunks = [
        {"oldStart": 1, "newStart": 1, "lines": ["-a", "+b"]},
        {"oldStart": 9, "newStart": 9, "lines": ["+c", "\\ No newline at end of file"]},
    ]
    assert [line[0] for line in patched(hunks).lines] == ["-", "+", "@", "+"]
    assert patched([*hunks, {"lines": "odd"}]) is None


def test_lines_that_two_edits_leave_alone_are_shown_once_between_them():
    diff = edits({"old_string": "a\nb\nc", "new_string": "x\nb\ny"})
    assert [line[0] for line in diff.lines] == ["-", "+", " ", "-", "+"]


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
def test_a_diff_of_50_000_lines_is_quick_and_cut():
    old, new = ("".join(f"{n} {x}\n" for n in range(50_000)) for x in "ab")
    diff = edits({"old_string": old, "new_string": new})
    assert (len(diff.lines), diff.added, diff.cut) == (400, 50_000, 99_600)


def test_a_to_do_list_is_shown_once_in_its_last_state():
    def todo(state):
        return [{"content": "Look", "status": state}, {"content": "Fix", "status": "pending"}]

    first = call("TodoWrite", "a", todos=todo("in_progress")), returned("ok", "a")
    rows, _ = rows_of(*first, call("TodoWrite", "b", todos=todo("completed")), returned("ok", "b"))
    assert [row.extra is not None and bool(row.extra.todo) for row in rows] == [True, False]
    assert rows[0].extra.todo == (("done", "Look"), ("open", "Fix"))
    assert rows[1].text == "1 of 2"


def test_tasks_that_are_created_and_updated_make_a_list():
    create = call("TaskCreate", "a", subject="Look"), returned("Task #1 created", "a")
    update = call("TaskUpdate", "b", taskId="1", status="completed"), returned("ok", "b")
    rows, _ = rows_of(*create, *update)
    assert [row.extra.todo for row in rows if row.extra and row.extra.todo] == [(("done", "Look"),)]


def test_a_task_that_is_deleted_leaves_the_list():
    create = [
        each
        for key, subject in (("1", "Look"), ("2", "Fix"))
        for each in (
            call("TaskCreate", key, subject=subject),
            returned(f"Task #{key} created", key),
        )
    ]
    delete = call("TaskUpdate", "c", taskId="1", status="deleted"), returned("ok", "c")
    rows, _ = rows_of(*create, *delete)
    todos = [row.extra.todo for row in rows if row.extra and row.extra.todo]
    assert todos[-1] == (("open", "Fix"),)


def test_a_to_do_call_without_a_list_is_a_plain_call():
    (row,), _ = rows_of(call("TodoWrite", todos="none"))
    assert row.extra is None or not row.extra.todo


def test_codex_lists_are_shown_and_updated():
    def line(kind, done):
        item = {"id": "i", "type": "todo_list", "items": [{"text": "Look", "completed": done}]}
        data = json.dumps({"type": kind, "item": item}) + "\n"
        return event("output", stream="stdout", data=data)

    builder = RowBuilder("codex")
    events = line("item.started", False), line("item.updated", True)
    rows = [row for each in events for row in builder.feed(each)]
    ((_, row),), _ = SettledRows(rows).ends(1)
    assert row.extra.todo == (("done", "Look"),)


def test_the_head_of_a_turn_says_what_is_in_it():
    lines = call("Bash", command="x"), returned("Exit code 1\n", is_error=True)
    words = said({"type": "text", "text": "It **fails**."})
    rows, _ = rows_of(begun(), *lines, words, ended(41))
    assert rows[0].extra.note == "3 rows · Bash 1 (1 failed) · 41 s"
    assert rows[0].extra.last == "“It fails.”"


def test_the_head_of_each_turn_says_what_it_used_and_cost():
    def result(tokens, cost, session="s"):
        line = {
            "type": "result", "subtype": "success", "session_id": session, "total_cost_usd": cost,
            "usage": {"input_tokens": tokens, "output_tokens": 40},
        }  # fmt: skip
        return event("output", stream="stdout", data=json.dumps(line) + "\n")

    turns = (begun(), result(900, 0.05), ended(), begun(2), result(12_000, 0.2), ended())
    rows, _ = rows_of(*turns, begun(3), ended())
    first, second, third = (row.extra.note for row in rows if row.kind is Kind.TURN)
    assert "900 tokens in, 40 out · $0.05" in first
    assert "12k tokens in, 40 out · $0.20" in second
    assert "tokens" not in third


def test_a_subagents_last_words_are_not_repeated_as_its_result():
    words = said({"type": "text", "text": "Two callers."}, parent_tool_use_id="t")
    rows, _ = rows_of(call("Task", description="look"), words, returned("Two callers."))
    assert [row.kind for row in rows] == [Kind.TOOL, Kind.TEXT]
    assert rows[0].extra.folds


def picture(media_type, data=b"\x89PNG"):
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return [{"type": "image", "source": source}]


def test_a_picture_is_shown_as_one():
    rows, _ = rows_of(call("Read", file_path="a.png"), returned(picture("image/png")))
    assert rows[1].extra.image == "data:image/png;base64,iVBORw=="


def test_a_picture_that_the_runtime_reports_beside_the_result_is_shown():
    file = {"type": "image/png", "base64": "iVBORw=="}
    content = [{"type": "text", "text": '"image"'}]
    read = call("Read", file_path="a.png"), returned(content, tool_use_result={"file": file})
    rows, _ = rows_of(*read)
    assert rows[1].extra.image == "data:image/png;base64,iVBORw=="
    html = render_html(list(read), "claude", "claude")
    assert '<img src="data:image/png;base64,iVBORw=="' in html


@pytest.mark.parametrize(
    "content", [picture("image/svg+xml"), picture("image/png", b"x" * 200_000)]
)
def test_what_may_hold_scripts_or_is_too_large_is_not_shown_as_a_picture(content):
    rows, _ = rows_of(call("Read", file_path="a"), returned(content))
    assert rows[1].text == "[image]"


def test_json_is_shown_over_several_lines():
    rows, _ = rows_of(call("mcp__x__y"), returned('{"a":[1],"b":"ü"}'))
    assert rows[1].text == '{\n  "a": [\n    1\n  ],\n  "b": "ü"\n}'


@pytest.mark.parametrize("text", ["[]", "{}", '"a"', "[half"])
def test_json_without_parts_stays_as_it_was_written(text):
    rows, _ = rows_of(call("mcp__x__y"), returned(text))
    assert rows[1].text == text


def test_a_denied_permission_names_its_tool():
    line = {"type": "result", "subtype": "success", "permission_denials": [{"tool_name": "Bash"}]}
    rows, _ = rows_of(event("output", stream="stdout", data=json.dumps(line) + "\n"))
    assert "Permission denied: Bash" in rows[0].text


def test_paths_lose_the_working_directory():
    init = {"type": "system", "subtype": "init", "cwd": "/w/inn", "model": "m"}
    start = event("output", stream="stdout", data=json.dumps(init) + "\n")
    (row,), _ = rows_of(start, call("Read", file_path="/w/inn/a.py"))
    assert row.text == "a.py"


def test_a_retry_is_shown_until_something_comes():
    retry = {"type": "system", "subtype": "api_retry", "attempt": 3, "max_retries": 10}
    line = event("output", stream="stdout", data=json.dumps({**retry, "error_status": 529}) + "\n")
    _, builder = rows_of(line)
    assert builder.summary.notice == "Waiting for the API: API 529, retry 3 of 10"
    builder.feed(said({"type": "text", "text": "on"}))
    assert builder.summary.notice == ""


def test_markdown_is_a_tree_without_markup():
    text = "# T\n[a](javascript:x) <b> ![i](http://e.org/x.png) [l](https://e.org)\n\n- x"
    assert tree(text) == [
        ["h1", {}, "T"],
        ["p", {}, "[a](javascript:x) <b> ", "i", " ", ["a", {"href": "https://e.org"}, "l"]],
        ["ul", {}, ["li", {}, "x"]],
    ]


def test_tables_keep_their_alignment_and_lists_their_first_number():
    (table,) = tree("|a|b|\n|:-:|--|\n|1|2|")
    heads = table[2][2][2:]
    assert heads == [["th", {"align": "center"}, "a"], ["th", {}, "b"]]
    assert tree("3. x") == [["ol", {"start": "3"}, ["li", {}, "x"]]]


def test_an_address_of_another_scheme_is_no_link():
    assert tree("[write](mailto:a@b.org)") == [["p", {}, "write"]]


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
@pytest.mark.parametrize(
    "unit", ["*", "[", "`", "a *", "> ", "- ", "[a](", "~~a", "<", "![[", "**a_b", "|a|b|\n"]
)
def test_odd_markdown_is_read_in_time(unit):
    tree(unit * (16_000 // len(unit)))


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
def test_ten_megabytes_of_markdown_are_shown_as_written():
    words = said({"type": "text", "text": "**a** `b`\n" * 1_000_000})
    transcript = Transcript("claude", "claude")
    transcript.add([words])
    assert len(wire_rows(transcript.rows)[0]) < 11
    assert "<strong>" not in transcript.html()


def test_static_words_are_elements_and_dollars_stay_dollars():
    text = "**costs** $5 or $6, `\\(x\\)` https://e.org/a."
    html = render_html([said({"type": "text", "text": text})], "claude", "claude")
    assert "<strong>costs</strong>" in html
    assert '<a href="https://e.org/a"' in html
    assert "$5" not in html  # but in an element that no page sets as mathematics
    assert ">$</code>5" in html
