"""The spans of a session and of a run, their times, and the trace's static form."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from aod_notebook.viewers.trace.model import Trace
from aod_notebook.viewers.trace.static import trace_html, trace_plain
from aod_notebook.viewers.trace.tree import detail_of

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e</details><script>alert(2)</script>"


class Story:
    """A session or run of which a test says what happened, and when."""

    def __init__(self, runtime="claude", is_run=False):
        self.id, self.title, self.runtime = "5f0c2f6e", "told", runtime
        self.status, self.is_final, self.prompts = "running", False, {}
        self.events = []
        if is_run:
            self.run_id = "run-1"

    def at(self, second, type_, **extra):
        moment = (START + timedelta(seconds=second)).isoformat()
        extra = {"created_at": moment, **extra}
        self.events.append((SimpleNamespace(type=type_, id=len(self.events), extra=extra), 0.0))

    def line(self, second, parent=None, **line):
        line = {"parent_tool_use_id": parent, **line}
        self.at(second, "output", stream="stdout", data=json.dumps(line) + "\n", turn=1)

    def said(self, second, message, *blocks, parent=None, **more):
        body = {"id": message, "model": "claude-sonnet-4-6", "content": list(blocks), **more}
        self.line(second, parent, type="assistant", message=body)

    def returned(self, second, key, text="done", parent=None, is_error=False):
        block = {"type": "tool_result", "tool_use_id": key, "content": text, "is_error": is_error}
        self.line(second, parent, type="user", message={"content": [block]})

    def end(self, second, code=0):
        self.status, self.is_final = "completed" if code == 0 else "failed", True
        self.at(second, "exit", code=code)

    def received(self, start=0):
        return self.events[start:]

    def listen(self, changed):
        return lambda: None

    def span(self, start, end, key, parent=None, name=None, **extra):
        times = [(START + timedelta(seconds=at)).isoformat() for at in (start, end)]
        self.at(
            end, name or key, span_id=key, parent_span_id=parent, payload=extra.pop("payload", {}),
            started_at=times[0], ended_at=times[1], duration_ms=1000 * (end - start), **extra,
        )  # fmt: skip


def use(key, tool="Bash", **given):
    return {"type": "tool_use", "id": key, "name": tool, "input": given or {"command": key}}


def words(text):
    return {"type": "text", "text": text}


def traced(story):
    trace = Trace(story)
    trace.add(story.received())
    trace.finish()
    return trace


def outline(trace):
    """Return name, depth, and own time of each span in the order of the tree."""
    tree = trace.tree
    return [
        (
            trace.spans[one].name,
            tree.depths[one],
            None if tree.own[one] is None else tree.own[one] / 1e6,
        )
        for one in tree.order
    ]


@pytest.fixture
def session():
    story = Story()
    story.prompts = {1: "Fix the report"}
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", words("I look."), use("t1"))
    story.returned(7, "t1")
    story.said(10, "m2", use("t2", "Task", description="Ask"))
    story.said(14, "s1", words("sub"), parent="t2")
    story.returned(15, "t2")
    story.said(16, "m3", use("t3"))
    story.returned(18, "t3", "Exit code 2\nno", is_error=True)
    story.end(20)
    return story


def test_a_session_is_turns_messages_calls_and_subagents(session):
    assert outline(traced(session)) == [
        ("Turn 1", 0, 20 - 5 - 2 - 3 - 5 - 1 - 2),
        ("Message 1", 1, 5),
        ("Bash", 2, 2),
        ("Message 2", 1, 3),
        ("Task", 2, 5 - 4),
        ("Message 1", 3, 4),
        ("Message 3", 1, 1),
        ("Bash", 2, 2),
    ]


def test_a_failed_call_says_how_it_failed_and_where_it_is_in_the_transcript(session):
    trace = traced(session)
    (bad,) = [span for span in trace.spans if span.is_error]
    assert (bad.bad, bad.order, bad.text) == ("exit code 2", 7, "t3")
    assert trace.totals.failed == 1
    assert detail_of(bad)["output"] == "Exit code 2\nno"


def test_orders_are_those_of_the_tables(session):
    from aod_notebook import frames

    calls = frames.tool_calls_from_events([event for event, _ in session.received()])
    known = [span.order for span in traced(session).spans if span.kind in ("tool", "agent")]
    assert known == calls["order"].tolist()


def test_a_running_call_is_open_and_has_no_time():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", use("t1"))
    trace = Trace(story)
    trace.add(story.received())
    turn, _, call = trace.spans
    assert (turn.is_open, call.is_open, call.duration, trace.status) == (
        True,
        True,
        None,
        "running",
    )


def test_a_call_that_never_answered_has_an_unknown_end():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", use("t1"))
    story.end(9)
    call = traced(story).spans[-1]
    assert (call.is_open, call.end, call.is_error) == (False, None, False)


def test_lines_of_one_message_count_its_tokens_once():
    story = Story()
    story.at(0, "turn_start", turn=1)
    usage = {"input_tokens": 4, "cache_read_input_tokens": 96, "output_tokens": 10}
    for second, block in ((4, words("a")), (5, use("t1"))):
        story.said(second, "m1", block, usage=usage, stop_reason="tool_use")
    story.end(9)
    message = traced(story).spans[1]
    assert message.tokens == 110


def test_tokens_that_a_line_only_announces_are_not_counted_as_written():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(4, "m1", words("a"), usage={"input_tokens": 100, "output_tokens": 1})
    story.end(9)
    message = traced(story).spans[1]
    assert (message.tokens, message.cost) == (100, None)


def test_times_of_a_replay_are_those_of_its_recording():
    story = Story()
    story.at(1000, "turn_start", turn=1)
    for second, line in ((3, words("a")), (8, words("b"))):
        recorded = (START + timedelta(seconds=second)).isoformat()
        message = {"id": f"m{second}", "content": [line]}
        data = json.dumps({"type": "assistant", "message": message}) + "\n"
        story.at(1001, "output", stream="stdout", data=data, turn=1, recorded_at=recorded)
    story.end(1002)
    trace = traced(story)
    assert trace.totals.took_us == 5_000_000


@pytest.fixture
def run():
    story = Story(runtime=None, is_run=True)
    story.span(2, 4, "parse", parent="load")
    story.span(1, 5, "load")
    story.span(6, 9, "chat", kind="llm", payload={"model": "claude-haiku-4-5", "input_tokens": 7,
                                                  "output_tokens": 3})  # fmt: skip
    story.at(10, "tool.called", payload={"tool": "upload", "input": {"path": "a"}})
    story.at(12, "tool.failed", payload={"tool": "upload", "error": "no space"})
    row = {"status": "completed", "started_at": START.isoformat(), "name": "nightly",
           "ended_at": (START + timedelta(seconds=13)).isoformat()}  # fmt: skip
    story.status, story.is_final = "completed", True
    story.at(13, "run", **row)
    return story


def test_the_root_of_a_run_stands_above_its_children_although_it_ended_last(run):
    assert outline(traced(run)) == [
        ("nightly", 0, 13 - 4 - 3 - 2),
        ("load", 1, 2),
        ("parse", 2, 2),
        ("chat", 1, 3),
        ("upload", 1, 2),
    ]


def test_spans_of_a_run_say_what_they_used_and_how_they_failed(run):
    trace = traced(run)
    chat, upload = trace.spans[3], trace.spans[4]
    assert (chat.tokens, chat.text) == (10, "claude-haiku-4-5")
    assert (upload.is_error, upload.bad) == (True, "no space")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e308, 10**400, True, "long", None])
def test_odd_numbers_of_a_span_are_unknown(odd):
    story = Story(runtime=None, is_run=True)
    started = START.isoformat()
    story.at(1, "step", span_id="s", payload={"cost_usd": 0.5}, started_at=started, duration_ms=1.5)
    story.at(
        2, "odd", span_id="t", started_at=started, duration_ms=odd, payload={"input_tokens": None}
    )
    story.at(3, "run", status="completed", cost_usd=odd)
    _, good, bad = traced(story).spans
    assert (good.cost, good.end - good.start) == (0.5, 1500)
    assert (bad.cost, bad.end, bad.tokens) == (None, None, None)


def test_a_span_that_has_only_its_end_and_its_duration_begins_before():
    story = Story(runtime=None, is_run=True)
    story.at(9, "step", span_id="s", payload={}, ended_at=START.isoformat(), duration_ms=2000)
    span = traced(story).spans[1]
    assert span.end - span.start == 2_000_000


def test_a_run_has_the_tokens_and_the_input_that_its_service_reports():
    story = Story(runtime=None, is_run=True)
    story.at(0, "run", input={"query": "why"}, input_tokens=7, output_tokens=None, cost_usd=0.25)
    whole = traced(story).spans[0]
    assert (whole.tokens, whole.cost, whole.text) == (7, 0.25, "query: why")


def test_tool_events_of_a_followed_run_are_paired_by_tool():
    story = Story(runtime=None, is_run=True)
    story.at(1, "tool", tool="upload", status="calling", input={"path": "a"})
    story.at(2, "tool", tool="search", status="calling")
    story.at(4, "tool", tool="upload", status="returned", output="stored")
    story.at(5, "tool", tool="search", status="failed", error="no net")
    _, upload, search = traced(story).spans
    assert (upload.name, upload.given, upload.gave) == ("upload", {"path": "a"}, "stored")
    assert (upload.end - upload.start, upload.is_error) == (3_000_000, False)
    assert (search.is_error, search.bad) == (True, "no net")


def test_a_task_of_a_run_is_a_span_that_a_later_report_replaces():
    story = Story(runtime=None, is_run=True)
    started, ended = (str(START + timedelta(seconds=at)) for at in (1, 4))
    story.at(1, "task", id="1", name="look", status="running", started_at=started, input="a.py")
    story.at(4, "task", id="1", name="look", status="failed", started_at=started, ended_at=ended,
             error_message="lost")  # fmt: skip
    _, task = traced(story).spans
    assert (task.name, task.kind, task.is_open) == ("look", "task", False)
    assert (task.end - task.start, task.bad) == (3_000_000, "lost")


def test_a_span_of_an_unknown_parent_stands_in_the_run():
    story = Story(runtime=None, is_run=True)
    story.span(1, 2, "lost", parent="never reported")
    trace = traced(story)
    assert (trace.tree.parents[1], trace.tree.orphans[1]) == (0, True)


# -- the static form ----------------------------------------------------------------------------

TAGS = {"div", "pre", "code", "b", "span", "details", "summary", "a", "br", "p"}
ATTRIBUTES = {"style", "open", "href", "src", "target", "rel", "title", "role", "alt", "class"}


class Tags(HTMLParser):
    """Notes which elements and attributes a piece of HTML has, and that each is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.open, self.most = set(), set(), [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("br", "hr", "img"):
            self.open.append(tag)
        self.most = max(self.most, len(self.open))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_static_html_has_allowed_elements_only_and_closes_them(session, run):
    for story in (session, run):
        found = Tags(trace_html(traced(story)))
        assert found.tags <= TAGS
        assert found.attributes <= ATTRIBUTES
        assert not found.open


def test_static_bars_stand_where_their_spans_ran(session):
    html = trace_html(traced(session))
    bars = re.findall(r"margin:5px 0 0 ([\d.]+)%;width:([\d.]+)%", html)
    assert bars[0] == ("0.00", "100.00")
    assert bars[2] == ("25.00", "10.00")  # of the first call: 5 s to 7 s of 20 s


def test_hostile_names_and_values_stay_text():
    story = Story()
    story.prompts = {1: HOSTILE}
    story.at(0, "turn_start", turn=1)
    story.said(5, HOSTILE, words(HOSTILE), use(HOSTILE, HOSTILE, command=HOSTILE))
    story.returned(6, HOSTILE, HOSTILE, is_error=True)
    story.end(7)
    trace = traced(story)
    found = Tags(trace_html(trace))
    assert found.tags <= TAGS - {"a"}
    assert "\u202e" not in trace_html(trace) + trace_plain(trace)
    assert "\u202e" not in json.dumps(detail_of(trace.spans[-1]), ensure_ascii=False)


def test_a_chain_of_30000_spans_is_shown_without_deep_nesting():
    story = Story(runtime=None, is_run=True)
    for number in range(30_000, 0, -1):
        parent = f"s{number - 1}" if number > 1 else None
        story.span(number / 1e4, 10 - number / 1e4, f"s{number}", parent)
    trace = traced(story)
    assert max(trace.tree.depths) == 30_000
    found = Tags(trace_html(trace))
    assert found.most < 60
    assert len(trace_html(trace)) < 400_000


def test_unknown_numbers_are_left_out():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(1, "m1", words("hello"))
    story.end(2)
    text = trace_plain(traced(story))
    assert "$" not in text
    assert "tokens" not in text


def test_a_trace_of_a_running_session_says_so_and_how_to_reopen_it(session):
    session.events.pop()
    session.status, session.is_final, session.shown_again_by = "running", False, "%aod trace 5f0c"
    trace = Trace(session)
    trace.add(session.received())
    html = trace_html(trace)
    assert "It was running when this was saved" in html
    assert "%aod trace 5f0c" in html


def test_of_very_many_spans_the_text_names_how_many_more_there_are():
    story = Story(runtime=None, is_run=True)
    for number in range(1000):
        story.span(1, 2, f"s{number}")
    lines = trace_plain(traced(story)).splitlines()
    assert re.fullmatch(r"… [\d,]+ more spans", lines[-1])
    assert len(lines) < 1000


def test_a_value_that_is_no_text_is_shown_as_json_and_what_is_not_json_by_its_type():
    story = Story()
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", use("t1", "Odd", flag=True, many=[1, 2]))
    detail = detail_of(traced(story).spans[-1])
    assert detail["input"] == [["flag", "true"], ["many", "[1,2]"]]


def test_a_subagents_call_has_what_its_messages_used(session):
    used = Story()
    used.at(0, "turn_start", turn=1)
    used.said(1, "m1", use("t1", "Task", description="Ask"))
    for number, second in enumerate((2, 3)):
        used.said(second, f"s{number}", words("sub"), parent="t1", stop_reason="end_turn",
                  usage={"input_tokens": 10, "output_tokens": 5})  # fmt: skip
    used.returned(5, "t1")
    used.end(6)
    (call,) = [span for span in traced(used).spans if span.name == "Task"]
    assert call.tokens == 30
    assert call.is_computed is (call.cost is not None)


def test_the_status_of_a_session_between_turns_is_that_of_its_last_turn():
    story = Story()
    trace = Trace(story)
    assert trace.status == "pending"
