"""`GET /sessions/{id}/usage`: what a session has used by its CLI's own log."""

import json

import pytest

from aod_notebook.local.aod import usage

ANSWER = {
    "input_tokens": 100,
    "output_tokens": 20,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 30,
}


def line(message, written, session="s"):
    return {
        "type": "assistant",
        "sessionId": session,
        "uuid": f"{message}-{written}",
        "timestamp": "2026-03-01T09:00:00.000Z",
        "message": {
            "id": message,
            "model": "claude-sonnet-4-6",
            "content": [{"type": "text", "text": "Hi"}],
            "usage": ANSWER | {"output_tokens": written},
        },
    }


@pytest.fixture
def log(tmp_path):
    """A log of Claude in a session's home, and a function that appends to it."""
    path = tmp_path / ".claude" / "projects" / "-srv" / "s.jsonl"
    path.parent.mkdir(parents=True)

    def write(*lines, end="\n"):
        with path.open("a") as file:
            file.write("".join(json.dumps(one) + end for one in lines))

    return write


def test_usage_grows_with_the_log(log, tmp_path):
    log(line("a", 1), line("a", 20))
    (first,) = usage._models(tmp_path, "claude")
    log(line("b", 5))
    log(line("c", 7), end="")  # a line that is still being written counts as soon as it is whole
    (second,) = usage._models(tmp_path, "claude")
    assert (first["requests"], first["output_tokens"], first["cost_usd"]) == (1, 20, None)
    assert second["requests"] == 3
    assert (second["input_tokens"], second["output_tokens"]) == (300, 32)


def test_usage_without_a_log_is_unknown(tmp_path, kit):
    assert usage._models(tmp_path, "claude") is None
    session = kit.finish(kit.session("true"))
    answer = kit.get(f"/sessions/{session['id']}/usage")
    assert (answer["source"], answer["models"], answer["status"]) == (None, [], "completed")


def test_usage_of_a_missing_session_is_not_found(http):
    path = "/sessions/00000000-0000-0000-0000-000000000000/usage"
    assert http.get(path).status_code == 404
