import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers.plain import plain_lines, status_line
from aod_notebook.viewers.row import Kind
from aod_notebook.viewers.rows import RowBuilder
from aod_notebook.viewers.static import Transcript, render_html
from aod_notebook.viewers.wire import chunk


def event(type_, **extra):
    return SimpleNamespace(type=type_, id=1, extra=extra)


def recorded(type_, level="info", payload=None, **extra):
    return event(type_, level=level, payload=payload or {}, occurred_at="2026-01-01Z", **extra)


def span(name, kind, id_, parent=None, **payload):
    around = {"parent_span_id": parent} if parent else {}
    return recorded(name, payload=payload, span_id=id_, kind=kind, duration_ms=1500, **around)


def rows_of(*events):
    builder = RowBuilder()
    rows = [row for each in events for row in builder.feed(each)]
    return rows + builder.finish(), builder.summary


def told(rows):
    return [(row.kind, row.title, row.text) for row in rows]


def test_the_pieces_of_a_stream_become_paragraphs():
    pieces = ["The nig", "ht is ", "long.\n", "\nAnd ", "dark"]
    rows, summary = rows_of(*(event("chunk", text=piece) for piece in pieces), event("done"))
    assert [row.text for row in rows[:2]] == ["The night is long.", "And dark"]
    assert (summary.status, summary.answer) == ("completed", "And dark")


def test_text_in_progress_is_known_before_it_is_complete():
    builder = RowBuilder()
    builder.feed(event("chunk", text="Half a sen"))
    assert builder.partial == (Kind.TEXT, "Half a sen")
    builder.feed(event("tool", status="calling", name="search"))
    assert builder.partial[1] == ""


def test_a_tool_of_a_stream_folds_its_result_and_ends_a_paragraph():
    rows, summary = rows_of(
        event("start", run_id="r"),
        event("chunk", text="Looking."),
        event("tool", status="calling", name="search"),
        event("tool", status="failed", name="search"),
        event("tool", status="thinking", name="search"),
    )
    assert told(rows) == [
        (Kind.TEXT, "", "Looking."),
        (Kind.TOOL, "search", ""),
        (Kind.TOOL_RESULT, "", "failed"),
    ]
    assert (rows[2].parent, rows[2].is_error, summary.tool_calls) == (1, True, 1)


def test_a_result_finds_the_oldest_open_call_of_its_name():
    def call(type_, **payload):
        return recorded(type_, payload=payload)

    rows, _ = rows_of(
        call("tool.called", tool="ls", input={"path": "a"}),
        call("tool.called", tool="ls", input={"path": "b"}),
        call("tool.returned", tool="ls", output="of a"),
        call("tool.failed", tool="ls", error="of b"),
        call("tool.returned", tool="ls", output="of nobody"),
    )
    assert [row.parent for row in rows] == [None, None, 0, 1, None]
    assert [row.is_error for row in rows] == [False, False, False, True, False]


def test_calls_of_models_are_counted_and_their_words_shown_once():
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 90}
    rows, summary = rows_of(
        recorded("llm.request", payload={"model": "m-1", "prompt": "How many?"}),
        recorded("agent.message", payload={"text": "Thirty-one."}),
        recorded("llm.response", payload={"model": "m-1", "response": "Thirty-one.", **usage}),
        recorded("llm.response", payload={"model": "m-1", "response": "Done.", **usage}),
    )
    assert told(rows) == [
        (Kind.MODEL, "m-1", "How many?"),
        (Kind.TEXT, "", "Thirty-one."),
        (Kind.MODEL, "m-1 · 100 tokens in, 5 out", ""),
        (Kind.MODEL, "m-1 · 100 tokens in, 5 out", ""),
        (Kind.TEXT, "", "Done."),
    ]
    assert (summary.tokens_in, summary.tokens_cached, summary.tokens_out) == (200, 180, 10)
    assert (summary.model, summary.answer) == ("m-1", "Done.")


def test_messages_that_a_model_was_sent_are_shown_with_their_roles():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, "x"]
    rows, _ = rows_of(recorded("llm.request", payload={"model": "m", "messages": messages}))
    assert "system: Be brief.\nuser: Hi\nx" in [row.text for row in rows]


