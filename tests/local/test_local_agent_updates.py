"""`PUT /agents/{id}`: versions, merged fields, check order."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from agents_kit import CATALOG, G1, G2, ONE_OF, messages

MISSING = str(uuid.uuid4())


def update(http, agent, **fields):
    response = http.put(f"/agents/{agent['id']}", json={"version": agent["version"], **fields})
    return response.status_code, response.json()


def test_an_update_makes_a_version_and_a_snapshot(http, kit):
    agent = kit.agent(name="one", system="s")
    status, changed = update(http, agent, name="two", system="", description="d")
    assert status == 200
    assert changed["version"] == 2
    assert (changed["name"], changed["system"], changed["description"]) == ("two", None, "d")
    newest, oldest = kit.get(f"/agents/{agent['id']}/versions")["data"]
    assert (newest["version"], newest["name"]) == (2, "two")
    assert (oldest["version"], oldest["name"], oldest["system"]) == (1, "one", "s")
    assert set(newest) == set(agent) - {"updated_at", "archived_at"}
    assert newest["id"] == agent["id"]
    assert newest["created_at"] == changed["updated_at"]


def test_an_update_that_changes_nothing_writes_nothing(http, kit):
    agent = kit.agent(name="one", metadata={"a": 1}, skills=[])
    status, same = update(
        http, agent, name="one", metadata={"a": 1, "gone": ""}, skills=[], system=None
    )
    assert (status, same) == (200, agent)
    assert len(kit.get(f"/agents/{agent['id']}/versions")["data"]) == 1


def test_metadata_is_merged_one_level_deep_and_the_empty_string_deletes(http, kit):
    agent = kit.agent(metadata={"keep": 1, "drop": 2, "deep": {"a": 1, "b": 2}})
    sent = {"drop": "", "never": "", "deep": {"a": 3}, "n": None, "z": 0, "f": False, "l": []}
    _, changed = update(http, agent, metadata=sent)
    assert changed["metadata"] == {
        "keep": 1,
        "deep": {"a": 3},
        "n": None,
        "z": 0,
        "f": False,
        "l": [],
    }


def test_metadata_distinguishes_true_from_one(http, kit):
    agent = kit.agent(metadata={"a": 1})
    _, changed = update(http, agent, metadata={"a": True})
    assert changed["metadata"] == {"a": True}
    assert changed["version"] == 2


def test_lists_are_replaced_whole(http, kit):
    server = {"name": "m", "url": "https://x", "headers": {"A": "b"}, "extra": 1}
    agent = kit.agent(mcp_servers=[server])
    assert agent["mcp_servers"] == [server]
    _, changed = update(http, agent, mcp_servers=[])
    assert changed["mcp_servers"] == []


def test_an_environment_is_attached_kept_and_detached(http, kit):
    environment = kit.environment()
    agent = kit.agent()
    _, agent = update(http, agent, environment_id=environment["id"])
    assert agent["environment_id"] == environment["id"]
    _, agent = update(http, agent, name="b")
    assert agent["environment_id"] == environment["id"]
    _, agent = update(http, agent, environment_id=None)
    assert agent["environment_id"] is None


def test_the_update_checks_body_runtime_environment_agent_archive_version_model_in_order(http, kit):
    archived = kit.environment()
    http.post(f"/environments/{archived['id']}/archive")
    body = {
        "version": "x",
        "runtime": "nope",
        "environment_id": MISSING,
        "model": "openai/o3",
    }

    def put(agent_id):
        response = http.put(f"/agents/{agent_id}", json=body)
        return response.status_code, response.json()["detail"]

    status, detail = put(MISSING)
    assert (status, detail[0]["type"]) == (422, "int_parsing")
    body["version"] = 7
    assert put(MISSING) == (
        400,
        "Unknown runtime: nope. Must be one of: ['claude', 'codex', 'gemini', 'opencode']",
    )
    body["runtime"] = "claude"
    assert put(MISSING) == (404, "Environment not found")
    body["environment_id"] = archived["id"]
    assert put(MISSING) == (409, "Cannot assign an archived environment to an agent")
    body["environment_id"] = None
    assert put(MISSING) == (404, "Agent not found")
    gone = kit.agent(**G1)
    kit.post(f"/agents/{gone['id']}/archive", expect=200)
    assert put(gone["id"]) == (409, "Cannot update an archived agent")
    agent = kit.agent(**G1)
    assert put(agent["id"]) == (409, "Version mismatch: expected 1, got 7")
    body["version"] = 1
    assert put(agent["id"]) == (
        422,
        "Runtime claude cannot serve model openai/o3: provider openai not in ['anthropic']",
    )


def test_a_model_outside_the_catalog_is_a_field_error_before_the_missing_agent(strict_http):
    body = {"version": 1, "model": "any"}
    refused = strict_http.put(f"/agents/{MISSING}", json=body | {"runtime": "claude"})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["model"])
    for free in ({}, {"runtime": "shell"}, {"provider": "openai"}):
        assert strict_http.put(f"/agents/{MISSING}", json=body | free).status_code == 404


@pytest.mark.parametrize(
    ("made", "sent", "detail"),
    [
        (
            G1,
            {"runtime": "gemini"},
            (
                "Runtime gemini cannot serve model anthropic/claude-sonnet-4-6: "
                "provider anthropic not in ['google']"
            ),
        ),
        (
            {**G1, "runtime": "shell", "model": "any"},
            {"runtime": "claude"},
            "Model any not supported on runtime claude",
        ),
        (
            G2,
            {"provider": "google"},
            "Unknown provider: google. Must be one of: ['anthropic', 'openai']",
        ),
        (
            G2,
            {"provider": "openai", "model": "anthropic/x"},
            "Model provider prefix 'anthropic' does not match provider 'openai'",
        ),
        (G2, {"model": "anthropic/"}, "Model must be a non-empty string"),
        (G1, {"runtime": "claude", "provider": "anthropic"}, ONE_OF),
    ],
)
def test_an_update_to_incompatible_fields_is_refused(strict_http, strict_kit, made, sent, detail):
    assert update(strict_http, strict_kit.agent(**made), **sent) == (422, {"detail": detail})


def test_a_provider_agents_model_is_free_text_on_update(http, kit):
    agent = kit.agent(**G2)
    status, changed = update(http, agent, model=" anthropic/claude-next ", provider="")
    assert (status, changed["model"], changed["provider"]) == (200, "claude-next", "anthropic")


def test_a_runtime_agents_model_is_of_the_catalog_on_update(strict_http, strict_kit):
    status, body = update(strict_http, strict_kit.agent(**G1), model="claude-next")
    assert status == 422
    unknown = f"Value error, Unknown model: claude-next. Must be one of: {CATALOG}"
    assert messages(body) == [(["model"], unknown)]


def test_an_agent_can_change_to_a_local_runtime(http, kit):
    _, changed = update(http, kit.agent(**G1), runtime="shell", model="any")
    assert (changed["runtime"], changed["provider"], changed["model"]) == ("shell", "shell", "any")


@pytest.mark.parametrize("version", [1.0, "1"])
def test_a_version_may_be_any_text_or_number_that_is_an_integer(http, kit, version):
    agent = kit.agent()
    response = http.put(f"/agents/{agent['id']}", json={"version": version, "name": "b"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("version", "kind"),
    [(None, "int_type"), (1.5, "int_from_float"), ("x", "int_parsing"), ([], "int_type")],
)
def test_a_version_that_is_not_an_integer_is_refused(http, kit, version, kind):
    response = http.put(f"/agents/{kit.agent()['id']}", json={"version": version})
    assert response.status_code == 422
    assert response.json()["detail"][0]["type"] == kind


def test_of_two_updates_with_one_version_one_succeeds(http, kit):
    agent = kit.agent()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: update(http, agent, name=f"n{n}")[0], range(8)))
    assert sorted(statuses) == [200] + [409] * 7


def test_names_are_not_limited_on_update(http, kit):
    status, changed = update(http, kit.agent(), name="x" * 500)
    assert (status, len(changed["name"])) == (200, 500)
