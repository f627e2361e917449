# Generated from aod_notebook/agentos/_async/human.py by tests/tools/unasync.py; edit that file instead.
"""Questions to a person: a long poll that ends in time and loses no question."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos._sync.control_work import Runs
from aod_notebook.agentos.errors import (
    AgentOSDecodeError,
    AgentOSError,
    AgentOSTimeoutError,
    AgentOSTransientError,
    describe,
)
from aod_notebook.agentos.requests import encode
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    from aod_notebook.agentos._sync.api import Api
    from aod_notebook.agentos.results import HumanInput

_PATH = "/api/ingest/v1/human-input/request"
_HELD_S = 285.0
"""Limit of one poll: the service holds it for up to 270 s."""
_GATEWAY_TIMEOUTS = frozenset({504, 524})
"""What a gateway answers that does not wait for so long: the question stands."""


def ask_person(
    api: Api,
    run_id: str,
    prompt: str,
    context: dict[str, Any] | None,
    timeout: float,
) -> HumanInput:
    """Ask, and poll until there is an answer or the time is up."""
    deadline = time.monotonic() + timeout
    body: dict[str, Any] = {
        "run_id": run_id,
        "prompt": prompt,
        "timeout_seconds": max(1, int(timeout)),
    }
    if context is not None:
        body["context"] = context
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            asked = body.get("request_id")
            raise AgentOSTimeoutError(
                f"Question {asked} of run {body['run_id']} was not answered in {timeout:g} s",
                run_id=body["run_id"],
            )
        data = _poll_or_find(api, body, min(left, _HELD_S))
        if data.get("input") is not None:
            return {"input": data["input"], "request_id": data.get("request_id", "")}
        if data.get("request_id"):
            body["request_id"] = data["request_id"]


def _poll_or_find(api: Api, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Poll; where the answer does not come, find the question again or say that it is lost."""
    try:
        return _poll(api, body, seconds)
    except AgentOSTransientError as error:
        if "request_id" in body:
            if error.code == "REQUEST_TIMEOUT" or error.status in _GATEWAY_TIMEOUTS:
                return {}
            raise
        found = _find(api, body)
        if not found:
            raise _lost(error, body) from error
        return found


def _poll(api: Api, body: dict[str, Any], seconds: float) -> dict[str, Any]:
    is_first = "request_id" not in body
    call = Call(
        method="POST",
        path=_PATH,
        content=encode(body),
        repeat=Repeat.REFUSED if is_first else Repeat.SAFE,
    )
    try:
        data = api.data(call, seconds, patience=seconds)
    except AgentOSError as error:
        error.run_id = body["run_id"]
        if error.code == "TIMEOUT":
            raise AgentOSTimeoutError(str(error), run_id=body["run_id"]) from error
        raise
    if not isinstance(data, dict) or (data.get("input") is None and not data.get("request_id")):
        raise AgentOSDecodeError(
            f"The answer to a question of run {body['run_id']} has neither input nor"
            f" request_id: {describe(data)}",
            run_id=body["run_id"],
        )
    return data


def _find(api: Api, body: dict[str, Any]) -> dict[str, str]:
    """Look for the id of a question that was lost with the answer to the first call."""
    try:
        run: Any = Runs(api).get(run_id=body["run_id"])
    except AgentOSError:  # an agent key may not look
        return {}
    asked = run.get("awaiting_input") if isinstance(run, dict) else None
    if not isinstance(asked, dict) or asked.get("question") != body["prompt"]:
        return {}
    return {"request_id": str(asked["request_id"])} if asked.get("request_id") else {}


def _lost(error: AgentOSTransientError, body: dict[str, Any]) -> AgentOSTransientError:
    run_id = body["run_id"]
    return AgentOSTransientError(
        f"The question may have been asked, but its id was lost: {error}. "
        f"runs.get(run_id={run_id!r}) shows what the run waits for",
        error.code,
        error.status,
        run_id=run_id,
    )
