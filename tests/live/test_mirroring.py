"""A session mirrored into AgentOS: one run, with the session's tokens, cost, calls and errors."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from bodies import body_of, frames_of
from known_sessions import RUNTIMES, known_session

from aod_notebook import frames, live
from aod_notebook.agentos import AgentOS
from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames import OpenedLog
from aod_notebook.live.mirroring import mirror, mirror_at_end, plan
from aod_notebook.local import LocalService


@pytest.fixture(scope="module")
def agentos():
    """Serve AgentOS, and connect to it as a workspace."""
    with LocalService() as service:
        client = AgentOS(
            base_url=service.url, api_key=service.agentos_key, agent_id=service.agent_id
        )
        with client:
            yield SimpleNamespace(client=client, service=service)


def opened(runtime, seed, status="completed"):
    """Return a session of a log with known totals, and its tables."""
    session = known_session(runtime, seed)
    session_id = f"{runtime}-{seed}"
    _, turns, calls, results = frames_of(session, session_id)
    events = frames.decode_events(body_of(session, session_id, 1))
    tables = {
        "turns": turns.assign(status="completed"),
        "tool_calls": calls,
        "results": results,
        "model_usage": frames.model_usage_from_events(events),
    }
    return OpenedLog(session_id, runtime, None, status, tables.__getitem__), tables


def total(column):
    return None if column.isna().all() else column.sum()


@pytest.mark.parametrize(
    "count", [8, pytest.param(50, marks=[pytest.mark.faults, pytest.mark.timeout(300)])]
)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sessions_have_the_same_numbers_in_agentos(agentos, runtime, count):
    for seed in range(count):
        session, tables = opened(runtime, seed)
        run_id = mirror(session, on=agentos).run_id
        [run] = frames.runs_df(run_id, client=agentos.client).to_dict("records")
        spans = frames.spans_df(run_id, client=agentos.client)
        results, calls = tables["results"], tables["tool_calls"]
        for name in TOKEN_FIELDS:
            reported = None if pd.isna(run[name]) else run[name]
            assert reported == total(results[name])
            models = spans.loc[spans["kind"] == "llm", name]
            assert models.sum() == tables["model_usage"][name].sum()
        assert run["external_run_id"] == session.id
        cost = total(results["cost_usd"])
        output = json.loads(run["output"])
        assert output.get("cost_usd") == (None if cost is None else pytest.approx(cost, abs=1e-12))
        tools = spans[spans["kind"] == "tool"]
        assert len(tools) == len(calls)
        assert tools["is_error"].sum() == calls["is_error"].fillna(False).sum()
        assert sorted(tools["name"]) == sorted(calls["tool"].astype(str))


def test_repeating_sends_nothing_and_makes_no_second_run(agentos):
    session, _ = opened("claude", 900)
    first = mirror(session, on=agentos)
    again = mirror(session, on=agentos)
    assert (first.sent > 0, again.sent, again.run_id) == (True, 0, first.run_id)


def test_a_failed_session_is_a_failed_run(agentos):
    session, tables = opened("claude", 901, status="failed")
    assert tables["results"]["input_tokens"].notna().any()
    run_id = mirror(session, on=agentos).run_id
    [run] = frames.runs_df(run_id, client=agentos.client).to_dict("records")
    assert run["status"] == "failed"
    detail = json.loads(run["error_detail"])
    assert detail["session_id"] == session.id
    assert detail["input_tokens"] == tables["results"]["input_tokens"].sum()


def test_a_running_session_leaves_its_run_open_until_it_ends(agentos):
    session, tables = opened("claude", 902)
    tables["turns"] = tables["turns"].assign(status="running")
    running = OpenedLog(session.id, "claude", None, "running", tables.__getitem__)
    before = mirror(running, on=agentos)
    assert agentos.client.runs.get(run_id=before.run_id)["status"] == "running"
    tables["turns"] = tables["turns"].assign(status="completed")
    after = mirror(session, on=agentos)
    assert (after.run_id, before.sent) == (before.run_id, 0)
    assert agentos.client.runs.get(run_id=after.run_id)["status"] == "completed"


def test_turns_after_the_end_go_into_a_child_run(agentos):
    seed = next(n for n in range(950, 999) if len(opened("claude", n)[1]["turns"]) > 1)
    session, tables = opened("claude", seed)
    whole = tables["turns"]
    tables["turns"] = whole.head(1)
    first = mirror(session, on=agentos)
    tables["turns"] = whole
    later = mirror(session, on=agentos)
    child = frames.runs_df(later.run_id, client=agentos.client).iloc[0]
    assert child["parent_run_id"] == first.run_id
    assert child["external_run_id"] == f"{session.id}/turn-2"
    assert mirror(session, on=agentos).sent == 0


def test_secrets_of_the_environment_do_not_leave(agentos, monkeypatch):
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter-22-planted")
    session, tables = opened("codex", 903)
    tables["turns"] = tables["turns"].assign(prompt="use hunter-22-planted here")
    run_id = mirror(session, on=agentos).run_id
    told = repr(agentos.client.runs.events(run_id=run_id)) + repr(
        agentos.client.runs.get(run_id=run_id)
    )
    assert "hunter-22-planted" not in told
    assert "use [hidden] here" in told


KILLED = """
    import os, signal, sys
    sys.path[:0] = {paths!r}
    from types import SimpleNamespace
    from aod_notebook.agentos import AgentOS
    from aod_notebook.live import mirroring as module
    from test_mirroring import opened

    left = {spans}
    record = module._record
    def once(*arguments):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        record(*arguments)
    module._record = once
    client = AgentOS(base_url={url!r}, api_key=os.environ["KEY"], agent_id={agent!r})
    module.mirror(opened({runtime!r}, {seed})[0], on=SimpleNamespace(client=client))
