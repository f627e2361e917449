"""Frames of what goes wrong on the way: counted, warned of once, and the rest is intact."""

import json
import warnings

import pandas as pd
import pytest
from bodies import body_of, event, output
from chaos import ChaosProxy, Fault
from hypothesis import given
from hypothesis import strategies as st
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod import Client

BODY = body_of(known_session("claude", 4), "s1", 4)
WHOLE = frames.decode_events(BODY)


@pytest.fixture(scope="module")
def agent(client):
    return client.agents.create(name="faulty", model="any", runtime="replay")


def finished(client, agent):
    return str(client.sessions.run(agent_id=agent.id, prompt="go").session.id)


def warned_once(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # what another test left is collected now
        frame = call()
    assert [warning.category for warning in caught] == [frames.FrameWarning]
    return frame, str(caught[0].message)


@given(st.integers(0, len(BODY)))
def test_a_body_that_breaks_off_anywhere_gives_the_events_before(end):
    frame = frames.decode_events(BODY[:end])
    expected = WHOLE.head(len(frame))
    pd.testing.assert_frame_equal(frame.astype(object), expected.astype(object))
    assert len(WHOLE) - len(frame) - BODY[end:].count(b"data: ") in (0, 1)
    assert frame.attrs["problems"] == []


def test_a_transcript_that_ends_in_half_a_line_keeps_the_half_as_text():
    lines = '{"type":"system","subtype":"init","model":"m"}\n{"type":"assis'
    messages = frames.messages_from_events(output(1, lines).encode())
    assert list(messages["line_type"]) == ["system", "text"]
    assert messages["text"].iloc[1] == '{"type":"assis'


def test_both_generations_of_the_service_fill_the_same_frames():
    older = event(0, has_id=False, type="start", runtime="claude", session_id="a")
    later = event(0, has_id=False, type="start", provider="anthropic", session_id="b")
    frame = frames.decode_events((older + output(1, "x") + later + output(2, "y")).encode())
    assert list(frame["session_id"]) == ["a", "a", "b", "b"]

    class Sessions:
        def list(self):
            row = {"status": "completed", "agent_id": "g"}
            return [{**row, "id": "a", "runtime": "claude"}, {**row, "id": "b", "provider": "x"}]

    class Both:
        sessions, agents = Sessions(), None

    sessions = frames.sessions_df(Both())
    assert list(sessions["runtime"].astype(object).where(sessions["runtime"].notna(), None)) == [
        "claude",
        None,
    ]
    assert list(sessions["provider"].dropna()) == ["x"]


class Streams:
    """A client whose streams are another's."""

    def __init__(self, client, other):
        self.sessions, self.agents, self.base_url = self, client.agents, client.base_url
        self._sessions, self._other = client.sessions, other

    def __getattr__(self, name):
        return getattr(self._sessions, name)

    def stream(self, session_id, **options):
        return self._other.sessions.stream(session_id, **options)


class DeletesOnStream(Streams):
    """A client in front of which somebody deletes a session just before its stream is read."""

    def __init__(self, client, doomed):
        super().__init__(client, client)
        self._doomed = doomed

    def stream(self, session_id, **options):
        if session_id == self._doomed:
            self._sessions.delete(session_id)
        return super().stream(session_id, **options)


def test_a_session_deleted_while_it_is_fetched_costs_only_itself(client, agent, tmp_path):
    kept, doomed = finished(client, agent), finished(client, agent)
    deleting = DeletesOnStream(client, doomed)
    frame, told = warned_once(lambda: frames.messages_df([doomed, kept], client=deleting))
    assert "a session could not be read" in told
    assert frame.attrs["complete"] is False
    pd.testing.assert_frame_equal(frame, frames.messages_df(kept, client=client))

    doomed = finished(client, agent)
    deleting = DeletesOnStream(client, doomed)
    store, told = warned_once(
        lambda: frames.collect([doomed, kept], into=tmp_path, client=deleting)
    )
    assert store.session_ids == [kept]


def test_a_service_that_dies_in_the_middle_leaves_what_came_before(service, client, agent):
    ids = [finished(client, agent) for _ in range(2)]
    whole = frames.events_df(ids[0], client=client)
    with (
        ChaosProxy(service.url, [Fault(after=20_000), *[Fault(how="refuse")] * 100]) as proxy,
        Client(proxy.url, service.issue_token(proved=False), max_retries=1) as cut_off,
    ):
        frame, told = warned_once(lambda: frames.events_df(ids, client=cut_off, jobs=1))
    assert 0 < len(frame) < len(whole)
    assert set(frame["session_id"]) == {ids[0]}
    pd.testing.assert_frame_equal(frame.astype(object), whole.head(len(frame)).astype(object))
    assert frame.attrs["complete"] is False
    assert frame.attrs["truncated_by"] == "several reasons"
    assert "not everything is there" in told


def test_details_of_a_stream_that_broke_off_are_not_complete(service, client, agent):
    session_id = finished(client, agent)
    faults = [Fault(after=20_000), *[Fault(how="refuse")] * 100]
    with (
        ChaosProxy(service.url, faults) as proxy,
        Client(proxy.url, service.issue_token(proved=False), max_retries=1) as cut_off,
    ):
        frame, told = warned_once(
            lambda: frames.sessions_df(session_id, client=Streams(client, cut_off), details=True)
        )
    assert "the stream broke off" in told
    assert frame.attrs["complete"] is False


def test_a_stream_that_is_cut_and_comes_back_is_whole(service, client, agent):
    session_id = finished(client, agent)
    with (
        ChaosProxy(service.url, [Fault(after=20_000), Fault(after=15_000, how="rst")]) as proxy,
        Client(proxy.url, service.issue_token(proved=False)) as shaky,
    ):
        frame = frames.events_df(session_id, client=shaky)
    assert proxy.connections >= 3
    pd.testing.assert_frame_equal(frame, frames.events_df(session_id, client=client))
    assert frame.attrs["complete"] is True


def test_strange_events_among_good_ones_are_counted_and_the_rest_is_intact():
    strange = "data: {broken\n\ndata: [1]\n\n" + event(9, type="from_the_future", id=9, x=1)
    frame, told = warned_once(lambda: frames.decode_events(BODY + strange.encode()))
    assert "2 row(s) could not be read" in told
    assert frame.attrs["dropped"] == 2
    assert json.loads(frame["raw"].iloc[-1])["x"] == 1
    pd.testing.assert_frame_equal(frame.head(len(WHOLE)).astype(object), WHOLE.astype(object))
