"""Frames of a running service: ids, sessions, clients, followed sessions."""

import uuid

import pandas as pd
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aod_notebook import frames
from aod_notebook.aod import NotFoundError
from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames import otlp


@pytest.fixture(scope="module")
def replayed(client):
    """Three finished sessions of the recorded transcript."""
    agent = client.agents.create(name="replayed", model="any", runtime="replay")
    return [client.sessions.run(agent_id=agent.id, prompt=f"go {n}").session for n in range(3)]


@pytest.fixture(scope="module")
def shell(client):
    return client.agents.create(name="shell", model="any", runtime="shell")


def equal(left, right):
    pd.testing.assert_frame_equal(left, right)


def test_sessions_have_what_the_service_says_of_them(client, replayed):
    frame = frames.sessions_df(replayed, client=client)
    assert list(frame["session_id"]) == [str(session.id) for session in replayed]
    assert set(frame["status"]) == {"completed"}
    assert set(frame["runtime"]) == {"replay"}
    assert (frame["exit_code"] == 0).all()
    assert (frame["duration_s"] >= 0).all()
    assert list(frame["created_at"]) == [session.created_at for session in replayed]
    assert frame.attrs["base_url"] == client.base_url


def test_without_ids_all_sessions_are_listed_newest_first(client, replayed):
    frame = frames.sessions_df(client=client)
    assert list(frame["session_id"]) == [str(s.id) for s in client.sessions.list()]
    equal(frames.sessions_df(client), frame)


def test_turns_have_their_prompts_and_times(client, replayed):
    frame = frames.turns_df(replayed, client=client)
    assert list(frame["prompt"]) == ["go 0", "go 1", "go 2"]
    assert list(frame["turn"]) == [1, 1, 1]
    assert (frame[["queue_s", "duration_s"]] >= 0).all(axis=None)


@pytest.mark.parametrize("make", [frames.sessions_df, frames.turns_df, frames.results_df])
def test_a_session_named_twice_is_there_once(client, replayed, make):
    first, second, _ = replayed
    named = [str(second.id), first, second, str(first.id)]
    equal(make(named, client=client), make([second, first], client=client))


def test_a_turns_tokens_are_counted_once_though_its_session_is_named_twice(client, replayed):
    once = frames.turns_df(replayed[:1], client=client, results=True)
    equal(frames.turns_df(replayed[:1] * 2, client=client, results=True), once)


def test_turns_have_tokens_cost_and_calls_on_request(client, replayed):
    frame = frames.turns_df(replayed, client=client, results=True)
    assert list(frame["input_tokens"]) == [78] * 3
    assert list(frame["tool_call_count"]) == [14] * 3
    assert frame["cost_usd"].round(6).eq(0.169017).all()


@pytest.mark.parametrize(
    "table",
    [
        frames.events_df,
        frames.messages_df,
        frames.tool_calls_df,
        frames.results_df,
        frames.model_usage_df,
    ],
)
def test_asking_at_once_gives_the_same_as_one_after_the_other(table, client, replayed):
    at_once = table(replayed, client=client, jobs=8)
    equal(table(replayed, client=client, jobs=1), at_once)
    one_by_one = [table(session.id, client=client) for session in replayed]
    equal(
        pd.concat([f.astype(object) for f in one_by_one], ignore_index=True), at_once.astype(object)
    )
    assert set(at_once["session_id"]) == {str(session.id) for session in replayed}


def test_a_frame_of_sessions_names_the_sessions(client, replayed):
    sessions = frames.sessions_df(replayed[:2], client=client)
    equal(
        frames.results_df(sessions, client=client), frames.results_df(replayed[:2], client=client)
    )


