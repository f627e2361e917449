"""`/agents`: fields, both generations, check order, versions, metadata."""

import uuid

import pytest
from agents_kit import CATALOG, G1, G2, ONE_OF, messages

MISSING = str(uuid.uuid4())
UNKNOWN_RUNTIME = (
    "Unknown runtime: claude-code. Must be one of: ['claude', 'codex', 'gemini', 'opencode']"
)


def create(http, **fields):
    response = http.post("/agents", json=fields)
    return response.status_code, response.json()


def update(http, agent, **fields):
    response = http.put(f"/agents/{agent['id']}", json={"version": agent["version"], **fields})
    return response.status_code, response.json()


def test_a_created_agent_has_every_field_of_both_generations(kit):
    agent = kit.agent(**G1, description="", system="")
    assert set(agent) == {
        "id",
        "type",
        "name",
        "description",
        "system",
        "model",
        "runtime",
        "provider",
        "environment_id",
        "skills",
        "mcp_servers",
        "metadata",
        "version",
        "created_at",
        "updated_at",
        "archived_at",
    }
    assert agent["type"] == "agent"
    assert (agent["description"], agent["system"]) == (None, None)
    assert (agent["version"], agent["archived_at"], agent["environment_id"]) == (1, None, None)


@pytest.mark.parametrize(
    ("fields", "runtime", "provider", "model"),
    [
        (G1, "claude", "anthropic", "anthropic/claude-sonnet-4-6"),
        ({**G1, "runtime": "codex", "model": "openai/o3"}, "codex", "openai", "openai/o3"),
        (
            {**G1, "runtime": "gemini", "model": "google/gemini-2.5-pro"},
            "gemini",
            "google",
            "google/gemini-2.5-pro",
        ),
        ({**G1, "runtime": "opencode", "model": "openai/o3"}, "opencode", "openai", "openai/o3"),
        ({**G1, "runtime": "shell", "model": ""}, "shell", "shell", ""),
        ({**G1, "runtime": "replay", "model": "x/y"}, "replay", "replay", "x/y"),
        (G2, "claude", "anthropic", "claude-sonnet-4-6"),
        (
            {**G2, "provider": " anthropic ", "model": " anthropic/claude-x "},
            "claude",
            "anthropic",
            "claude-x",
        ),
        ({**G2, "provider": "openai", "model": "ft:org/o3"}, "codex", "openai", "ft:org/o3"),
        ({**G2, "provider": "shell", "model": "openai/o3"}, "shell", "shell", "openai/o3"),
        ({**G2, "provider": "replay", "model": ""}, "replay", "replay", ""),
    ],
)
def test_both_generations_are_stored_with_both_names(http, fields, runtime, provider, model):
    status, agent = create(http, **fields)
    assert status == 201
    assert (agent["runtime"], agent["provider"], agent["model"]) == (runtime, provider, model)


@pytest.mark.parametrize("extra", [{}, {"runtime": "claude", "provider": "anthropic"}])
def test_neither_or_both_generations_are_refused_with_a_clear_text(http, extra):
    assert create(http, name="a", model="m", **extra) == (422, {"detail": ONE_OF})


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        (
            {**G1, "runtime": "claude-code"},
            400,
            UNKNOWN_RUNTIME,
        ),
        (
            {**G1, "runtime": "codex"},
            422,
            (
                "Runtime codex cannot serve model anthropic/claude-sonnet-4-6: "
                "provider anthropic not in ['openai']"
            ),
        ),
        (
            {**G1, "runtime": "gemini", "model": "openai/o3"},
            422,
            "Runtime gemini cannot serve model openai/o3: provider openai not in ['google']",
        ),
        (
            {**G2, "provider": "google"},
            422,
            "Unknown provider: google. Must be one of: ['anthropic', 'openai']",
        ),
        ({**G2, "model": "anthropic/"}, 422, "Model must be a non-empty string"),
        (
            {**G2, "model": "openai/o3"},
            422,
            "Model provider prefix 'openai' does not match provider 'anthropic'",
        ),
        (
            {**G2, "model": "kimi/k2"},
            422,
            "Model provider prefix 'kimi' does not match provider 'anthropic'",
        ),
        ({**G1, "environment_id": MISSING}, 404, "Environment not found"),
        ({**G2, "environment_id": "no uuid"}, 404, "Environment not found"),
    ],
)
def test_a_refused_create_says_why(http, fields, status, detail):
    assert create(http, **fields) == (status, {"detail": detail})


def test_a_model_outside_the_catalog_is_a_field_error_before_the_runtime(strict_http):
    status, body = create(strict_http, name="a", model="claude-sonnet-4-5", runtime="claude-code")
    assert status == 422
    assert messages(body) == [
        (
            ["model"],
            f"Value error, Unknown model: claude-sonnet-4-5. Must be one of: {CATALOG}",
        )
    ]


