"""Hosted agents on their provider's CLI, with stand-in programs."""

import stat
import sys
import threading

import pytest
from service_kit import Rpc, connect, until

from aod_notebook.local import LocalService


@pytest.mark.parametrize(
    ("provider", "program", "package"),
    [
        ("anthropic", "claude", "@anthropic-ai/claude-code"),
        ("openai", "codex", "@openai/codex"),
        (None, "claude", "@anthropic-ai/claude-code"),
    ],
)
def test_without_its_cli_an_agent_fails_with_what_to_install(
    fresh_service, monkeypatch, provider, program, package
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        given = {} if provider is None else {"provider_type": provider}
        agent_id = rpc.call("agents_create", name="x", system_prompt="", **given)["id"]
        missing = (
            f"'{program}' was not found on PATH: install it (npm install -g {package}), "
            "or use provider_type 'replay'"
        )
        for streamed in (False, True):
            refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke", {"stream": streamed})
            assert refused == (422, "RUNTIME_NOT_INSTALLED", missing)
        runs = rpc.call("runs_list", agent_id=agent_id)
        assert [run["status"] for run in runs] == ["failed", "failed"]


CLAUDE = """#!{python}
import json, sys
prompt = sys.stdin.read()
if "fail" in prompt:
    sys.stderr.write("it broke")
    sys.exit(3)
print(json.dumps({{"type": "result", "subtype": "success", "is_error": False,
    "result": json.dumps({{"prompt": prompt}}), "session_id": "s", "num_turns": 1,
    "usage": {{"input_tokens": 5, "output_tokens": 7}}}}))
"""


@pytest.fixture
def claude(fresh_service, tmp_path, monkeypatch):
    """A service with a stand-in `claude` on PATH, and an agent that runs on it."""
    program = tmp_path / "claude"
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        rpc.agent_id = rpc.call(
            "agents_create",
            name="c",
            system_prompt="Answer {{WHOM}} in {{TONE}}.",
            prompt_variables={"WHOM": "me", "TONE": "verse"},
            output_schema={"type": "object"},
        )["id"]
        yield rpc


def test_a_hosted_agent_runs_on_its_providers_cli(claude):
    data = claude.invoke(claude.agent_id, input={"q": "why?"}, prompt_variables={"TONE": "prose"})
    assert data["output"]["prompt"] == 'Answer me in prose.\n\n{\n  "q": "why?"\n}'
    run = claude.call("runs_get", run_id=data["run_id"])
    assert (run["input_tokens"], run["output_tokens"]) == (5, 7)


def test_a_conversation_is_sent_to_the_agent_and_stored(claude):
    first = claude.invoke(claude.agent_id, input={"q": 1}, start_session=True, external_user_id="u")
    second = claude.invoke(claude.agent_id, input={"q": 2}, session_id=first["session_id"])
    assert second["session_id"] == first["session_id"]
    assert '"q": 1' in second["output"]["prompt"]
    (listed,) = claude.call("conversations_list", external_user_id="u")
    assert listed["id"] == first["session_id"]
    conversation = claude.call("conversations_get", conversation_id=listed["id"])
    said = [(message["role"], message["run_id"]) for message in conversation["messages"]]
    assert said == [
        ("user", first["run_id"]),
        ("assistant", first["run_id"]),
        ("user", second["run_id"]),
        ("assistant", second["run_id"]),
    ]
    newest = claude.call("conversations_get", conversation_id=listed["id"], message_limit=1)
    assert [message["run_id"] for message in newest["messages"]] == [second["run_id"]]


def test_a_given_history_is_sent_to_the_agent(claude):
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    data = claude.invoke(claude.agent_id, input={"q": 1}, history=history)
    assert "user: hello\n\nassistant: hi\n\n" in data["output"]["prompt"]


def test_a_cli_that_fails_fails_the_run_with_its_stderr(claude):
    refused = claude.error(f"/api/v1/agents/{claude.agent_id}/invoke", {"input": {"q": "fail"}})
    assert refused == (422, "RUN_FAILED", "the agent ended with exit code 3: it broke")


TWICE = """#!{python}
import json
for cost, read in ((0.1, 10), (0.3, 30)):
    models = {{"m": {{"inputTokens": read, "outputTokens": 1, "costUSD": cost}}}}
    print(json.dumps({{"type": "result", "subtype": "success", "is_error": False, "session_id": "s",
        "result": "done", "total_cost_usd": cost, "modelUsage": models}}))
"""


def test_two_results_of_one_run_are_not_added_up(fresh_service, tmp_path, monkeypatch):
    program = tmp_path / "claude"
    program.write_text(TWICE.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        agent_id = rpc.call("agents_create", name="twice", system_prompt="")["id"]
        run_id = rpc.invoke(agent_id, input={"q": 1})["run_id"]
        run = rpc.call("runs_get", run_id=run_id)
        assert (run["input_tokens"], run["output_tokens"]) == (30, 1)
        events = [
            e for e in rpc.call("runs_get_events", run_id=run_id) if e["type"] == "llm.response"
        ]
        assert [event["payload"]["input_tokens"] for event in events] == [30]
        assert events[0]["payload"]["model"] == "m"


SLOW = "#!/bin/sh\necho up > ../../../started\nsleep 600\n"


def slow_agent(rpc, tmp_path, monkeypatch):
    """Make an agent whose CLI does not come to an end."""
    program = tmp_path / "claude"
    program.write_text(SLOW)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return rpc.call("agents_create", name="slow", system_prompt="")["id"]


def test_a_run_at_work_can_be_cancelled(fresh_service, tmp_path, monkeypatch):
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        agent_id = slow_agent(rpc, tmp_path, monkeypatch)
        answers = []
        path = f"/api/v1/agents/{agent_id}/invoke"
        calling = threading.Thread(target=lambda: answers.append(rpc.error(path)))
        calling.start()
        until((fresh_service.data_dir / "started").exists)
        (run,) = rpc.call("runs_list", agent_id=agent_id)
        assert rpc.call("runs_cancel", run_id=run["id"])["status"] == "cancelled"
        calling.join(60)
        assert answers == [(409, "CONFLICT", "the run was cancelled")]
        assert rpc.call("runs_get", run_id=run["id"])["status"] == "cancelled"


def test_a_cancelled_run_has_every_event_once_it_says_so(fresh_service, tmp_path, monkeypatch):
    line = (
        '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"x"}]}}'
    )
    with connect(fresh_service.url, fresh_service.agentos_key) as client:
        rpc = Rpc(client)
        flood = f"#!/bin/sh\necho up > ../../../started\nwhile :; do echo '{line}'; done\n"
        monkeypatch.setattr(sys.modules[__name__], "SLOW", flood)
        agent_id = slow_agent(rpc, tmp_path, monkeypatch)
        path = f"/api/v1/agents/{agent_id}/invoke"
        calling = threading.Thread(target=lambda: rpc.error(path))
        calling.start()
        until((fresh_service.data_dir / "started").exists)
        (run,) = rpc.call("runs_list", agent_id=agent_id)
        until(lambda: rpc.call("runs_get", run_id=run["id"])["event_count"] > 100)
        count = rpc.call("runs_cancel", run_id=run["id"])["event_count"]
        calling.join(60)
        assert rpc.call("runs_get", run_id=run["id"])["event_count"] == count


def test_a_run_over_its_limit_is_a_timeout_and_its_stream_beats(tmp_path, monkeypatch):
    with (
        LocalService(invoke_limit_s=0.4, heartbeat_s=0.1) as service,
        connect(service.url, service.agentos_key) as client,
    ):
        rpc = Rpc(client)
        agent_id = slow_agent(rpc, tmp_path, monkeypatch)
        message = "the run was not done after 0.4 s"
        refused = rpc.error(f"/api/v1/agents/{agent_id}/invoke")
        assert refused == (408, "TIMEOUT", message)
        (run,) = rpc.call("runs_list", agent_id=agent_id)
        assert (run["status"], run["error_message"]) == ("failed", message)
        response = rpc.post(f"/api/v1/agents/{agent_id}/invoke", {"stream": True})
        assert response.text.count(": heartbeat") >= 2
        assert '"code": "TIMEOUT"' in response.text
