"""`/environments`: fields, uniqueness, check order, versions, delete."""

import uuid

import pytest

MISSING = str(uuid.uuid4())


def create(http, **fields):
    response = http.post("/environments", json={"name": f"e-{uuid.uuid4()}", **fields})
    return response.status_code, response.json()


def update(http, environment, **fields):
    body = {"version": environment["version"], **fields}
    response = http.put(f"/environments/{environment['id']}", json=body)
    return response.status_code, response.json()


def test_a_created_environment_shows_everything_but_its_variables(kit):
    environment = kit.environment(env_vars={"A": "secret-value"}, setup_script="")
    assert set(environment) == {
        "id",
        "type",
        "name",
        "packages",
        "setup_script",
        "networking",
        "version",
        "created_at",
        "updated_at",
        "archived_at",
    }
    assert environment["type"] == "environment"
    assert environment["packages"] == {}
    assert environment["setup_script"] is None
    assert environment["networking"] == {"type": "unrestricted"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({}, {"type": "unrestricted"}),
        ({"type": "unrestricted", "allowed_hosts": ["x"]}, {"type": "unrestricted"}),
        ({"type": "limited"}, {"type": "limited"}),
        (
            {"type": "limited", "allowed_hosts": ["*.x", 1], "more": True},
            {"type": "limited", "allowed_hosts": ["*.x", 1], "more": True},
        ),
    ],
)
def test_networking_is_shown_whole_when_limited_only(http, sent, shown):
    _, environment = create(http, networking=sent)
    assert environment["networking"] == shown


@pytest.mark.parametrize(
    ("fields", "loc", "msg"),
    [
        (
            {"packages": {"brew": []}},
            ["packages"],
            (
                "Value error, Unknown package manager: brew. "
                "Must be one of: ['apt', 'cargo', 'gem', 'go', 'npm', 'pip']"
            ),
        ),
        ({"packages": {"apt": ["a", 1]}}, ["packages", "apt", 1], "Input should be a valid string"),
        ({"packages": {"apt": "a"}}, ["packages", "apt"], "Input should be a valid list"),
        (
            {"env_vars": {"1A": "x"}},
            ["env_vars"],
            "Value error, Invalid env_var key '1A': must match [A-Za-z_][A-Za-z0-9_]*",
        ),
        (
            {"env_vars": {"A\n": "x"}},
            ["env_vars"],
            "Value error, Invalid env_var key 'A\n': must match [A-Za-z_][A-Za-z0-9_]*",
        ),
        ({"env_vars": {"A": 1}}, ["env_vars", "A"], "Input should be a valid string"),
        (
            {"networking": {"type": "none"}},
            ["networking"],
            "Value error, networking.type must be 'unrestricted' or 'limited'",
        ),
        (
            {"networking": {"type": "limited", "allowed_hosts": "x"}},
            ["networking"],
            "Value error, networking.allowed_hosts must be a list",
        ),
        ({"name": "x" * 201}, ["name"], "String should have at most 200 characters"),
        ({"name": None}, ["name"], "Input should be a valid string"),
        ({"setup_script": None}, ["setup_script"], "Input should be a valid string"),
    ],
)
def test_a_wrong_field_is_listed(http, fields, loc, msg):
    status, body = create(http, **fields)
    assert status == 422
    (item,) = body["detail"]
    assert (item["loc"], item["msg"]) == (loc, msg)


def test_a_name_is_taken_until_it_is_archived_or_renamed(http, kit):
    name = f"n-{uuid.uuid4()}"
    taken = {"detail": f"An active environment named '{name}' already exists"}
    first = kit.environment(name=name)
    assert create(http, name=name) == (409, taken)
    other = kit.environment()
    assert update(http, other, name=name) == (409, taken)
    kit.post(f"/environments/{first['id']}/archive", expect=200)
    assert update(http, other, name=name)[0] == 200


def test_an_update_replaces_maps_and_makes_a_version(http, kit):
    environment = kit.environment(packages={"pip": ["a"]}, env_vars={"A": "1", "B": "2"})
    _, changed = update(http, environment, packages={"npm": ["b"]}, env_vars={"A": "1"})
    assert changed["packages"] == {"npm": ["b"]}
    assert changed["version"] == 2
    newest, oldest = kit.get(f"/environments/{environment['id']}/versions")["data"]
    assert newest["packages"] == {"npm": ["b"]}
    assert oldest["packages"] == {"pip": ["a"]}
    assert set(newest) == set(environment) - {"updated_at", "archived_at"}


def test_an_update_that_changes_nothing_writes_nothing(http, kit):
    environment = kit.environment(env_vars={"A": "1"}, networking={"type": "limited"})
    status, same = update(
        http, environment, env_vars={"A": "1"}, networking={"type": "limited"}, packages=None
    )
    assert (status, same) == (200, environment)


def test_the_update_checks_row_archive_body_version_name_in_order(http, kit):
    name = f"n-{uuid.uuid4()}"
    kit.environment(name=name)
    environment = kit.environment()
    archived = kit.environment()
    kit.post(f"/environments/{archived['id']}/archive", expect=200)

    def put(environment_id, content):
        response = http.put(f"/environments/{environment_id}", content=content)
        return response.status_code, response.json()["detail"]

    assert put(MISSING, b"{") == (404, "Environment not found")
    assert put(archived["id"], b"{") == (409, "Cannot update an archived environment")
    assert put(environment["id"], b"{") == (400, "Invalid JSON")
    assert put(environment["id"], b"{}")[1][0]["loc"] == ["version"]
    stale = f'{{"version": 9, "name": "{name}"}}'.encode()
    assert put(environment["id"], stale) == (409, "Version mismatch: expected 1, got 9")
    fitting = stale.replace(b": 9", b": 1")
    taken = f"An active environment named '{name}' already exists"
    assert put(environment["id"], fitting) == (409, taken)


def test_an_environment_is_archived_once(http, kit):
    environment = kit.environment()
    archived = kit.post(f"/environments/{environment['id']}/archive", expect=200)
    assert archived["archived_at"] is not None
    again = http.post(f"/environments/{environment['id']}/archive")
    assert (again.status_code, again.json()["detail"]) == (409, "Environment is already archived")
    assert environment["id"] not in {e["id"] for e in kit.get("/environments")["data"]}


def test_delete_waits_for_the_session_rows_and_detaches_agents(http, kit):
    environment = kit.environment()
    agent = kit.agent(environment_id=environment["id"])
    session = kit.session("true", agent)
    kit.finish(session)
    path = f"/environments/{environment['id']}/delete"
    refused = http.delete(path)
    assert refused.status_code == 409
    assert refused.json()["detail"] == "Cannot delete environment with existing sessions"
    assert http.delete(f"/sessions/{session['id']}/delete").status_code == 200
    deleted = http.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Environment deleted"})
    assert http.get(f"/environments/{environment['id']}").status_code == 404
    assert kit.get(f"/agents/{agent['id']}")["environment_id"] is None
    assert http.delete(path).status_code == 404
