"""The examples of the published SDK page, run as written against the embedded service.

Only the import line is changed and the placeholders are filled in: the token, the ids, and a
runtime that is there (`replay`). The base URL comes from AOD_API_URL, as the page says.
"""

import pytest

from aod_notebook.aod import Client

QUICKSTART = """
from aod import Client

with Client(token="aod_...") as client:
    agent = client.agents.create(
        name="demo",
        model="anthropic/claude-sonnet-4-6",
        runtime="claude",
    )
    ack = client.sessions.create(agent_id=agent.id, prompt="Say hello.")
    with client.sessions.stream(ack.id) as events:
        for event in events:
            if event.type == "output":
                print(event.extra["data"], end="")
"""

ERRORS = """
from aod import Client, ConflictError

client = Client(token="aod_...")
try:
    client.agents.update(agent_id, version=1, name="renamed")
except ConflictError as e:
    # 409: stale version or archived row
    print(e.status_code, e.detail)
"""

STREAMING = """
with client.sessions.stream(session_id) as events:
    for event in events:
        match event.type:
            case "stage":
                print(f"[stage] {event.extra['stage']} {event.extra['state']}")
            case "output":
                print(event.extra["data"], end="")
            case "exit":
                print(f"\\n[exit {event.extra['code']}]")
            case "error" | "terminated" | "stale":
                print(f"\\n[{event.type}] {event.extra.get('message', '')}")
"""

PRETTY = """
from aod import Client
from aod.pretty.claude import ClaudeFormatter

fmt = ClaudeFormatter()
with client.sessions.stream(session_id) as events:
    for event in events:
        for line in fmt.consume(event):  # filters to output/stdout
            print(line)
    for line in fmt.flush():              # drain any buffered partial
        print(line)
"""

ASYNC = """
import asyncio
from aod import AsyncClient

async def main():
    async with AsyncClient(token="aod_...") as client:
        agents = await client.agents.list()
        for agent in agents:
            print(agent.name)

asyncio.run(main())
"""

ASYNC_STREAM = """
import asyncio
from aod import AsyncClient

async def main():
    async with AsyncClient() as client:
        async with client.sessions.stream(session_id) as events:
            async for event in events:
                print(event.type)

asyncio.run(main())
"""


@pytest.fixture
def run(service, monkeypatch, capsys):
    """Run an example with these names about it; return what it printed and its names."""
    monkeypatch.setenv("AOD_API_URL", service.url)
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)

    def run(source, **names):
        source = source.replace("from aod", "from aod_notebook.aod")
        source = source.replace("aod_...", service.aod_token)
        source = source.replace('runtime="claude"', 'runtime="replay"')
        exec(compile(source, "sdk page", "exec"), names)
        return capsys.readouterr().out, names

    return run


@pytest.fixture
def session_id(client):
    agent = client.agents.create(name="page", model="anthropic/claude-sonnet-4-6", runtime="replay")
    return client.sessions.run(agent_id=agent.id, prompt="Say hello.").session.id


def test_quickstart(run):
    out, _ = run(QUICKSTART)
    assert out.splitlines()[0].startswith('{"type":"system","subtype":"init"')
    assert '"type":"result"' in out.splitlines()[-1]


def test_errors(run, client):
    agent = client.agents.create(name="e", model="m", runtime="shell")
    client.agents.update(agent.id, version=1, name="first")
    out, names = run(ERRORS, agent_id=agent.id)
    names["client"].close()  # the page leaves it open
    assert out == "409 Version mismatch: expected 2, got 1\n"


def test_streaming(run, client, session_id):
    out, _ = run(STREAMING, client=client, session_id=session_id)
    assert out.startswith("[stage] create_sprite started\n[stage] create_sprite done\n")
    assert out.endswith("\n[exit 0]\n")


def test_since_resumes_after_a_previously_seen_event(client, session_id):
    with client.sessions.stream(session_id) as events:
        rows = [event.id for event in events if event.type == "output"]
    with client.sessions.stream(session_id, since=rows[-2]) as events:
        rest = [(event.type, event.id) for event in events]
    assert rest[0] == ("start", None)
    assert rest[-2:] == [("output", rows[-1]), ("exit", rows[-1])]


def test_pretty_printing(run, client, session_id):
    out, _ = run(PRETTY, client=client, session_id=session_id)
    assert "Session init · model=" in out
    assert "Done · agent" in out


def test_async(run, client):
    client.agents.create(name="listed", model="m", runtime="shell")
    out, _ = run(ASYNC)
    assert "listed" in out.splitlines()


def test_async_streaming(run, session_id):
    out, _ = run(ASYNC_STREAM, session_id=session_id)
    assert out.splitlines()[0] == "start"
    assert out.splitlines()[-1] == "exit"


def test_a_client_reads_the_environment(service, monkeypatch):
    monkeypatch.setenv("AOD_API_URL", service.url + "/")
    monkeypatch.setenv("AOD_API_TOKEN", service.aod_token)
    with Client() as client:
        assert client.base_url == service.url
        assert client.health()["status"] == "ok"


def test_a_client_without_a_token_raises_as_the_official_one_does(monkeypatch):
    monkeypatch.delenv("AOD_API_TOKEN", raising=False)
    with pytest.raises(ValueError, match="Missing API token"):
        Client()


@pytest.mark.parametrize(
    "name",
    [
        "Client",
        "AsyncClient",
        "AodError",
        "AodHTTPError",
        "AuthError",
        "ConflictError",
        "NotFoundError",
        "RateLimitError",
        "ServerError",
        "ValidationError",
        "Agent",
        "AgentVersion",
        "Environment",
        "EnvironmentVersion",
        "McpServer",
        "Networking",
        "NetworkingType",
        "PackageManager",
        "Session",
        "SessionAck",
        "SessionResource",
        "SessionStatus",
        "SessionTurn",
        "StreamEvent",
        "StreamEventType",
        "TurnStatus",
    ],
)
def test_every_official_name_is_here(name):
    import aod

    import aod_notebook.aod as ours

    assert name in aod.__all__
    assert name in ours.__all__
    assert hasattr(ours, name)
