"""Inputs are refused before sending exactly where, and how, the service would refuse them."""

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aod_notebook.aod import (
    AodUsageError,
    Client,
    GithubRepoResource,
    GithubSkill,
    InlineSkill,
    McpServerStdio,
    McpServerUrl,
    Networking,
    ValidationError,
)
from aod_notebook.aod.inputs import plain

INLINE = {"name": "n", "description": "d", "content": "c"}
GITHUB = {"type": "github", "source": "o/r", "description": "d"}
MCP = {"name": "m", "url": "u"}
REPO = {"type": "github_repository", "url": "https://github.com/o/r"}

SKILLS = [
    [INLINE] * 21,
    ["text"],
    [None],
    [{}],
    [{"name": "n"}],
    [{**INLINE, "more": 1, "also": 2}],
    [{**INLINE, "content": 5}],
    [{**INLINE, "content": "x" * 65537}],
    [{**INLINE, "content": "é" * 40000}],
    [{**INLINE, "content": "a SKILL_EOF b"}],
    [{**INLINE, "name": "Upper"}],
    [{**INLINE, "name": ""}],
    [{**INLINE, "name": "n" * 65}],
    [{**INLINE, "name": "n\n"}],
    [INLINE, INLINE],
    [{**INLINE, "description": "d" * 1025}],
    [{**INLINE, "type": "gitlab"}],
    [{**GITHUB, "type": "gitlab"}],
    [{**GITHUB, "content": "c"}],
    [{"type": "github"}],
    [{**GITHUB, "source": "o"}],
    [{**GITHUB, "source": "o/r/x"}],
    [{**GITHUB, "source": "o/r\n"}],
    [{**GITHUB, "name": "-x"}],
    [GITHUB, GITHUB],
    [{**GITHUB, "description": None}],
    "not a list",
    {},
]
MCP_SERVERS = [
    [{**MCP, "name": str(n)} for n in range(21)],
    ["text"],
    [{}],
    [{"name": "m"}],
    [{"name": "m", "type": "stdio"}],
    [{"name": "m", "type": "ftp"}],
    [MCP, MCP],
    5,
]
ENV_VARS = [{"1": "v"}, {"A-B": "v"}, {"": "v"}, {"A\n": "v"}, {"A": 5}, {"A": None}, [], "A=b"]
PACKAGES = [{"brew": []}, {"pip": "pandas"}, {"pip": [1]}, {"apt": None}, []]
NETWORKING = [
    {"type": "open"},
    {"type": None},
    {"type": "limited", "allowed_hosts": "h"},
    {"allowed_hosts": {"h": 1}},
    "limited",
]
RESOURCES = [
    [{**REPO, "mount_path": f"/{n}"} for n in range(11)],
    [{"url": REPO["url"]}],
    [{**REPO, "type": "gitlab"}],
    [{**REPO, "url": "https://gitlab.com/o/r"}],
    [{**REPO, "url": "https://github.com/o/r/tree"}],
    [{**REPO, "url": "https://github.com/o/ré"}],
    [{**REPO, "url": REPO["url"] + "\n"}],
    [{**REPO, "mount_path": "relative"}],
    [{**REPO, "mount_path": "/"}],
    [{**REPO, "mount_path": "/home/sprite"}],
    [REPO, {**REPO, "url": REPO["url"] + ".git"}],
    [{**REPO, "mount_path": "/a"}, {**REPO, "mount_path": "/a"}],
    ["text"],
]

AGENT = {"name": "a", "model": "m", "runtime": "shell"}
SESSION = {"agent_id": "00000000-0000-4000-8000-000000000000", "prompt": "p"}

REFUSED = [
    *[("/agents", {**AGENT, "skills": value}) for value in SKILLS],
    *[("/agents", {**AGENT, "mcp_servers": value}) for value in MCP_SERVERS],
    *[("/agents", {**AGENT, **fields}) for fields in (
        {"name": "n" * 201}, {"model": "m" * 101}, {"name": 5},
        {"metadata": []}, {"system": 5}, {"name": "n" * 201, "model": 5},
    )],
    *[("/environments", {"name": "e", "env_vars": value}) for value in ENV_VARS],
    *[("/environments", {"name": "e", "packages": value}) for value in PACKAGES],
    *[("/environments", {"name": "e", "networking": value}) for value in NETWORKING],
    ("/agents", {**AGENT, "model": "openai/o3", "runtime": "r" * 33}),
    ("/environments", {"name": "n" * 201, "setup_script": 5}),
    *[("/sessions", {**SESSION, "resources": value}) for value in RESOURCES],
    *[("/sessions", {**SESSION, "secret_env_vars": value}) for value in ENV_VARS],
    *[("/sessions", {**SESSION, "timeout": value}) for value in (9, 3601, 60.5, "soon", True)],
    ("/sessions", {**SESSION, "prompt": 5}),
]  # fmt: skip


def call(client, path, fields):
    resource = getattr(client, path.strip("/"))
    return resource.create(**fields)


def told(detail):
    return sorted((item["type"], list(item["loc"]), item["msg"]) for item in detail)