@pytest.mark.parametrize(
    ("fields", "loc", "msg", "kind"),
    [
        ({"name": None}, ["name"], "Input should be a valid string", "string_type"),
        (
            {"name": "x" * 201},
            ["name"],
            "String should have at most 200 characters",
            "string_too_long",
        ),
        (
            {"model": "x" * 101},
            ["model"],
            "String should have at most 100 characters",
            "string_too_long",
        ),
        (
            {"provider": "x" * 33},
            ["provider"],
            "String should have at most 32 characters",
            "string_too_long",
        ),
        (
            {"model": " "},
            ["model"],
            "Value error, Model must be a non-empty string",
            "value_error",
        ),
        ({"system": None}, ["system"], "Input should be a valid string", "string_type"),
        ({"description": 1}, ["description"], "Input should be a valid string", "string_type"),
        ({"skills": {}}, ["skills"], "Input should be a valid list", "list_type"),
        ({"mcp_servers": None}, ["mcp_servers"], "Input should be a valid list", "list_type"),
        ({"metadata": []}, ["metadata"], "Input should be a valid dictionary", "dict_type"),
    ],
)
def test_a_wrong_field_is_listed(http, fields, loc, msg, kind):
    status, body = create(http, **{**G2, **fields})
    assert status == 422
    (item,) = body["detail"]
    assert set(item) == {"type", "loc", "msg", "input", "url"}
    assert (item["loc"], item["msg"], item["type"]) == (loc, msg, kind)
    assert item["url"].startswith("https://errors.pydantic.dev/2.")
    assert item["url"].endswith(f"/v/{kind}")


def test_a_missing_field_echoes_the_body_and_every_failing_field_is_listed(http):
    sent = {"runtime": "claude", "system": 1}
    status, body = create(http, **sent)
    assert status == 422
    assert {(tuple(item["loc"]), item["type"]) for item in body["detail"]} == {
        (("name",), "missing"),
        (("model",), "missing"),
        (("system",), "string_type"),
    }
    missing = next(item for item in body["detail"] if item["loc"] == ["name"])
    assert (missing["msg"], missing["input"]) == ("Field required", sent)


def test_unknown_fields_are_ignored(http):
    status, agent = create(http, **G1, tools=["x"], anything={"a": 1})
    assert status == 201
    assert "tools" not in agent


def test_an_archived_environment_can_not_be_assigned(http, kit):
    environment = kit.environment()
    http.post(f"/environments/{environment['id']}/archive")
    assert create(http, **G1, environment_id=environment["id"]) == (
        409,
        {"detail": "Cannot assign an archived environment to an agent"},
    )


def test_agents_are_listed_newest_first_without_archived_ones(fresh_kit):
    made = [fresh_kit.agent(name=str(number)) for number in range(4)]
    fresh_kit.post(f"/agents/{made[1]['id']}/archive", expect=200)
    listed = fresh_kit.get("/agents")["data"]
    assert [agent["name"] for agent in listed] == ["3", "2", "0"]


def test_an_archived_agent_stays_readable_and_can_not_change(http, kit):
    agent = kit.agent()
    archived = kit.post(f"/agents/{agent['id']}/archive", expect=200)
    assert archived["archived_at"] is not None
    assert archived["version"] == 1
    assert kit.get(f"/agents/{agent['id']}") == archived
    assert len(kit.get(f"/agents/{agent['id']}/versions")["data"]) == 1
    again = http.post(f"/agents/{agent['id']}/archive")
    assert (again.status_code, again.json()["detail"]) == (409, "Agent is already archived")
    assert update(http, agent, name="b") == (409, {"detail": "Cannot update an archived agent"})


@pytest.mark.parametrize(
    ("runtime", "model", "provider"),
    [
        ("claude", "opus", "anthropic"),
        ("claude", "anthropic/claude-opus-5-5", "anthropic"),
        ("claude", "us.anthropic.claude-sonnet-5-v1:0", "anthropic"),
        ("codex", "gpt-5.5", "openai"),
        ("codex", "house/gpt-next", "openai"),
        ("gemini", "gemini-next", "google"),
        ("opencode", "openrouter/x-ai/grok", "openrouter"),
    ],
)
def test_a_cli_takes_any_model(http, kit, runtime, model, provider):
    agent = kit.agent(runtime=runtime, model=model)
    assert (agent["model"], agent["provider"]) == (model, provider)
    status, changed = update(http, agent, model=f"{model}-2")
    assert (status, changed["model"]) == (200, f"{model}-2")


def test_a_blank_model_is_refused_with_any_models(http):
    status, body = create(http, **{**G1, "model": " "})
    assert status == 422
    assert messages(body) == [(["model"], "Value error, Model must be a non-empty string")]


def test_lone_surrogates_and_nul_characters_do_no_harm(http, kit):
    escaped = b'{"name": "a", "model": "\\u0000", "runtime": "shell", "metadata": {"\\ud800": "\\udfff\\u0000"}}'
    response = http.post("/agents", content=escaped)
    assert response.status_code == 201
    read = http.get(f"/agents/{response.json()['id']}")
    assert b'"metadata": {"\\ud800": "\\udfff\\u0000"}' in read.content
    refused = http.post("/agents", content=escaped.replace(b'"a"', b'"\\ud800"'))
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["type"] == "string_unicode"
