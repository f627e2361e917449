"""The details of a list of sessions: agent, prompt, model, cost, tokens, tool calls."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.schema import DETAIL_COLUMNS
from aod_notebook.frames.sessions.sessions import newest_sessions

DETAILS = [column.name for column in DETAIL_COLUMNS]


@pytest.fixture(scope="module")
def replayed(client):
    """A finished session of the recorded transcript."""
    agent = client.agents.create(name="detailed", model="vendor/big", runtime="replay")
    return client.sessions.run(agent_id=agent.id, prompt="What was asked?").session


@pytest.fixture(scope="module")
def spoken(client):
    """A finished session of a shell, whose transcript tells nothing of models."""
    agent = client.agents.create(name="spoken", model="sh", runtime="shell")
    return client.sessions.run(agent_id=agent.id, prompt="echo hi").session


class Broken:
    """A client whose transcripts of one session can't be read, or come late."""

    def __init__(self, client, bad, error=None, gate=None):
        self._client, self._bad, self._error, self._gate = client, str(bad), error, gate
        self.agents, self.base_url, self.sessions = client.agents, client.base_url, self

    def list(self):
        return self._client.sessions.list()

    def get(self, one):
        return self._client.sessions.get(one)

    def turns(self, one):
        return self._client.sessions.turns(one)

    def stream(self, one, since=None):
        if one == self._bad:
            if self._gate is not None:
                self._gate.wait(60)
            if self._error is not None:
                raise self._error
        return self._client.sessions.stream(one, since=since)


def test_details_have_what_was_asked_what_answered_and_what_it_took(client, replayed):
    (row,) = frames.sessions_df(replayed, client=client, details=True).to_dict("records")
    assert (row["agent"], row["prompt"]) == ("detailed", "What was asked?")
    assert row["model"] == "claude-sonnet-4-6"
    results = frames.results_df(replayed, client=client)
    assert row["cost_usd"] == pytest.approx(results["cost_usd"].sum())
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"):
        assert row[name] == results[name].sum()
    calls = frames.tool_calls_df(replayed, client=client)
    assert row["tool_call_count"] == len(calls)
    assert row["failed_tool_call_count"] == calls["is_error"].sum()


def test_details_of_a_session_without_a_transcript_are_missing_not_zero(client, spoken):
    (row,) = frames.sessions_df(spoken, client=client, details=True).to_dict("records")
    assert (row["agent"], row["prompt"], row["model"]) == ("spoken", "echo hi", "sh")
    assert row["tool_call_count"] == 0
    assert pd.isna(row["cost_usd"])
    assert pd.isna(row["input_tokens"])


def test_details_have_their_dtypes_also_without_rows(client, replayed):
    full = frames.sessions_df(replayed, client=client, details=True)
    none = frames.sessions_df([], client=client, details=True)
    for column in DETAIL_COLUMNS:
        assert full[column.name].dtype.name == column.pandas_dtype, column
        assert none[column.name].dtype.name == column.pandas_dtype, column


def test_columns_of_the_details_can_be_chosen(client, replayed):
    chosen = frames.sessions_df(
        replayed, client=client, details=True, columns=["session_id", "prompt"]
    )
    assert list(chosen.columns) == ["session_id", "prompt"]
    assert "agent" not in frames.sessions_df(
        replayed, client=client, details=True, exclude=["agent"]
    )


def test_a_session_that_can_not_be_read_is_a_row_without_details(client, replayed, spoken):
    broken = Broken(client, replayed.id, AodNotebookError("it is gone"))
    with pytest.warns(frames.FrameWarning, match="a session could not be read"):
        frame = frames.sessions_df([replayed, spoken], client=broken, details=True)
    assert list(frame["session_id"]) == [str(replayed.id), str(spoken.id)]
    bad, good = frame.to_dict("records")
    assert (bad["agent"], bad["prompt"]) == ("detailed", "What was asked?")
    assert pd.isna(bad["cost_usd"])
    assert pd.isna(bad["tool_call_count"])
    assert good["tool_call_count"] == 0
    assert str(replayed.id) in frame.attrs["problems"][0]["where"]


def test_the_newest_sessions_do_not_wait_for_a_slow_one(client, replayed, spoken):
    broken = Broken(client, replayed.id, gate=(gate := threading.Event()))
    frame = newest_sessions(broken, 200, patience_s=3.0)
    gate.set()
    rows = frame.set_index("session_id")
    assert pd.isna(rows.loc[str(replayed.id), "tool_call_count"])
    assert rows.loc[str(spoken.id), "tool_call_count"] == 0
    assert frame.attrs["truncated_by"] == "a session was not read in time"


def test_the_newest_sessions_are_so_many_of_all(client, replayed, spoken):
    frame = newest_sessions(client, 1)
    assert list(frame["session_id"]) == [str(client.sessions.list()[0].id)]
    assert frame.attrs["of"] == len(client.sessions.list())


def test_a_store_has_the_details_that_the_service_has(client, replayed, spoken, tmp_path):
    store = frames.collect([replayed, spoken], into=tmp_path / "store", client=client)
    stored = frames.sessions_df(store, details=True).set_index("session_id")
    asked = frames.sessions_df([replayed, spoken], client=client, details=True)
    for row in asked.to_dict("records"):
        for name in set(DETAILS) - {"agent", "model"}:  # a store knows no agents
            value = stored.loc[row["session_id"], name]
            assert (pd.isna(value) and pd.isna(row[name])) or value == row[name], name


def test_details_of_a_followed_session_are_read_from_what_it_has_received(client, replayed):
    with client.sessions.stream(replayed.id) as events:
        received = [(event, 1.7e9) for event in events]
    followed = SimpleNamespace(
        id=str(replayed.id), client=client, is_final=True, received=lambda: received
    )
    unreadable = Broken(client, replayed.id, AodNotebookError("no stream"))
    ours = frames.sessions_df([followed], client=unreadable, details=True)
    theirs = frames.sessions_df(replayed, client=client, details=True)
    pd.testing.assert_frame_equal(ours, theirs)


def test_an_agent_that_is_not_in_the_list_is_asked_for(client, spoken):
    agents = SimpleNamespace(list=list, get=client.agents.get)
    hidden = SimpleNamespace(sessions=client.sessions, agents=agents)
    (row,) = frames.sessions_df(spoken, client=hidden, details=True).to_dict("records")
    assert (row["agent"], row["model"]) == ("spoken", "sh")


def test_an_error_that_is_not_the_services_is_raised(client, spoken):
    broken = Broken(client, spoken.id, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        frames.sessions_df([spoken], client=broken, details=True)


def test_details_of_logs_have_what_was_asked_and_what_it_took():
    home = Path(__file__).parents[1] / "logs" / "samples" / "home"
    rows = frames.sessions_df(home / ".claude", details=True).set_index("session_id")
    row = rows.loc["11111111-1111-4111-8111-111111111111"]
    assert row["prompt"].startswith("please")
    assert (row["model"], row["input_tokens"]) == ("claude-sonnet-4-6", 12081)
    assert row["failed_tool_call_count"] == 2
