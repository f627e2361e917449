"""Errors about followed sessions and runs, and why an agent's turn failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from aod_notebook.aod import StreamEvent


class SessionFailedError(AodNotebookError):
    """A session ended without success; `session_id` and `exit_code` say which and how.

    Fix: See the transcript above the error; `--no-raise` lets the notebook continue.

    Args:
        message: the line to show.
        session_id: the session's id.
        exit_code: what its program exited with; None if it never ran or was killed.
    """

    def __init__(self, message: str, session_id: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.exit_code = exit_code


class SessionStoppedError(AodNotebookError):
    """A cell was interrupted; the message names the session and its state.

    Fix: Nothing to correct; run the cell again to start a new session.
    """


class NotAnIdError(AodNotebookError, TypeError):
    """An id is not text.

    Fix: Pass `session.id` or `run.id`.
    """


class NotFollowedError(AodNotebookError):
    """A session is no longer followed; it may continue on its service.

    Fix: Attach it again with `%aod attach ID`.

    Args:
        session_id: the session's id.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id} is not followed any more; "
            f"%aod attach {session_id} takes it up again."
        )
        self.session_id = session_id


class NoLastSessionError(AodNotebookError):
    """`last` was used, but no session was followed on this service yet.

    Fix: Name a session by its id; `%aod sessions` lists them.
    """


class WrongVariableError(AodNotebookError):
    """A variable does not hold a session or a run.

    Fix: Name a variable that `-o` has bound, or an id.
    """


class WaitTimeoutError(AodNotebookError, TimeoutError):
    """A session did not end within the given time; it continues.

    Fix: Wait again, or with a larger `timeout`.
    """


class ServiceGoneWarning(UserWarning):
    """A session's service can't be reached; what is shown is what was received before.

    Fix: Start the service or check the network, then attach the session again.
    """


