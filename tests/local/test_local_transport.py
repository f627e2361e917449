"""What stands before every endpoint: tokens, methods, paths, bodies, hosts."""

import json
import socket
import uuid
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from service_kit import Kit, connect

from aod_notebook.local import server

ID = "3f2a6c1e-8d4b-4a5e-9c7d-0123456789ab"
JSON_405 = {
    "/agents": {"GET", "POST"},
    f"/agents/{ID}": {"GET", "PUT"},
    "/environments": {"GET", "POST"},
    f"/environments/{ID}/delete": {"DELETE"},
    "/sessions": {"GET", "POST"},
    f"/sessions/{ID}/delete": {"DELETE"},
}
BARE_405 = {
    f"/agents/{ID}/archive": "POST",
    f"/agents/{ID}/versions": "GET",
    f"/environments/{ID}/archive": "POST",
    f"/environments/{ID}/versions": "GET",
    f"/sessions/{ID}": "GET",
    f"/sessions/{ID}/prompt": "POST",
    f"/sessions/{ID}/turns": "GET",
    f"/sessions/{ID}/interrupt": "POST",
    f"/sessions/{ID}/terminate": "POST",
    f"/sessions/{ID}/stream": "GET",
}
NO_TOKEN = "Missing or invalid Authorization header"
FOREIGN_HOST = "Host not allowed: this service answers to localhost only"
FOREIGN_ORIGIN = "Origin not allowed: this service answers to this machine's pages only"
OF_A_ROW = [
    ("GET", f"/agents/{ID}", "Agent not found"),
    ("POST", f"/agents/{ID}/archive", "Agent not found"),
    ("GET", f"/agents/{ID}/versions", "Agent not found"),
    ("GET", f"/environments/{ID}", "Environment not found"),
    ("PUT", f"/environments/{ID}", "Environment not found"),
    ("POST", f"/environments/{ID}/archive", "Environment not found"),
    ("GET", f"/environments/{ID}/versions", "Environment not found"),
    ("DELETE", f"/environments/{ID}/delete", "Environment not found"),
    ("GET", f"/sessions/{ID}", "Session not found"),
    ("POST", f"/sessions/{ID}/prompt", "Session not found"),
    ("GET", f"/sessions/{ID}/turns", "Session not found"),
    ("POST", f"/sessions/{ID}/terminate", "Session not found"),
    ("POST", f"/sessions/{ID}/interrupt", "Session not found"),
    ("DELETE", f"/sessions/{ID}/delete", "Session not found"),
    ("GET", f"/sessions/{ID}/stream", "Session not found"),
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "bearer x", "Basic x", "Token x"])
def test_a_request_without_a_bearer_token_is_refused(anonymous, header):
    headers = {} if header is None else {"Authorization": header}
    response = anonymous.get("/agents", headers=headers)
    assert response.status_code == 401
    assert response.json() == {"detail": NO_TOKEN}


def test_a_token_is_taken_verbatim(service, anonymous):
    response = anonymous.get("/agents", headers={"Authorization": f"Bearer  {service.aod_token}"})
    assert response.status_code == 401
    assert response.json() == {"detail": "Invalid API key"}


def test_a_disabled_token_is_refused(service):
    with connect(service.url, service.issue_token(active=False)) as client:
        response = client.get("/agents")
    assert (response.status_code, response.json()["detail"]) == (401, "API key is inactive")


def test_an_expired_token_is_refused(service):
    past = datetime.now(UTC) - timedelta(seconds=1)
    with connect(service.url, service.issue_token(expires_at=past)) as client:
        response = client.get("/agents")
    assert (response.status_code, response.json()["detail"]) == (401, "API key has expired")


