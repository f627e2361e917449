"""A stream that broke off, and the record of its run: each thing is told once."""

import pytest
from chaos import ChaosProxy, Fault
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook import live
from aod_notebook.agentos.events import CALLS, Streamed, StreamedEvent, recorded
from aod_notebook.core import bridge
from aod_notebook.live import invoke
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AGENTOS

TOOLS = st.sampled_from(["Bash", "Read"])
MESSAGES = st.text("ab ", min_size=1).filter(str.strip)
STEPS = st.one_of(
    st.tuples(st.just("agent.message"), MESSAGES),
    st.tuples(st.sampled_from(sorted(CALLS)), TOOLS),
    st.just(("llm.request", "")),
)


def row(kind, what):
    payload = {"text": what} if kind == "agent.message" else {"tool": what, "input": {}}
    return {"type": kind, "payload": payload, "occurred_at": "2026-01-02T03:04:05Z"}


def told_live(kind, what, size):
    """What a stream tells of a step: pieces of text, or a call's name and state."""
    if kind in CALLS:
        return [StreamedEvent("tool", {"status": CALLS[kind], "name": what})]
    pieces = [what[at : at + size] for at in range(0, len(what), size)]
    return [StreamedEvent("chunk", {"text": piece}) for piece in pieces]


def words_of(events):
    said = [
        event.extra["text"] if event.type == "chunk" else event.extra["payload"]["text"]
        for event in events
        if event.type in ("chunk", "agent.message")
    ]
    return "".join("".join(said).split())


def kinds(events):
    return [(event.type, event.extra["payload"]["tool"]) for event in events if event.type in CALLS]


@given(st.lists(STEPS, max_size=12), st.integers(1, 4), st.integers(0, 30), st.integers(0, 12))
def test_wherever_a_stream_breaks_off_each_event_is_shown_once(steps, size, cut, split):
    story = [event for step in steps for event in told_live(*step, size)][:cut]
    whole = [recorded(row(*step)) for step in steps]
    streamed = Streamed()
    for place, event in enumerate(story):
        streamed.take(event, place)
    for part in (whole[:split], whole[split:]):  # the record may come in portions
        calls, missed = streamed.matched(part)
        for place, call in calls.items():
            story[place] = call
        story += [event for _, event in missed]
    assert words_of(story) == words_of(event for _, event in whole)
    assert kinds(story) == kinds(event for _, event in whole)
    assert "tool" not in {event.type for event in story}


def test_only_the_later_part_of_what_a_stream_omits_is_added():
    streamed = Streamed()
    streamed.take(StreamedEvent("tool", {"status": "calling", "name": "Bash"}), 0)
    rows = [row("llm.request", "first"), row("tool.called", "Bash"), row("llm.request", "second")]
    calls, missed = streamed.matched(recorded(each) for each in rows)
    assert list(calls) == [0]
    assert [event.extra["payload"]["tool"] for _, event in missed] == ["second"]


def test_a_record_without_its_words_or_with_odd_calls_loses_nothing():
    streamed = Streamed()
    streamed.take(StreamedEvent("chunk", {"text": "Never recorded."}), 0)
    rows = [
        {"type": "agent.message", "payload": {"text": ""}},
        {"type": "tool.called", "payload": {"tool": {"odd": 1}}},
        {"type": "tool.called", "payload": "odd"},
    ]
    assert len(streamed.matched(recorded(each) for each in rows)[1]) == len(rows)


@pytest.fixture
def broken(service, tmp_path, monkeypatch):
    """Returns the run of a stream that breaks off after so many bytes."""
    monkeypatch.setenv("AOD_NOTEBOOK_HOME", str(tmp_path / "home"))
    key = service.issue_key("workspace", proved=False)
    with ChaosProxy(service.url) as proxy:
        on = Connection(AGENTOS, proxy.url, key, {}, agent_id=service.agent_id)

        def run(after):
            proxy.plan(Fault(after=after))
            return invoke({"query": "hi"}, on=on)

        yield run
        on.close()
    live.disconnect()
    bridge.stop()


@pytest.mark.parametrize("after", [500, 900, 1_500])
def test_a_run_with_a_broken_stream_is_shown_once_and_to_its_end(broken, after):
    run, whole = broken(after).wait(60), broken(None).wait(60)
    assert (run.status, run.output) == ("completed", whole.output)
    events, expected = ([event for event, _ in each.received()] for each in (run, whole))
    assert kinds(events) == kinds(expected)
    assert words_of(events) == words_of(expected)
    assert "done" not in {event.type for event in events}  # it did break off
