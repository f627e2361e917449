"""What the service's tests share: shorthands for both halves, and a reader of raw streams."""

import json
import time
import uuid

import httpx
import pytest


def connect(url, token=None):
    """Open a client of one half."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # nothing is encrypted here, and to load the certificates takes 30 ms
    return httpx.Client(base_url=url, headers=headers, timeout=20, verify=False)


class Kit:
    """Makes agents and sessions, and reads their streams to the end."""

    def __init__(self, client):
        self.client = client

    def post(self, path, body=None, expect=None):
        response = self.client.post(path, json=body if body is not None else {})
        if expect is not None:
            assert response.status_code == expect, response.text
        return response.json()

    def agent(self, **fields):
        given = {"name": "a", "model": "any", "runtime": "shell", **fields}
        if "provider" in fields:
            given.pop("runtime")
        return self.post("/agents", given, 201)

    def environment(self, **fields):
        return self.post("/environments", {"name": f"e-{uuid.uuid4()}", **fields}, 201)

    def session(self, prompt="echo hi", agent=None, **fields):
        agent = agent or self.agent()
        return self.post("/sessions", {"agent_id": agent["id"], "prompt": prompt, **fields}, 202)

    def get(self, path):
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def turns(self, session):
        return self.get(f"/sessions/{session['id']}/turns")["data"]

    def raw(self, session, headers=None, **params):
        response = self.client.get(
            f"/sessions/{session['id']}/stream", params=params, headers=headers
        )
        assert response.status_code == 200, response.text
        return response.text

    def stream(self, session, headers=None, **params):
        return [event for _, event in frames(self.raw(session, headers, **params))]

    def finish(self, session):
        """Follow the session to its terminal event and return its row."""
        self.raw(session)
        return self.get(f"/sessions/{session['id']}")

    def wait_for_output(self, session):
        """Return once the session's program has said something."""
        with self.client.stream("GET", f"/sessions/{session['id']}/stream") as response:
            for line in response.iter_lines():
                if '"type": "output"' in line:
                    return
        pytest.fail("the session ended without output")


class Rpc:
    """Posts to the AgentOS half and opens the envelope."""

    def __init__(self, client):
        self.client = client

    def post(self, path, body=None):
        return self.client.post(path, json=body if body is not None else {})

    def data(self, path, body=None, expect=200):
        response = self.post(path, body)
        assert response.status_code == expect, response.text
        assert response.json()["error"] is None
        return response.json()["data"]

    def error(self, path, body=None):
        """Return status, code and message of a refusal."""
        response = self.post(path, body)
        answer = response.json()
        assert answer["data"] is None
        assert set(answer["error"]) == {"code", "message"}
        return response.status_code, answer["error"]["code"], answer["error"]["message"]

    def call(self, name, /, **params):
        return self.data(f"/api/v1/rpc/{name}", params)

    def refused(self, name, /, **params):
        return self.error(f"/api/v1/rpc/{name}", params)

    def start(self, agent_id, **fields):
        body = {"agent_id": agent_id, "trigger_type": "sdk", "input": {}, **fields}
        return self.data("/api/ingest/v1/run/start", body)["run_id"]

    def invoke(self, agent_id, expect=200, **fields):
        return self.data(f"/api/v1/agents/{agent_id}/invoke", fields, expect)

    def stream(self, agent_id, **fields):
        """Return the events of a streamed invoke."""
        body = {"stream": True, **fields}
        response = self.post(f"/api/v1/agents/{agent_id}/invoke", body)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.text.split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def ended(self, run_id):
        """Return the run once it has ended, else None."""
        run = self.call("runs_get", run_id=run_id)
        return run if run["ended_at"] else None


def detail(http, path, **body):
    """Post to the AoD half; return status and text of the refusal."""
    response = http.post(path, json=body)
    answer = response.json()
    assert set(answer) == {"detail"}, answer
    return response.status_code, answer["detail"]


def script(*pauses, **more):
    """Return the input that makes an agent on `replay` pause, or fail."""
    return {"replay": {"pauses": list(pauses), **more}}


def frames(text):
    """Split a stream's body into (id line or None, event)."""
    found = []
    for block in text.split("\n\n")[:-1]:
        lines = block.split("\n")
        if lines[0].startswith(":"):
            continue
        cursor = None
        if lines[0].startswith("id: "):
            cursor = int(lines.pop(0)[4:])
        assert len(lines) == 1
        assert lines[0].startswith("data: ")
        found.append((cursor, json.loads(lines[0][6:])))
    return found


def until(condition, seconds=60.0):
    """Wait for a condition of the world outside this process; its value is returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not within {seconds} s: {condition}")