def test_rows_of_another_owner_are_missing_rows(service, kit):
    rows = {"agents": kit.agent(), "environments": kit.environment()}
    rows["sessions"] = session = kit.session("true", rows["agents"])
    kit.finish(session)
    with connect(service.url, service.issue_token("somebody else")) as client:
        for method, path, detail in (*OF_A_ROW, ("PUT", f"/agents/{ID}", "Agent not found")):
            row = rows[path.split("/")[1]]
            response = client.request(method, path.replace(ID, row["id"]), json={"version": 1})
            assert (response.status_code, response.json()) == (404, {"detail": detail})
        for path in ("/agents", "/environments", "/sessions"):
            assert client.get(path).json() == {"data": []}
        body = {"agent_id": rows["agents"]["id"], "prompt": "x"}
        assert client.post("/sessions", json=body).json() == {"detail": "Agent not found"}
        own = Kit(client).agent()["id"]
        body = {"agent_id": own, "prompt": "x", "environment_id": rows["environments"]["id"]}
        assert client.post("/sessions", json=body).json() == {"detail": "Environment not found"}
    assert kit.get(f"/sessions/{session['id']}")["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, own in JSON_405.items() for method in METHODS if method not in own],
)
def test_a_json_405_comes_after_authentication(http, anonymous, path, method):
    assert anonymous.request(method, path).status_code == 401
    response = http.request(method, path)
    assert response.status_code == 405
    assert response.json() == {"detail": "Method not allowed"}


def test_an_environment_is_looked_up_before_its_405(http, kit):
    response = http.delete(f"/environments/{ID}")
    assert (response.status_code, response.json()["detail"]) == (404, "Environment not found")
    response = http.delete(f"/environments/{kit.environment()['id']}")
    assert (response.status_code, response.json()["detail"]) == (405, "Method not allowed")


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, own in BARE_405.items() for method in METHODS if method != own],
)
def test_a_bare_405_comes_before_authentication(anonymous, path, method):
    response = anonymous.request(method, path)
    assert response.status_code == 405
    assert response.content == b""
    assert response.headers["allow"] == BARE_405[path]


@pytest.mark.parametrize(
    "path",
    [
        "/agents/1",
        f"/agents/{ID.upper()}",
        f"/agents/{ID.replace('-', '')}",
        "/agents/",
        f"/sessions/{ID}/",
        "/nothing",
    ],
)
def test_an_unknown_path_is_a_404_without_json(http, path):
    response = http.get(path)
    assert response.status_code == 404
    with pytest.raises(ValueError):  # noqa: PT011 - any decoder's error
        response.json()


@pytest.mark.parametrize(("method", "path", "detail"), OF_A_ROW)
def test_a_missing_row_is_a_404_that_names_it(http, anonymous, method, path, detail):
    refused = anonymous.request(method, path)
    assert (refused.status_code, refused.json()) == (401, {"detail": NO_TOKEN})
    response = http.request(method, path)
    assert (response.status_code, response.json()) == (404, {"detail": detail})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("path", ["/agents", "/environments", "/sessions"])
def test_a_body_that_is_not_a_json_object_is_a_400(http, path, body):
    response = http.post(path, content=body)
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid JSON"})


def test_a_body_needs_no_content_type(http):
    response = http.post("/agents", content=b'{"name": "a", "model": "m", "runtime": "shell"}')
    assert response.status_code == 201


def test_a_body_over_the_limit_is_refused(fresh_service, fresh_http):
    limit = fresh_service._service.config.max_body_bytes
    response = fresh_http.post("/agents", content=b" " * (limit + 1))
    detail = f"Request body is larger than {limit} bytes"
    assert (response.status_code, response.json()) == (413, {"detail": detail})


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", "", "localhost:", "localhost:x"),
        *("evil.example@127.0.0.1", "127.0.0.1/evil.example", "evil.example\\@127.0.0.1"),
    ],
)
def test_a_foreign_host_header_is_refused(http, host):
    response = http.get("/agents", headers={"Host": host})
    assert (response.status_code, response.json()) == (403, {"detail": FOREIGN_HOST})


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:9"])
def test_this_machines_names_are_taken(http, host):
    assert http.get("/agents", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "http://[", "file://", "http://localhost@evil.example"),
        "http://localhost.evil.example",
    ],
)
def test_a_page_of_another_site_is_refused(http, origin):
    response = http.get("/agents", headers={"Origin": origin})
    assert (response.status_code, response.json()) == (403, {"detail": FOREIGN_ORIGIN})


