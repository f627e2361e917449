"""Secrets at rest: nothing of them can be read in the database, a backup or an older one's pages."""

import contextlib
import hashlib
import hmac
import json
import os
import sqlite3

import pytest
from service_kit import Kit, connect

from aod_notebook.local import LocalService, ensure_service, find_service, stop_service
from aod_notebook.local.credentials import load_credentials, load_vault_key
from aod_notebook.local.maintenance import backup
from aod_notebook.local.storage import migrations
from aod_notebook.local.storage.vault import SealError, Vault

SECRET = "fake-secret-in-plain-words"
SERVERS = [
    {"name": "web", "url": f"https://x/mcp?key={SECRET}", "headers": {"X-Key": SECRET}},
    {"name": "own", "type": "stdio", "command": "run", "args": [SECRET], "env": {"KEY": SECRET}},
]


def running(folder):
    """A service on a folder, and shorthands for it."""
    stack = contextlib.ExitStack()
    service = stack.enter_context(LocalService(folder))
    kit = Kit(stack.enter_context(connect(service.url, service.aod_token)))
    return stack, kit


def files_with(folder, text):
    found = []
    for path in folder.rglob("*"):
        # A file that is being written gets its name only when it is whole.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            found += [path.name] if text.encode() in path.read_bytes() else []
    return found


def test_mcp_servers_are_sealed_in_the_database_and_in_a_backup(tmp_path):
    stack, kit = running(tmp_path / "d")
    with stack:
        agent = kit.agent(mcp_servers=SERVERS)
        assert agent["mcp_servers"] == SERVERS
        changed = [{**SERVERS[0], "headers": {"X-Key": f"other {SECRET}"}}]
        path = f"/agents/{agent['id']}"
        assert kit.client.put(path, json={"version": 1, "mcp_servers": changed}).status_code == 200
        versions = kit.get(f"{path}/versions")["data"]
        assert [version["mcp_servers"] for version in versions] == [changed, SERVERS]
        kit.finish(kit.session("true", agent))
        backup(tmp_path / "d", tmp_path / "d" / "copy.db")
        assert files_with(tmp_path / "d", SECRET) == []
    assert files_with(tmp_path / "d", SECRET) == []


def test_the_same_mcp_servers_make_no_new_version(kit):
    agent = kit.agent(mcp_servers=SERVERS)
    path = f"/agents/{agent['id']}"
    answer = kit.client.put(path, json={"version": 1, "mcp_servers": SERVERS})
    assert answer.json()["version"] == 1


def test_what_was_sealed_under_another_key_is_named_and_not_used(tmp_path):
    stack, kit = running(tmp_path / "d")
    with stack:
        agent = kit.agent(mcp_servers=SERVERS)
    (tmp_path / "d" / "vault.key").write_bytes(os.urandom(32))
    stack, kit = running(tmp_path / "d")
    with stack:
        (shown,) = kit.get("/agents")["data"]
        assert shown["mcp_servers"] == [
            {"name": "web", "type": "url"},
            {"name": "own", "type": "stdio"},
        ]
        body = {"agent_id": agent["id"], "prompt": "true"}
        answer = kit.client.post("/sessions", json=body)
        assert answer.status_code == 503
        assert "does not fit this data directory's key" in answer.json()["detail"]


def test_a_sealed_value_that_was_changed_is_refused():
    vault = Vault(bytes(32))
    sealed = vault.seal({"a": 1})
    assert vault.open(sealed) == {"a": 1}
    with pytest.raises(SealError):
        vault.open(sealed[:-4] + b"AAAA")
    with pytest.raises(SealError):
        Vault(bytes(31) + b"x").open(sealed)


