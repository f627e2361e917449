"""Find the object of a command: a session, a run, a variable, the AgentOS connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aod_notebook import live
from aod_notebook.agentos import AgentOSNotFoundError
from aod_notebook.aod import NotFoundError
from aod_notebook.live.agents import NoSuchNameError
from aod_notebook.live.connections import current_if_any, default_notice
from aod_notebook.live.credentials import AGENTOS
from aod_notebook.live.embedded import EMBEDDED
from aod_notebook.live.handle import LAST
from aod_notebook.magics.display import say
from aod_notebook.magics.parser import MagicUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aod_notebook.live import LiveRun, LiveSession
    from aod_notebook.live.connections import AgentOSConnection, Connection


def find_session(reference: str, names: Mapping[str, object]) -> LiveSession:
    """Return the session for a reference, by `live.open_session`.

    Raises:
        NoSuchNameError: there is no such session.
        NoLastSessionError: `last`, and no session was followed on this service yet.
        WrongVariableError: the variable holds something else.
    """
    with _named("session", reference, names, live.connection(), "%aod sessions"):
        return live.open_session(reference, names)


def find_run(reference: str, names: Mapping[str, object], noun: str = "run") -> LiveRun:
    """Return the run for a reference, by `live.open_run`.

    Args:
        reference: a variable's name, an id or `last`.
        names: the notebook's variables.
        noun: what could have been meant.

    Raises:
        NoSuchNameError: there is no such run.
        NoLastRunError: `last`, and no run was followed on this service yet.
        WrongVariableError: the variable holds something else.
    """
    with known_run(reference, names, noun):
        return live.open_run(reference, names)


@contextlib.contextmanager
def known_run(reference: str, names: Mapping[str, object], noun: str = "run") -> Iterator[None]:
    """Turn "not found" into an error that names the run and how to list runs.

    Raises:
        NoSuchNameError: there is no such run.
    """
    with _named(noun, reference, names, live.agentos_connection(), "%agentos runs"):
        yield


@contextlib.contextmanager
def _named(
    noun: str, reference: str, names: Mapping[str, object], on: Connection[Any, Any], command: str
) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, AgentOSNotFoundError) as error:
        where = f"the {EMBEDDED}" if on.is_embedded else on.base_url
        if reference == LAST:
            text = f"The last {noun} is not at {where} any more."
        elif names.get(reference) is None:
            text = f"There is no {noun} {reference} at {where} and no variable of that name."
        else:
            text = f"The {noun} that the variable {reference} holds is not at {where}."
        raise NoSuchNameError(f"{text} {command} lists what is there.") from error


def agentos_connection() -> AgentOSConnection:
    """Return the AgentOS connection; print once that it is the embedded one by default."""
    is_new = current_if_any(AGENTOS) is None
    on = live.agentos_connection()
    notice = default_notice(AGENTOS) if is_new else None
    if notice is not None:
        say(notice)
    return on


def input_of(name: str | None, names: Mapping[str, object], magic: str) -> dict[str, Any] | None:
    """Return the dict named by `--input NAME`.

    Raises:
        MagicUsageError: there is no such variable, or it holds something else.
    """
    if name is None:
        return None
    if not name.isidentifier():
        raise MagicUsageError(
            f"{magic}: --input takes the name of a variable with a dict, not {name!r} itself."
        )
    if name not in names:
        raise MagicUsageError(f"{magic}: --input {name}: the notebook has no variable {name!r}.")
    value = names[name]
    if not isinstance(value, dict):
        raise MagicUsageError(
            f"{magic}: --input takes a variable with a dict; {name} is of type "
            f"{type(value).__name__}. Put it into one: {{'query': {name}}}"
        )
    return value