def test_since_leaves_out_what_is_known(client, replayed):
    whole = frames.events_df(replayed[0], client=client)
    half = int(whole["event_id"].dropna().iloc[len(whole) // 2])
    rest = frames.events_df(replayed[0], client=client, since=half)
    logged = rest[rest["type"].isin(["output", "stage"])]
    assert (logged["event_id"] > half).all()
    assert rest.attrs["last_event_id"] == whole.attrs["last_event_id"]


def test_a_missing_session_raises_when_it_is_all_that_was_asked_for(client):
    with pytest.raises(NotFoundError):
        frames.events_df(uuid.uuid4(), client=client)


def test_a_missing_session_is_reported_and_affects_no_other(client, replayed):
    ids = [replayed[0].id, uuid.uuid4(), replayed[1].id]
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        frame = frames.results_df(ids, client=client)
    assert len(frame) == 2
    assert frame.attrs["complete"] is False
    assert frame.attrs["truncated_by"] == "a session could not be read"
    assert [p["what"] for p in frame.attrs["problems"]] == ["a session could not be read"]


def test_a_running_session_is_read_up_to_now(client, shell):
    ack = client.sessions.create(agent_id=shell.id, prompt="echo first; sleep 300")
    try:
        with client.sessions.stream(ack.id) as events:
            next(event for event in events if event.type == "output")
        frame = frames.events_df(ack.id, client=client)
        assert "".join(frame["data"].dropna()) == "first\n"
        assert frame.attrs["complete"] is False
    finally:
        client.sessions.terminate(ack.id)


def test_the_current_connection_is_asked_by_default(client, replayed):
    current.set_provider(lambda: client)
    try:
        assert len(frames.sessions_df()) == len(client.sessions.list())
    finally:
        current.set_provider(None)


def test_without_a_connection_the_error_says_what_to_do():
    current.set_provider(None)
    with pytest.raises(AodNotebookError, match="connect"):
        frames.sessions_df()


def test_progress_is_reported_on_stderr(client, replayed, capsys):
    frames.results_df(replayed, client=client, progress=True)
    assert capsys.readouterr().err.endswith("3 of 3 sessions\n")


class Followed:
    """A followed session as `live` has it."""

    is_final = True

    def __init__(self, client, session_id):
        self.id, self.client = str(session_id), client
        with client.sessions.stream(session_id) as events:
            self.events = [(event, 1_760_000_000 + n / 2) for n, event in enumerate(events)]

    def received(self):
        return self.events


def test_a_followed_session_has_the_times_of_receipt(client, replayed):
    followed = Followed(client, replayed[0].id)
    events = frames.events_df(followed)
    assert events["received_at"].iloc[2] == pd.Timestamp(1_760_000_001, unit="s", tz="UTC")
    calls = frames.tool_calls_df(followed)
    assert calls["called_at"].notna().all()
    assert (calls["duration_s"] >= 0).all()
    assert calls["duration_s"].sum() > 0
    turns = frames.turns_df(followed, results=True)
    assert list(turns["tool_call_count"]) == [len(calls)]


def test_a_followed_session_and_its_id_make_the_same_transcript(client, replayed):
    followed = Followed(client, replayed[0].id)
    equal(frames.messages_df(followed), frames.messages_df(replayed[0].id, client=client))


@pytest.mark.parametrize("source", [5, [5], [None], iter(["an id"]), pd.DataFrame({"x": [1]})])
def test_what_names_no_session_is_a_type_error(source):
    with pytest.raises(TypeError, match="session"):
        frames.events_df(source)


def test_calls_of_an_unfollowed_session_have_times(client, replayed):
    session = replayed[0]
    events = frames.events_df(session.id, client=client)
    assert events["created_at"].notna().all()
    assert events["received_at"].isna().all()
    calls = frames.tool_calls_df(session.id, client=client)
    recorded = events["recorded_at"].dropna()  # a replay has the times of its recording
    assert calls["called_at"].between(recorded.min(), recorded.max()).all()
    assert (calls["returned_at"] >= calls["called_at"]).all()
    assert calls["duration_s"].notna().all()


def test_sessions_are_exported_a_few_at_a_time_and_one_that_cannot_be_read_ends_nothing(
    client, replayed, monkeypatch
):
    monkeypatch.setattr(otlp, "_SESSIONS", 1)
    ids, unknown = [str(session.id) for session in replayed], str(uuid.uuid4())
    exporter = InMemorySpanExporter()
    with pytest.warns(frames.FrameWarning, match="could not be read"):
        frames.export_sessions(exporter, [ids[0], unknown, *ids[1:]], client=client)
    document = frames.sessions_to_otlp(ids, client=client)
    spans = [span["spanId"] for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    sent = [f"{span.context.span_id:016x}" for span in exporter.get_finished_spans()]
    assert sent == spans
    with pytest.raises(NotFoundError):
        frames.export_sessions(exporter, [unknown], client=client)


def test_all_sessions_of_a_client_are_exported_by_default(client, replayed):
    exporter = InMemorySpanExporter()
    frames.export_sessions(exporter, client)
    sent = {span.context.trace_id for span in exporter.get_finished_spans()}
    assert len(sent) == len(client.sessions.list())
