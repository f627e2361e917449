"""Skills, MCP servers, repositories, timeouts; and that no answer gives a secret away."""

import json
import uuid

import pytest

INLINE = {"name": "s", "description": "d", "content": "c"}
GITHUB = {"type": "github", "description": "d", "source": "o/r"}
SECRET = "s3cret-value"


def refused(http, path, body):
    response = http.post(path, json=body)
    assert response.status_code == 422, response.text
    return [(item["loc"], item["msg"]) for item in response.json()["detail"]]


def agent_error(http, **fields):
    body = {"name": "a", "model": "m", "runtime": "shell", **fields}
    ((loc, msg),) = refused(http, "/agents", body)
    (field,) = fields
    assert loc == [field]
    return msg.removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("skills", "text"),
    [
        ([INLINE] * 21, "Maximum 20 skills per agent"),
        ([INLINE, 1], "skills[1] must be an object"),
        (
            [{**INLINE, "x": 1, "a": 2}],
            (
                "skills[0]: unknown keys ['a', 'x']. "
                "Allowed for inline skills: ['content', 'description', 'name']"
            ),
        ),
        (
            [{**GITHUB, "content": "x"}],
            (
                "skills[0]: unknown keys ['content']. "
                "Allowed for github skills: ['description', 'name', 'source', 'type']"
            ),
        ),
        ([{"name": "s", "description": "d"}], "skills[0] missing required field: content"),
        ([{"type": "github", "description": "d"}], "skills[0] missing required field: source"),
        ([{**INLINE, "content": 1}], "skills[0].content must be a string"),
        ([{**GITHUB, "name": 1}], "skills[0].name must be a string"),
        ([{**INLINE, "content": "ä" * 32769}], "skills[0].content exceeds 65536 bytes"),
        (
            [{**INLINE, "content": "a\nSKILL_EOF\n"}],
            "skills[0].content must not contain 'SKILL_EOF'",
        ),
        ([{**GITHUB, "type": "zip"}], "skills[0].type 'zip' unsupported (only 'github')"),
        ([{**GITHUB, "source": "o"}], "skills[0].source 'o' must be 'owner/repo'"),
        (
            [{**INLINE, "name": "Big"}],
            "skills[0].name 'Big' must match [a-z0-9][a-z0-9-]{0,63}",
        ),
        ([INLINE, INLINE], "skills[1]: duplicate name 's'"),
        ([INLINE, {**GITHUB, "name": "s"}], "skills[1]: duplicate name 's'"),
        ([GITHUB, GITHUB], "skills[1]: duplicate source '@github:o/r'"),
        ([{**INLINE, "description": "x" * 1025}], "skills[0].description exceeds 1024 chars"),
        (
            [{**INLINE, "name": "Big", "description": "x" * 1025}],
            "skills[0].name 'Big' must match [a-z0-9][a-z0-9-]{0,63}",
        ),
    ],
)
def test_a_skill_that_breaks_a_rule_is_refused(http, skills, text):
    assert agent_error(http, skills=skills) == text


@pytest.mark.parametrize(
    "skills",
    [[INLINE], [GITHUB], [{**GITHUB, "name": "s"}, GITHUB], [{**INLINE, "content": "x" * 65536}]],
)
def test_a_good_skill_is_stored_as_it_is(kit, skills):
    assert kit.agent(skills=skills)["skills"] == skills


@pytest.mark.parametrize(
    ("servers", "text"),
    [
        ([1], "mcp_servers[0] must be an object"),
        ([{"url": "x"}], "mcp_servers[0] missing required field: name"),
        (
            [{"name": "m", "type": "sse"}],
            "mcp_servers[0]: unknown type 'sse'. Must be one of: ['stdio', 'url']",
        ),
        ([{"name": "m"}], "mcp_servers[0] (url): missing required field: url"),
        (
            [{"name": "m", "type": "stdio"}],
            "mcp_servers[0] (stdio): missing required field: command",
        ),
        (
            [{"name": "m", "url": "x"}, {"name": "m", "url": "y"}],
            "mcp_servers[1]: duplicate name 'm'",
        ),
        (
            [{"name": str(number), "url": "x"} for number in range(21)],
            "Maximum 20 MCP servers per agent",
        ),
    ],
)
def test_an_mcp_server_that_breaks_a_rule_is_refused(http, servers, text):
    assert agent_error(http, mcp_servers=servers) == text


def test_an_mcp_server_keeps_what_it_was_sent_with(kit):
    servers = [
        {"name": "m", "url": 5, "extra": [1]},
        {"name": "n", "type": "stdio", "command": "x"},
    ]
    assert kit.agent(mcp_servers=servers)["mcp_servers"] == servers