"""


@pytest.mark.parametrize(
    ("runtime", "spans"), [("claude", 0), ("codex", 1), ("gemini", 2), ("opencode", 5)]
)
def test_killed_half_way_and_repeated_it_is_one_whole_run(agentos, runtime, spans):
    seed = next(n for n in range(700 + spans * 20, 999) if _spans(runtime, n) > spans)
    service = agentos.service
    program = textwrap.dedent(KILLED).format(
        paths=[*sys.path, str(Path(__file__).parent)], spans=spans, runtime=runtime,
        seed=seed, url=service.url, agent=service.agent_id,
    )  # fmt: skip
    env = {**os.environ, "KEY": service.agentos_key}
    done = subprocess.run([sys.executable, "-c", program], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    session, tables = opened(runtime, seed)
    mirrored = mirror(session, on=agentos)
    events = agentos.client.runs.events(run_id=mirrored.run_id)
    ids = [event["span_id"] for event in events]
    assert sorted(ids) == sorted(span.id for span in _all(session))
    runs = frames.runs_df(client=agentos.client)
    assert (runs["external_run_id"] == session.id).sum() == 1
    assert runs.set_index("run_id").loc[mirrored.run_id, "status"] == "completed"
    assert len(tables["tool_calls"]) == sum(event.get("kind") == "tool" for event in events)


def _all(session):
    return [span for spans in plan(session).spans.values() for span in spans]


def _spans(runtime, seed):
    return len(_all(opened(runtime, seed)[0]))


def test_a_session_in_the_background_is_mirrored_when_it_ends(agentos, monkeypatch):
    service = agentos.service
    live.disconnect()
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AGENTOS_API_KEY", service.agentos_key)
    monkeypatch.setenv("AGENTOS_BASE_URL", service.url)
    monkeypatch.setenv("AGENTOS_AGENT_ID", service.agent_id)
    session = live.start(live.SessionRequest(prompt="echo hi", runtime="shell"))
    mirror_at_end(session).join(60)
    runs = frames.runs_df(client=agentos.client).set_index("external_run_id")
    assert runs.loc[session.id, "status"] == "completed"
