"""The live trace as a page gets it: records, facts, what it asks for; without a browser."""

import time
from types import SimpleNamespace

import pytest
from test_records import Page
from test_trace import START, Story, use, words

from aod_notebook.viewers.flusher import flusher
from aod_notebook.viewers.trace import widget
from aod_notebook.viewers.trace.widget import IS_ERROR, IS_GONE, IS_OPEN, TraceViewer

DEADLINE_S = 60
PARENT, BEGAN, TOOK, FLAGS, KIND, NAME = range(6)


@pytest.fixture(autouse=True)
def driven(monkeypatch):
    """Let the tests be the thread that sends."""
    monkeypatch.setattr(flusher, "wake", lambda widget: None)


class Watching(Page):
    """A page that watches a trace; it keeps the answers that it got."""

    def __init__(self, viewer):
        super().__init__()
        self.viewer, self.now, self.answers = viewer, time.monotonic(), []
        viewer.send = lambda content, buffers=None: self.take(
            SimpleNamespace(content=content, buffers=buffers)
        )
        self.tell(type="hello")

    def take(self, message):
        self.answers.append(message.content)
        super().take(message)

    def tell(self, **content):
        self.viewer._receive(None, {"page": "p", **content}, [])

    def look(self):
        """Get all that there is to send a while later."""
        self.now += 60
        while self.viewer.step(self.now):
            pass
        self.tell(type="sync", **{"from": self.version})
        while self.viewer.step(self.now):
            pass
        return {record[NAME]: record for record in self.records.values() if record[NAME:]}

    def answer(self, kind):
        deadline = time.monotonic() + DEADLINE_S
        while not (found := [each for each in self.answers if each["type"] == kind]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
            self.look()
        return found[-1]


def asked():
    story = Story()
    story.prompts = {1: "Fix the report"}
    story.at(0, "turn_start", turn=1)
    story.said(5, "m1", words("I look."), use("t1"))
    return story


def ended():
    story = asked()
    story.returned(7, "t1", "Exit code 2\nno", is_error=True)
    story.end(9)
    return story


def test_a_page_gets_the_spans_with_their_place_times_and_flags():
    spans = Watching(TraceViewer(ended())).look()
    assert list(spans) == ["Turn 1", "Message 1", "Bash"]
    call = spans["Bash"]
    assert call[PARENT:NAME] == [1, 5_000_000, 2_000_000, IS_ERROR, "tool"]
    assert spans["Turn 1"][PARENT] == -1


def test_a_running_call_is_open_until_it_returns():
    story = asked()
    page = Watching(TraceViewer(story))
    assert page.look()["Bash"][FLAGS] == IS_OPEN
    facts = page.viewer._facts()
    assert (facts["status"], facts["activity"]) == ("running", "Bash t1")
    assert facts["since"] == START.timestamp() + 5
    story.returned(7, "t1")
    story.end(9)
    assert page.look()["Bash"][FLAGS] == 0
    facts = page.viewer._facts()
    assert (facts["status"], facts["activity"], facts["final"]) == ("completed", "", True)


def test_only_spans_with_news_are_sent_again():
    story = asked()
    page = Watching(TraceViewer(story))
    page.look()
    page.records.clear()
    story.said(6, "m2", words("More."))
    page.look()
    assert 3 in page.records
    assert not page.records.keys() & {1, 2}


def test_spans_that_a_followed_run_only_seemed_to_have_are_gone_at_its_end():
    run = Story(runtime=None, is_run=True)
    for second, status in ((1, "calling"), (2, "calling")):
        run.at(second, "tool", tool="upload", status=status)
    page = Watching(TraceViewer(run))
    assert [record[NAME] for record in page.look().values()] == ["Run 5f0c2f6e", "upload"]
    assert len(page.records) == 3
    run.events.clear()
    run.span(1, 3, "upload")
    run.status, run.is_final = "completed", True
    run.at(4, "run", status="completed", ended_at=START.isoformat())
    spans = page.look()
    assert spans["upload"][FLAGS] == 0
    assert page.records[2][FLAGS] == IS_GONE


def test_many_events_are_read_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr(widget, "EVENTS_AT_FIRST", 2)
    monkeypatch.setattr(widget, "EVENTS_AT_ONCE", 2)
    viewer = TraceViewer(ended())
    assert not viewer.facts["final"]
    page = Watching(viewer)
    assert set(page.look()) == {"Turn 1", "Message 1", "Bash"}
    assert viewer._facts()["final"]


def test_a_page_gets_the_input_and_the_output_of_a_span():
    page = Watching(TraceViewer(ended()))
    page.tell(type="detail", span=2, number=1)
    detail = page.answer("detail")
    assert detail["span"] == 2
    assert detail["input"] == [["command", "t1"]]
    assert detail["output"] == "Exit code 2\nno"


@pytest.mark.parametrize("span", [-1, 3, None, "2"])
def test_a_span_that_does_not_exist_has_no_detail(span):
    page = Watching(TraceViewer(ended()))
    page.viewer._detail("p", {"span": span})
    page.look()
    assert "detail" not in {answer["type"] for answer in page.answers}


class Transcript:
    """A view of a transcript that notes where it was opened."""

    def __init__(self, order, model_id="m"):
        self.orders, self.model_id, self.is_closed = [order], model_id, False

    def go_to(self, order):
        self.orders.append(order)

    def close(self):
        self.is_closed = True


def test_the_transcript_opens_at_the_row_of_a_span_once_and_closes_with_the_trace():
    opened = []

    def transcript(order):
        opened.append(Transcript(order))
        return opened[-1]

    page = Watching(TraceViewer(ended(), transcript=transcript))
    page.tell(type="transcript", order=4, number=1)
    assert page.answer("opened")["model"] == "m"
    page.viewer._show_transcript("p", {"order": 7})
    page.viewer._show_transcript("p", {"order": "first"})
    (view,) = opened
    assert view.orders == [4, 4, 7]
    page.viewer.close()
    assert view.is_closed


def test_a_trace_without_a_transcript_offers_none():
    assert TraceViewer(ended()).facts["can"] == ["detail"]
    assert TraceViewer(ended()).facts["transcript"] is False