MISSING = str(uuid.uuid4())
REPOSITORY = {"type": "github_repository", "url": "https://github.com/o/r"}


def session_error(http, **fields):
    body = {"agent_id": str(uuid.uuid4()), "prompt": "x", **fields}
    return refused(http, "/sessions", body)


@pytest.mark.parametrize(
    ("resources", "loc", "text"),
    [
        *(
            (
                [REPOSITORY, {**REPOSITORY, "url": url}],
                ["resources", 1, "url"],
                "Must be a valid https://github.com/<owner>/<repo> URL",
            )
            for url in (
                "http://github.com/o/r",
                "https://github.com/o",
                "https://github.com/o/r/",
                "https://github.com/o/..",
                "https://github.com/o/.git",
                "https://github.com/../r",
                "https://gitlab.com/o/r",
                "https://github.com/o/ä",
                "https://github.com/o/r\n",
            )
        ),
        (
            [{**REPOSITORY, "mount_path": "a"}],
            ["resources", 0, "mount_path"],
            "mount_path must be an absolute path",
        ),
        *(
            (
                [{**REPOSITORY, "mount_path": path}],
                ["resources", 0, "mount_path"],
                "mount_path must not be the Sprite root",
            )
            for path in ("/", "/home/sprite")
        ),
        (
            [{**REPOSITORY, "mount_path": f"/{n}"} for n in range(11)],
            ["resources"],
            "Maximum 10 resources per session",
        ),
        (
            [REPOSITORY, {"type": "github_repository", "url": "https://github.com/x/r.git"}],
            ["resources"],
            "Duplicate mount_path in resources",
        ),
    ],
)
def test_a_repository_that_breaks_a_rule_is_refused(http, resources, loc, text):
    ((found, msg),) = session_error(http, resources=resources)
    assert (found, msg) == (loc, f"Value error, {text}")


def test_a_repositorys_type_is_a_literal(http):
    body = {"agent_id": "x", "prompt": "x", "resources": [{**REPOSITORY, "type": "git"}]}
    response = http.post("/sessions", json=body)
    assert response.status_code == 422
    (item,) = response.json()["detail"]
    assert (item["loc"], item["type"]) == (["resources", 0, "type"], "literal_error")
    assert item["msg"] == "Input should be 'github_repository'"


@pytest.mark.parametrize(
    ("timeout", "msg"),
    [
        (9, "Input should be greater than or equal to 10"),
        (3601, "Input should be less than or equal to 3600"),
        (True, "Input should be greater than or equal to 10"),
        ("x", "Input should be a valid integer, unable to parse string as an integer"),
        (60.5, "Input should be a valid integer, got a number with a fractional part"),
        (None, "Input should be a valid integer"),
    ],
)
def test_a_timeout_outside_its_bounds_is_refused(http, kit, timeout, msg):
    assert session_error(http, timeout=timeout) == [(["timeout"], msg)]
    session = kit.session("true")
    kit.finish(session)
    body = {"prompt": "x", "timeout": timeout}
    assert refused(http, f"/sessions/{session['id']}/prompt", body) == [(["timeout"], msg)]


NO_UNICODE = "Input should be a valid string, unable to parse raw data as a unicode string"


@pytest.mark.parametrize(
    ("path", "fields", "loc"),
    [
        *(("/agents", {name: "\ud800"}, [name]) for name in ("name", "model", "system")),
        ("/agents", {"description": "a\udfff"}, ["description"]),
        *(("/environments", {name: "\ud800"}, [name]) for name in ("name", "setup_script")),
        ("/environments", {"env_vars": {"A": "\ud800"}}, ["env_vars", "A"]),
        ("/environments", {"packages": {"pip": ["\ud800"]}}, ["packages", "pip", 0]),
        ("/sessions", {"prompt": "\ud800"}, ["prompt"]),
        ("/sessions", {"secret_env_vars": {"A": "\ud800"}}, ["secret_env_vars", "A"]),
        *(
            ("/sessions", {"resources": [{**REPOSITORY, name: "\ud800"}]}, ["resources", 0, name])
            for name in ("mount_path", "authorization_token")
        ),
    ],
)
def test_a_text_with_half_a_character_is_refused(http, path, fields, loc):
    good = {"agent_id": MISSING, "prompt": "x"}
    if path != "/sessions":
        good = {"name": f"n-{uuid.uuid4()}", "model": "m", "runtime": "shell"}
    response = http.post(path, content=json.dumps({**good, **fields}))
    assert response.status_code == 422
    (item,) = response.json()["detail"]
    assert (item["type"], item["loc"], item["msg"]) == ("string_unicode", loc, NO_UNICODE)


