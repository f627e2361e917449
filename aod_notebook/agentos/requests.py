"""Bodies of direct calls: encoded strictly, because a caller waits for the answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aod_notebook.agentos.errors import AgentOSConfigError, AgentOSValidationError
from aod_notebook.agentos.report.snapshot import strict


def encode(body: dict[str, Any]) -> bytes:
    """Encode a request.

    Raises:
        AgentOSValidationError: a value that has no form in JSON (a circular reference, an object
            that is not data); the message names its place and type. Nothing was sent.

    Example:
        >>> encode({"input": {"n": 1}})
        b'{"input":{"n":1}}'
    """
    text, plain = strict(body)
    if plain is not None and plain.as_text:
        place, kind = plain.as_text[0] or "the top", plain.kinds[0]
        raise AgentOSValidationError(f"Not sent: JSON cannot hold {place} ({kind})", None)
    return text


def segment(value: Any, noun: str) -> str:
    """Make a path segment of an id.

    Raises:
        AgentOSConfigError: it is empty or no text.
    """
    try:
        if isinstance(value, str) and value.strip(". "):
            return quote(value, safe="")
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    raise AgentOSConfigError(f"{noun}={value!r} is not a valid id")


def invoke_body(
    input: Any,  # noqa: A002 - the wire's name
    *,
    prompt_variables: dict[str, str] | None,
    parent_run_id: str | None,
    session_id: str | None,
    start_session: bool,
    history: list[dict[str, str]] | None,
    external_user_id: str | None,
    test: bool,
    stream: bool = False,
) -> bytes:
    """Encode an invoke; omitted arguments are left out."""
    body: dict[str, Any] = {"input": {} if input is None else input}
    given = {
        "prompt_variables": prompt_variables or None,
        "parent_run_id": parent_run_id or None,
        "session_id": session_id or None,
        "start_session": True if start_session else None,
        "history": history,
        "external_user_id": external_user_id or None,
        "test": True if test else None,
        "stream": True if stream else None,
    }
    body |= {name: value for name, value in given.items() if value is not None}
    return encode(body)