class RunFailedError(AodNotebookError):
    """A run failed or was cancelled; `run_id` names it.

    Fix: See what it did with `%agentos events ID`.

    Args:
        message: the line to show.
        run_id: the run's id.
    """

    def __init__(self, message: str, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class RunStoppedError(AodNotebookError):
    """A cell was interrupted; the message names the run and its state.

    Fix: Nothing to correct; run the cell again to start a new run.
    """


class RunNotFollowedError(AodNotebookError):
    """A run is no longer followed; it may continue on its service.

    Fix: Attach it again with `%agentos watch ID`.

    Args:
        run_id: the run's id; None if it was not known yet.
    """

    def __init__(self, run_id: str | None) -> None:
        again = f"%agentos watch {run_id} takes it up again" if run_id else "%agentos runs lists it"
        super().__init__(
            f"Run {run_id or ''} is not followed any more; {again}.".replace("  ", " ")
        )
        self.run_id = run_id


class RunUnknownError(AodNotebookError):
    """A run was reported, but the service does not know it yet.

    Fix: Wait until the report is delivered; `%agentos outbox` shows what waits.
    """


class NoLastRunError(AodNotebookError):
    """`last` was used, but no run was followed on this service yet.

    Fix: Name a run by its id; `%agentos runs` lists them.
    """


class NestedRunError(AodNotebookError):
    """A run can't start within the run of a cell.

    Fix: Use the cell's `run`, or start the run in a cell of its own.
    """


_LONGEST = 500

_LOGIN = re.compile(
    r"not logged in|/login|\b401\b|unauthori[sz]ed|authentication_error|auth(?:entication)? method"
    r"|invalid (?:x-)?api[- ]key|api[ _-]key (?:is )?(?:not valid|invalid|missing|expired)"
    r"|api_key_invalid|missing (?:bearer|environment variable)|(?:oauth )?token (?:has )?expired"
    r"|must specify the \w+_api_key|refresh token|log ?out and (?:log|sign) in",
    re.IGNORECASE,
)
_OPENCODE_VAGUE = "Unexpected server error. Check server logs for details."
_WHERE = {
    "claude": "Log in with `claude` in a terminal (/login), or set ANTHROPIC_API_KEY.",
    "codex": "Log in with `codex login` in a terminal, or set OPENAI_API_KEY.",
    "gemini": "Log in with `gemini` in a terminal, or set GEMINI_API_KEY.",
    "opencode": "Log in with `opencode auth login` in a terminal, or set the key of the model's "
    "provider (ANTHROPIC_API_KEY, OPENAI_API_KEY, …).",
}


def failed_result(results: pd.DataFrame, turn: int | None) -> str | None:
    """Return the agent's own reason for a failed turn; None if the turn did not fail.

    Empty if it gave no reason.

    Args:
        results: a results frame of one session.
        turn: the number of the turn; None for the last one.
    """
    rows = results if turn is None else results[results["turn"].eq(turn).fillna(False)]
    if not len(rows):
        return None
    if not rows["is_error"].fillna(False).iloc[-1]:  # NA too: it reported no failure
        return None
    text = rows["result"].iloc[-1]
    return one_line(text, _LONGEST) if isinstance(text, str) else ""


def error_line(events: Iterable[StreamEvent]) -> str:
    """Return the last line on stderr in the last turn that is not noise, or the failed stage's."""
    chunks: list[str] = []
    for event in events:
        extra = event.extra
        if event.type == "turn_start":
            chunks.clear()
        elif event.type == "stage" and extra.get("state") == "failed":
            chunks.append(f"{extra.get('message') or ''}\n")
        elif event.type == "output" and extra.get("stream") == "stderr":
            chunks.append(str(extra.get("data") or ""))
    from aod_notebook.transcripts.noise import is_noise

    lines = [line for line in "".join(chunks).strip().splitlines() if not is_noise(line)]
    return one_line(lines[-1], _LONGEST) if lines else ""


def advice(runtime: str | None, reason: str) -> str:
    """Return where to log in if the reason is a missing login, else an empty string.

    Example:
        >>> advice("codex", "unexpected status 401 Unauthorized")
        'Log in with `codex login` in a terminal, or set OPENAI_API_KEY.'
        >>> advice("codex", "the disk is full")
        ''
    """
    where = _WHERE.get(runtime or "", "")
    if where and _LOGIN.search(reason):
        return where
    if runtime == "opencode" and _OPENCODE_VAGUE in reason:
        return f"A wrong model or a missing login ends so. {where} `opencode models` lists models."
    return ""


def failure_of(session: Any) -> str:
    """Return the line about a `LiveSession` that failed: why, and what to do next."""
    code = session.exit_code
    last = error_line(event for event, _ in session.received())
    own = agents_reason(session)
    if own is not None:  # in the agent's own words, which explain more than a number
        how = f": {own}"
    elif code is None:  # it never ran or was killed; the service knows why
        how = f": {last.removeprefix('provision failed: ').removeprefix('turn failed: ')}"
    else:
        how = f": its {session.runtime or 'agent'} exited with code {code}"
        how = f"{how} ({last})" if last else how
    where = advice(session.runtime, f"{own or ''} {last}")
    failure = f"Session {session.id} failed{how.rstrip(': .')}. {where}".rstrip()
    return f"{failure} %aod events {session.id} shows its log."


def agents_reason(session: Any) -> str | None:
    """Return the agent's own reason for the failure of its last turn; None if that did not fail."""
    if session.runtime == "shell":  # which may print what looks like an agent's result
        return None
    received = [event for event, _ in session.received()]
    turns = [event.extra.get("turn") for event in received if event.type == "turn_start"]
    reason = failed_result(session.results, turns[-1] if turns else None)
    if reason == "":  # gemini writes it on a line of its own, or on stderr
        messages = session.messages
        errors = messages.loc[messages["line_type"].eq("error"), "text"].dropna()
        last = str(errors.iloc[-1]) if len(errors) else error_line(received)
        return last or "it gives no reason"
    return reason