@pytest.mark.parametrize("name", ["system", "description", "name", "runtime", "model"])
def test_an_update_with_half_a_character_is_refused(http, kit, name):
    body = {"version": 1, name: "\ud800"}
    response = http.put(f"/agents/{kit.agent()['id']}", content=json.dumps(body))
    assert response.status_code == 422
    assert response.json()["detail"][0]["type"] == "string_unicode"


HALF = "\ud83d"


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/agents", "skills", [{**INLINE, HALF: "x"}]),
        ("/agents", "mcp_servers", [{"name": HALF, "url": "x"}] * 2),
        ("/environments", "packages", {HALF: []}),
        ("/environments", "env_vars", {HALF: "x"}),
        ("/sessions", "secret_env_vars", {HALF: "x"}),
    ],
)
def test_a_rule_broken_by_a_lone_surrogate_is_reported(http, path, field, value):
    body = {"name": "a", "model": "m", "runtime": "shell", "agent_id": "x", "prompt": "x"}
    response = http.post(path, content=json.dumps(body | {field: value}))
    assert response.status_code == 422
    assert [item["loc"] for item in response.json()["detail"]] == [[field]]


@pytest.mark.parametrize("timeout", ["60", 60.0, 10, 3600])
def test_a_timeout_may_be_written_as_text_or_with_a_point(kit, timeout):
    assert kit.session("true", timeout=timeout)["status"] == "pending"


def test_a_secret_variables_name_is_checked_as_an_environments(http):
    assert session_error(http, secret_env_vars={"a-b": SECRET}) == [
        (
            ["secret_env_vars"],
            "Value error, Invalid env_var key 'a-b': must match [A-Za-z_][A-Za-z0-9_]*",
        )
    ]


TOKENED = {**REPOSITORY, "authorization_token": SECRET}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/environments", {"env_vars": {"A": SECRET}}),
        ("/environments", {"name": "x", "env_vars": {"1": SECRET}}),
        ("/environments", {"name": "x", "env_vars": {"A": [SECRET]}}),
        ("/environments", {"name": "x", "env_vars": [SECRET]}),
        ("/environments", {"name": "x", "env_vars": SECRET}),
        ("/sessions", {"secret_env_vars": {"A": SECRET}}),
        ("/sessions", {"agent_id": "x", "prompt": "x", "secret_env_vars": {"-": SECRET}}),
        ("/sessions", {"resources": [TOKENED]}),
        ("/sessions", {"agent_id": "x", "prompt": "x", "resources": [{**TOKENED, "url": "x"}]}),
        ("/sessions", {"agent_id": "x", "prompt": "x", "resources": [TOKENED] * 11}),
        (
            "/sessions",
            {
                "agent_id": "x",
                "prompt": "x",
                "resources": [{**REPOSITORY, "authorization_token": [SECRET]}],
            },
        ),
        (
            "/agents",
            {"runtime": "shell", "mcp_servers": [{"name": "m", "headers": {"A": SECRET}}]},
        ),
    ],
)
def test_a_refused_body_never_echoes_a_secret(http, path, body):
    response = http.post(path, json=body)
    assert response.status_code == 422
    assert SECRET not in response.text


def test_no_answer_reveals_a_secret(http, kit):
    environment = kit.environment(env_vars={"A": SECRET})
    agent = kit.agent(environment_id=environment["id"])
    session = kit.session("true", agent, secret_env_vars={"B": SECRET}, resources=[])
    kit.finish(session)
    http.put(
        f"/environments/{environment['id']}", json={"version": 1, "env_vars": {"A": SECRET + "2"}}
    )
    for path in (
        "/environments",
        f"/environments/{environment['id']}",
        f"/environments/{environment['id']}/versions",
        "/sessions",
        f"/sessions/{session['id']}",
        f"/sessions/{session['id']}/turns",
        f"/agents/{agent['id']}",
    ):
        assert SECRET not in http.get(path).text
    assert SECRET not in kit.raw(session)


def test_no_secret_is_readable_in_the_data_directory(fresh_service, fresh_kit):
    environment = fresh_kit.environment(env_vars={"A": SECRET})
    agent = fresh_kit.agent(environment_id=environment["id"])
    session = fresh_kit.session("true", agent, secret_env_vars={"B": SECRET})
    fresh_kit.finish(session)
    for path in fresh_service.data_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path.name