@pytest.fixture
def deaf():
    """A client that fails the test when it sends anything."""

    def handle(request):
        pytest.fail(f"{request.method} {request.url} was sent")

    with Client("http://x", "t", transport=httpx.MockTransport(handle)) as client:
        yield client


@pytest.mark.parametrize(("path", "fields"), REFUSED)
def test_a_refusal_matches_that_of_the_service(service, deaf, path, fields):
    headers = {"Authorization": f"Bearer {service.aod_token}"}
    answer = httpx.post(service.url + path, json=fields, headers=headers)
    assert answer.status_code == 422, answer.text
    with pytest.raises(ValidationError) as caught:
        call(deaf, path, fields)
    assert (caught.value.status_code, caught.value.method) == (422, "POST")
    assert caught.value.url == f"http://x{path}"
    assert told(caught.value.detail) == told(answer.json()["detail"])


ACCEPTED = [
    {"skills": []},
    {"skills": [INLINE, {**INLINE, "name": "n" * 64}, GITHUB, {**GITHUB, "name": "x"}]},
    {"skills": [{**INLINE, "content": "x" * 65536, "description": "d" * 1024}]},
    {"skills": [InlineSkill(**INLINE), GithubSkill(source="o/r", description="d")]},
    {"mcp_servers": [MCP, {"name": "s", "type": "stdio", "command": "c", "args": ["-v"]}]},
    {"mcp_servers": [{**MCP, "headers": {"X": 1}, "more": [None]}]},
    {"mcp_servers": (McpServerUrl(name="a", url="u"), McpServerStdio(name="b", command="c"))},
    {"metadata": {"a": [1, {"b": None}], "é": "ü"}},
    {"name": "n" * 200, "model": "m" * 100},
    {"system": "", "description": ""},
]


@pytest.mark.parametrize("fields", ACCEPTED)
def test_accepted_values_are_sent_unchanged(client, fields):
    agent = client.agents.create(**{**AGENT, **fields})
    for name, value in fields.items():
        stored = [each.model_dump(exclude_unset=True) for each in agent.mcp_servers]
        found = stored if name == "mcp_servers" else getattr(agent, name)
        assert found == (plain(value) or (None if value == "" else plain(value)))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"type": "limited"},
        {"type": "limited", "allowed_hosts": [], "more": 1},
        Networking(),
        Networking(type="limited", allowed_hosts=["*.example.org"]),
    ],
)
def test_networking_that_the_service_takes_is_sent(client, rules, request):
    env = client.environments.create(name=request.node.name, networking=rules)
    wanted = plain(rules)
    assert env.networking.type == wanted.get("type", "unrestricted")
    assert env.networking.allowed_hosts == wanted.get("allowed_hosts", [])


def test_updates_are_checked_too(deaf):
    with pytest.raises(ValidationError, match=r"PUT http://x/agents/1: skills: skills\[0\] must"):
        deaf.agents.update("1", version=1, skills=[1])
    with pytest.raises(ValidationError, match="version: Input should be a valid integer"):
        deaf.environments.update("1", version="one")
    with pytest.raises(ValidationError, match="timeout: Input should be greater"):
        deaf.sessions.prompt("1", "p", timeout=1)


def test_a_repository_goes_out_with_its_token(scripted_body):
    repo = GithubRepoResource(url=REPO["url"], authorization_token="t-1")
    assert scripted_body(resources=[repo, {**REPO, "mount_path": "/b"}])["resources"] == [
        {**REPO, "authorization_token": "t-1"},
        {**REPO, "mount_path": "/b"},
    ]


@pytest.fixture
def scripted_body():
    """Return the JSON body of a session create with these arguments."""

    def body(**fields):
        seen = []

        def handle(request):
            seen.append(request)
            return httpx.Response(202, json={"id": SESSION["agent_id"], "status": "pending"})

        with Client("http://x", "t", transport=httpx.MockTransport(handle)) as client:
            client.sessions.create(**SESSION, **fields)
        return httpx.Response(200, content=seen[0].content).json()

    return body


def test_a_value_that_contains_itself_is_refused(deaf):
    endless = {}
    endless["self"] = endless
    with pytest.raises(ValidationError, match="not JSON"):
        deaf.agents.create(**AGENT, metadata=endless)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["skills", "mcp_servers", "metadata", "name"]), JUNK))
def test_no_junk_raises_anything_but_a_validation_error(fields):
    taken = httpx.MockTransport(lambda _: httpx.Response(404, json={"detail": "taken"}))
    with Client("http://x", "t", transport=taken) as client:
        with pytest.raises(Exception, match=r"taken|422 from POST") as caught:
            client.agents.create(**{**AGENT, **fields})
        assert getattr(caught.value, "status_code", None) in {404, 422}


def test_an_id_longer_than_any_address_is_refused_in_a_line(deaf):
    with pytest.raises(AodUsageError, match="is not a valid session id") as caught:
        deaf.sessions.get("x" * 70_000)
    assert len(str(caught.value)) < 200