def test_every_origin_of_a_request_counts(http):
    origins = [("Origin", "http://localhost"), ("Origin", "https://evil.example")]
    assert http.get("/agents", headers=origins).status_code == 403


@pytest.mark.parametrize("origin", ["http://localhost:8888", "https://127.0.0.1", "http://[::1]:1"])
def test_a_page_of_this_machine_is_answered(http, origin):
    assert http.get("/agents", headers={"Origin": origin}).status_code == 200


def test_a_foreign_host_is_refused_in_the_envelope_of_the_other_half(anonymous):
    response = anonymous.post("/api/ingest/v1/events", headers={"Host": "evil.example"})
    assert response.status_code == 403
    assert response.json()["error"] == {"code": "FORBIDDEN", "message": FOREIGN_HOST}


def test_a_repeated_create_with_the_same_idempotency_key_makes_one_session(http, kit):
    body = {"agent_id": kit.agent()["id"], "prompt": "true"}
    headers = {"Idempotency-Key": "the same"}
    made = [http.post("/sessions", json=body, headers=headers).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    other = http.post("/sessions", json=body, headers={"Idempotency-Key": "another"}).json()
    assert other["id"] != made[0]


def test_the_service_listens_on_loopback_only(service):
    assert httpx.URL(service.url).host == "127.0.0.1"


def test_health_needs_no_token(anonymous):
    response = anonymous.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"db": "ok", "crypto": "ok"}}
    refused = anonymous.post("/health")
    assert (refused.status_code, refused.content) == (405, b"")


def test_health_is_degraded_when_a_check_fails(fresh_service, fresh_http, monkeypatch):
    monkeypatch.setattr("aod_notebook.local.storage.vault.Vault.open", _broken)
    response = fresh_http.get("/health")
    assert response.status_code == 503
    assert response.json() == {
        "status": "degraded",
        "checks": {"db": "ok", "crypto": "fail: ValueError"},
    }


def _broken(self, sealed):
    raise ValueError


def _defect(*_):
    raise RuntimeError("a defect")


def test_a_defect_is_a_500_in_the_envelope_of_its_half(fresh_service, monkeypatch, caplog):
    monkeypatch.setattr("aod_notebook.local.aod.tokens.Tokens.check", _defect)
    monkeypatch.setattr("aod_notebook.local.agentos.keys.Keys.check", _defect)
    with connect(fresh_service.url, "x") as client:
        response = client.get("/agents")
        assert response.status_code == 500
        assert response.json() == {"detail": "Internal server error"}
        response = client.post("/api/v1/rpc/agents_list")
        assert response.status_code == 500
        error = {"code": "INTERNAL_ERROR", "message": "Internal server error"}
        assert response.json()["error"] == error
    assert "a defect" in caplog.text


def test_a_body_id_that_is_not_a_uuid_is_a_missing_row(http, kit):
    for body, detail in (
        ({"agent_id": "not a uuid"}, "Agent not found"),
        ({"agent_id": "\ud800"}, "Agent not found"),
        ({"agent_id": kit.agent()["id"], "environment_id": "not a uuid"}, "Environment not found"),
    ):
        response = http.post("/sessions", content=json.dumps({"prompt": "x", **body}))
        assert (response.status_code, response.json()) == (404, {"detail": detail})


def test_answers_are_json_with_ascii_escapes(http):
    made = Kit(http).agent(name="Ünïcode \U0001f600")
    raw = http.get(f"/agents/{made['id']}").content
    assert raw.isascii()
    assert b'"name": "\\u00dcn\\u00efcode \\ud83d\\ude00"' in raw


def test_ids_are_lower_case_uuids_and_times_have_microseconds_and_an_offset(kit):
    agent = kit.agent()
    assert str(uuid.UUID(agent["id"])) == agent["id"]
    time = datetime.fromisoformat(agent["created_at"])
    assert time.utcoffset() == timedelta(0)
    assert agent["created_at"] == time.isoformat(timespec="microseconds")


def test_the_kernel_takes_no_megabytes_of_an_answer_at_once():
    with server._bound(0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 1 << 20