def test_a_response_without_counts_has_no_row_of_its_own():
    rows, summary = rows_of(recorded("llm.response", payload={"model": "m", "response": "Hi"}))
    assert [(row.kind, row.text) for row in rows] == [(Kind.TEXT, "Hi")]
    assert summary.tokens_in is None


def test_spans_show_what_they_took_and_what_came_of_them():
    rows, summary = rows_of(
        span("search", "tool", "s1", "s0", tool="search", input={"query": "nights"}, output="31"),
        span("m-1", "llm", "s2", "s0", prompt="How many?", response="31", input_tokens=7),
        span("plan", "step", "s0", goal="count"),
        span("late", "step", "s3", "s0", error="too late"),
    )
    assert told(rows) == [
        (Kind.TOOL, "search · 1.5 s", "nights"),
        (Kind.TOOL_RESULT, "", "31"),
        (Kind.MODEL, "m-1 · 1.5 s · 7 tokens in, 0 out", "How many?"),
        (Kind.TOOL_RESULT, "", "31"),
        (Kind.STEP, "plan · 1.5 s", "goal: count"),
        (Kind.STEP, "late · 1.5 s", ""),
        (Kind.TOOL_RESULT, "", "too late"),
    ]
    assert (rows[5].parent, rows[5].depth) == (4, 1)  # a span that outlives its parent
    assert (summary.tool_calls, summary.tokens_in) == (1, 7)


def test_events_of_any_word_show_their_level_and_payload():
    rows, summary = rows_of(
        recorded("step.completed", payload={"message": "31 nights"}),
        recorded("cache.miss", "warn", {"key": "a", "tries": [1, 2]}),
        recorded("noise", "debug"),
        recorded("output", "error", {"stream": "stdout", "data": "no session"}),
    )
    assert told(rows) == [
        (Kind.EVENT, "step.completed", "31 nights"),
        (Kind.EVENT, "cache.miss · warn", '{"key": "a", "tries": [1, 2]}'),
        (Kind.EVENT, "noise · debug", ""),
        (Kind.EVENT, "output", "stream: stdout, data: no session"),
    ]
    assert [row.is_error for row in rows] == [False, False, False, True]
    assert rows[2].is_minor
    assert summary.status == "running"


def test_what_a_cell_wrote_is_shown_line_by_line():
    rows, _ = rows_of(
        recorded("stdout.written", payload={"text": "one\n\x1b[31mtwo\x1b[0m"}),
        recorded("stderr.written", "warn", {"text": "careful"}),
        recorded("stdout.written", payload={"text": None}),
    )
    assert told(rows)[:3] == [
        (Kind.OUTPUT, "", "one"),
        (Kind.OUTPUT, "", "two"),
        (Kind.STDERR, "", "careful"),
    ]
    assert (rows[1].marks, rows[2].is_error, rows[3].kind) == ((0, 3, 2), True, Kind.EVENT)


def test_a_task_shows_how_it_ended():
    rows, _ = rows_of(
        event("task", id="t", name="fetch", status="running", input={"url": "u"}),
        event("task", id="t", name="fetch", status="failed", error_message="no answer"),
        event("task", id="x", name="never seen", status="completed", output={"n": 1}),
    )
    assert told(rows) == [
        (Kind.STEP, "fetch", "url: u"),
        (Kind.STEP, "fetch failed", "no answer"),
        (Kind.STEP, "never seen completed", "n: 1"),
    ]
    assert [row.is_error for row in rows] == [False, True, False]


def test_a_question_is_open_until_the_run_continues():
    asked = event(
        "awaiting_input", request_id="q", question="Which?", options=["a", "b"], context={"n": 1}
    )
    rows, summary = rows_of(event("start", run_id="r"), asked)
    assert rows[0].text == "Which?\nn: 1\n· a\n· b"
    (question,) = summary.questions
    assert (question.key, question.choices, question.is_approval) == ("q", ("a", "b"), False)
    assert status_line("run", summary) == "run · awaiting input"
    _, summary = rows_of(asked, event("chunk", text="Thanks."))
    assert (summary.status, summary.questions) == ("running", ())


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_a_decision_closes_its_approval_only(decision):
    rows, summary = rows_of(
        event("awaiting_approval", run_id="r", approval_id="a"),
        event("awaiting_input", run_id="r", request_id="q", question="Which?"),
        event("decision", approval_id="a", decision=decision, decision_note="because"),
    )
    assert (rows[2].title, rows[2].text) == (decision.capitalize(), "because")
    assert [question.key for question in summary.questions] == ["q"]
    _, summary = rows_of(
        event("awaiting_approval", approval_id="a"), event("decision", approval_id="a")
    )
    assert (summary.status, summary.questions) == ("running", ())


