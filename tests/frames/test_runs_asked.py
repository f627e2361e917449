"""How frames ask a service for runs, and what they make of odd answers."""

import json
from types import SimpleNamespace

import generated
import pandas as pd
import pytest

from aod_notebook import frames
from aod_notebook.agentos import AgentOSDecodeError
from aod_notebook.aod import Session
from aod_notebook.core.errors import AodNotebookError

SESSION = Session.model_validate(generated.session_of(generated.session_id(1)))


def service_of(*runs, body=None, **parts):
    """A service with these runs; `body` is its answer for the events of each."""
    parts = {"list": lambda *, limit: list(runs)[:limit]} | parts
    if body is not None:
        parts["events_body"] = lambda *, run_id, limit: body
    return SimpleNamespace(runs=SimpleNamespace(**parts))


@pytest.mark.parametrize(
    "given",
    [
        SESSION,
        [SESSION],
        SimpleNamespace(sessions=None, agents=None),
        SimpleNamespace(id="s1", client=None, is_final=True, received=list),
    ],
    ids=["session", "list", "client", "followed"],
)
def test_a_session_in_place_of_a_run_is_refused_with_the_frames_it_has(given):
    with pytest.raises(frames.FrameError, match="has no runs: its frames are sessions_df"):
        frames.spans_df(given, client=service_of())


def test_events_of_all_runs_are_asked_for_by_default():
    client = service_of({"id": "r1"}, {"id": "r2"}, body=b'{"data": [{"type": "plan"}]}')
    assert list(frames.run_events_df(client=client)["run_id"]) == ["r1", "r2"]


def test_as_many_events_as_a_service_returns_at_most_are_reported_as_cut(monkeypatch):
    monkeypatch.setattr("aod_notebook.frames.runs.events.EVENT_LIMIT", 2)
    client = service_of(body=b'{"data": [{"type": "a"}, {"type": "b"}]}')
    with pytest.warns(frames.FrameWarning, match="a limit on events"):
        frame = frames.run_events_df("r1", client=client)
    assert frame.attrs["truncated_by"] == "a limit on events"
    assert frame.attrs["problems"][0]["where"] == "r1"


def test_a_list_of_events_that_is_wrapped_twice_is_read():
    client = service_of(body=b'{"data": {"data": [{"type": "a"}], "total": 1}}')
    assert list(frames.run_events_df("r1", client=client)["type"]) == ["a"]


def test_no_list_of_events_at_all_is_no_event():
    client = service_of(body=b'{"data": null}')
    assert frames.run_events_df("r1", client=client).empty


@pytest.mark.parametrize(
    "body",
    [b"<html>Bad gateway</html>", b"[]", b"7", b"[" * 100_000],
    ids=["page", "list", "number", "depth"],
)
def test_an_answer_without_a_list_of_events_is_an_error_that_quotes_it(body):
    with pytest.raises(AgentOSDecodeError, match="The answer holds no list of events") as raised:
        frames.run_events_df("r1", client=service_of(body=body))
    assert body[:9].decode() in str(raised.value)


def test_a_list_that_cannot_be_checked_by_status_may_be_cut():
    def listed(*, limit, status=None):
        if status is not None:
            raise AodNotebookError("no filter here")
        return [{"id": f"r{number}"} for number in range(100)]

    with pytest.warns(frames.FrameWarning, match="possibly the service's cap"):
        frames.runs_df(client=service_of(list=listed))


def test_a_total_of_the_services_own_comes_before_the_sum_of_its_counts():
    run = {"id": "r1", "input_tokens": 10, "output_tokens": 5, "total_tokens": 40}
    assert list(frames.runs_df(client=service_of(run))["total_tokens"]) == [40]


@pytest.mark.parametrize(
    ("field", "good", "odd"),
    [
        ("test", True, "yes"),
        ("cost_usd", 0.5, "much"),
        ("cost_usd", 1, 10**400),
        ("duration_ms", 7, 2**70),
        ("error_message", "broken", 5),
        ("started_at", "2026-01-01T00:00:00Z", "yesterday"),
    ],
    ids=["flag", "text", "beyond floats", "beyond integers", "number", "no time"],
)
def test_an_odd_value_costs_itself_and_not_those_beside_it(field, good, odd):
    column = "is_test" if field == "test" else field
    client = service_of({"id": "r1", field: good}, {"id": "r2", field: odd})
    first, second = frames.runs_df(client=client)[column]
    assert first == (pd.Timestamp(good) if column == "started_at" else good)
    assert pd.isna(second)


@pytest.mark.parametrize(
    ("error", "shown"),
    [("no net", "no net"), ({"message": "no net"}, "no net"), ({"code": 5}, '{"code":5}')],
)
def test_an_error_of_an_event_is_its_message_or_its_json(error, shown):
    body = json.dumps({"data": [{"type": "tool.failed", "payload": {"error": error}}]}).encode()
    assert list(frames.run_events_df("r1", client=service_of(body=body))["error"]) == [shown]