def sealed_by_first_version(key, value):
    """As 0.1 did it: a keystream and a tag of HMAC-SHA256."""
    stream_key, tag_key = (hmac.digest(key, use, "sha256") for use in (b"stream", b"tag"))
    plain, nonce = json.dumps(value).encode(), os.urandom(16)
    count = range(len(plain) // 32 + 1)
    stream = b"".join(
        hmac.digest(stream_key, nonce + number.to_bytes(8, "big"), hashlib.sha256)
        for number in count
    )
    hidden = bytes(one ^ other for one, other in zip(plain, stream, strict=False))
    return nonce + hmac.digest(tag_key, nonce + hidden, "sha256") + hidden


@pytest.fixture
def first_edition(tmp_path, monkeypatch):
    """A data directory as 0.1 left it: an agent with MCP servers, an environment with a secret."""
    folder = tmp_path / "d"
    stack, kit = running(folder)
    with stack:
        agent = kit.agent(mcp_servers=SERVERS)
        environment = kit.environment(env_vars={"KEY": SECRET})
    key = load_vault_key(folder)
    with contextlib.closing(sqlite3.connect(folder / "service.db")) as database, database:
        database.execute("UPDATE agent SET mcp_servers = ?", (json.dumps(SERVERS),))
        (snapshot,) = database.execute("SELECT snapshot FROM agent_version").fetchone()
        first = json.dumps(json.loads(snapshot) | {"mcp_servers": SERVERS})
        database.execute("UPDATE agent_version SET snapshot = ?", (first,))
        sealed = sealed_by_first_version(key, {"KEY": SECRET})
        database.execute("UPDATE environment SET env_vars = ?", (sealed,))
        database.execute("UPDATE environment_version SET env_vars = ?", (sealed,))
        database.execute("DROP TABLE sealing")
        database.execute("DROP INDEX session_idempotency")
        database.execute("ALTER TABLE session DROP COLUMN idempotency_key")
        database.execute("PRAGMA user_version = 2")
    assert files_with(folder, SECRET) == ["service.db"]
    return folder, agent, environment


def test_secrets_of_the_first_version_are_resealed_and_still_work(first_edition):
    folder, agent, environment = first_edition
    stack, kit = running(folder)
    with stack:
        assert kit.get(f"/agents/{agent['id']}")["mcp_servers"] == SERVERS
        (version,) = kit.get(f"/agents/{agent['id']}/versions")["data"]
        assert version["mcp_servers"] == SERVERS
        session = kit.session('printf %s "$KEY" | wc -c', agent, environment_id=environment["id"])
        said = [event["data"] for event in kit.stream(session) if event["type"] == "output"]
        assert said == [f"{len(SECRET)}\n"]
    assert files_with(folder, SECRET) == []


def test_what_the_first_version_deleted_is_left_in_no_free_part_of_the_file(first_edition):
    folder, *_ = first_edition
    deleted = "fake-" + "deleted" * 5000  # longer than a page
    with contextlib.closing(sqlite3.connect(folder / "service.db")) as database:
        database.execute("PRAGMA secure_delete = OFF")
        for servers in (deleted, json.dumps(SERVERS)):
            database.execute("UPDATE agent SET mcp_servers = ?", (servers,))
            database.commit()
    assert files_with(folder, deleted[:50]) == ["service.db"]
    stack, _ = running(folder)
    with stack:
        assert files_with(folder, deleted[:50]) == []
        assert files_with(folder, SECRET) == []


def test_the_first_version_refuses_a_database_that_it_could_not_read(first_edition, monkeypatch):
    folder, *_ = first_edition
    with running(folder)[0]:
        pass
    monkeypatch.setattr(migrations, "STEPS", migrations.STEPS[:2])
    with (
        contextlib.closing(sqlite3.connect(folder / "service.db")) as database,
        pytest.raises(sqlite3.DatabaseError, match="use the newer aod-notebook"),
    ):
        migrations.migrate(database)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sessions", {"agent_id": "x", "secret_env": {"KEY": SECRET}}),
        ("/sessions", {"agent_id": "x", "secret_env_vars": {"KEY": [SECRET]}}),
        ("/sessions", {"agent_id": "x", "prompt": "x", "timeout": 1, "api_key": SECRET}),
        ("/sessions", {"agent_id": "x", "resources": [{"token": SECRET}]}),
        (
            "/sessions",
            {"agent_id": "x", "resources": [{"url": f"https://{SECRET}@github.com/o/r"}]},
        ),
        ("/environments", {"env": {"KEY": SECRET}}),
        ("/environments", {"name": "e", "env_vars": {"1": SECRET}}),
        ("/environments", {"name": "e", "env_vars": {f"KEY={SECRET}": ""}}),
        ("/environments", {"setup_script": f"export KEY={SECRET}"}),
        ("/environments", {"name": "e", "packages": {"pip": [f"--index-url=https://{SECRET}@h/"]}}),
        ("/agents", {"runtime": "shell", "mcp_servers": SERVERS}),
        ("/agents", {"runtime": "shell", "mcp_server": SERVERS}),
        ("/agents", {"runtime": "shell", "mcp_servers": [{**SERVERS[1], "type": "http"}]}),
        ("/agents", {"runtime": "shell", "mcp_servers": [SERVERS[1], SERVERS[1]]}),
        ("/agents", {"runtime": "shell", "mcp_servers": {"own": SERVERS[1]}}),
        ("/agents", {"runtime": "shell", "mcp_servers": [{**SERVERS[1], "type": SECRET}]}),
        ("/agents", {"runtime": "shell", "mcp_servers": [{**SERVERS[1], "type": {"k": SECRET}}]}),
        ("/agents", {"runtime": "shell", "metadata": [{"key": SECRET}]}),
    ],
)
def test_a_refusal_echoes_no_secret(kit, path, body):
    answer = kit.client.post(path, json=body)
    assert answer.status_code == 422
    assert SECRET not in answer.text


def test_a_refusal_still_shows_what_was_wrong(kit):
    answer = kit.client.post("/sessions", json={"agent_id": "x", "prompt": "x", "timeout": 1})
    (item,) = answer.json()["detail"]
    assert (item["loc"], item["input"]) == (["timeout"], 1)


def test_as_another_user_a_service_folder_is_not_used(tmp_path, monkeypatch):
    with running(tmp_path / "d")[0]:
        pass
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match=r"belongs to another user \(uid \d+\): remove it"):
        LocalService(tmp_path / "d")
    with pytest.raises(PermissionError, match="belongs to another user"):
        ensure_service(tmp_path / "d")
    with pytest.raises(PermissionError, match="belongs to another user"):
        load_credentials(tmp_path / "d")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["credentials.json", "vault.key"])
def test_as_root_a_planted_file_is_refused(tmp_path, name):
    with running(tmp_path / "d")[0]:
        pass
    os.chown(tmp_path / "d" / name, 65534, -1)
    with pytest.raises(PermissionError, match=rf"{name} belongs to another user \(uid 65534\)"):
        LocalService(tmp_path / "d")
    assert find_service(tmp_path / "d") is None


def test_a_service_of_another_user_is_not_stopped(tmp_path, monkeypatch):
    stack, _ = running(tmp_path / "d")
    with stack:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(PermissionError, match="belongs to another user"):
            stop_service(tmp_path / "d")