def test_the_run_shows_its_end_and_its_output():
    run = {"status": "completed", "output": {"summary": "31 nights"}, "duration_ms": 2500}
    rows, summary = rows_of(
        recorded("llm.response", payload={"response": "31 nights", "input_tokens": 3}),
        event("run", **run, input_tokens=40, output_tokens=2),
    )
    assert [(row.kind, row.title) for row in rows[2:]] == [(Kind.END, "Completed · 2.5 s")]
    assert (summary.tokens_in, summary.tokens_out, summary.answer) == (40, 2, "31 nights")
    rows, summary = rows_of(event("run", status="failed", error_message="no key", output=None))
    assert told(rows) == [(Kind.END, "Failed · no key", "")]
    assert (rows[0].is_error, summary.status) == (True, "failed")


def test_a_run_is_reported_to_end_once():
    rows, _ = rows_of(
        event("chunk", text="31 nights"),
        event("done", run_id="r", duration_ms=900),
        event("run", status="completed", output={"nights": 31}),
    )
    assert told(rows) == [
        (Kind.TEXT, "", "31 nights"),
        (Kind.END, "Completed · 0.9 s", ""),
        (Kind.RESULT, "Output", "nights: 31"),
    ]


def test_a_stream_that_fails_says_why():
    rows, summary = rows_of(event("chunk", text="Half"), event("error", message="no", code="X"))
    assert told(rows) == [(Kind.TEXT, "", "Half"), (Kind.END, "no", "")]
    assert summary.status == "failed"


def test_a_run_is_shown_as_html_and_as_lines():
    events = [
        recorded("tool.called", payload={"tool": "search", "input": {"query": "<b>nights"}}),
        recorded("tool.returned", payload={"tool": "search", "output": "<script>1</script>"}),
        event("awaiting_approval", approval_id="a"),
    ]
    html = render_html(events, "run · 1")
    assert "Awaiting approval" in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    rows, _ = rows_of(*events)
    assert [line for row in rows for line in plain_lines(row)] == [
        "▸ search  <b>nights",
        "  <script>1</script>",
        "? Approval needed",
        "    The run waits for an approval.",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
TYPES = st.sampled_from([
    "start", "chunk", "tool", "done", "awaiting_input", "awaiting_approval", "error", "task", "run",
    "answer", "decision", "tool.called", "tool.returned", "tool.failed", "llm.request",
    "llm.response", "agent.message", "anything",
])  # fmt: skip
NAMES = st.sampled_from([
    "payload", "level", "span_id", "parent_span_id", "kind", "duration_ms", "run_id", "text",
    "status", "name", "id", "question", "options", "context", "request_id", "approval_id",
    "output", "error_message", "decision", "response", "input_tokens",
])  # fmt: skip
PAYLOADS = st.dictionaries(
    st.sampled_from(["tool", "input", "output", "error", "model", "prompt", "messages", "response",
                     "text", "input_tokens"]), JSON, max_size=4,
)  # fmt: skip


@given(st.lists(st.tuples(TYPES, st.dictionaries(NAMES, JSON | PAYLOADS, max_size=6)), max_size=6))
def test_no_event_whatever_it_holds_stops_the_view(events):
    transcript = Transcript("run")
    transcript.add(event(type_, **extra) for type_, extra in events)
    transcript.finish()
    transcript.html()
    transcript.plain().encode()
    if transcript.rows:
        json.loads(chunk(transcript.rows, 0, len(transcript.rows))[0])
    assert all(row.parent is None or row.parent < at for at, row in enumerate(transcript.rows))
