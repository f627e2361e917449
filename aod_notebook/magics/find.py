"""Finding the session or run that a command means; one that is not there is said in a line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aod_notebook import live
from aod_notebook.agentos import AgentOSNotFoundError
from aod_notebook.aod import NotFoundError
from aod_notebook.live.agents import NoSuchNameError
from aod_notebook.live.embedded import EMBEDDED
from aod_notebook.live.start import LAST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aod_notebook.live import LiveRun, LiveSession
    from aod_notebook.live.connections import Connection

__all__ = ["find_run", "find_session", "known_run"]


def find_session(reference: str, names: Mapping[str, object]) -> LiveSession:
    """Return the session that `live.open_session` gives.

    Raises:
        NoSuchNameError: there is no such session.
        NoLastSessionError: `last`, and no session was followed on this service yet.
        WrongVariableError: the variable holds something else.
    """
    with _said("session", reference, names, live.connection(), "%aod sessions"):
        return live.open_session(reference, names)


def find_run(reference: str, names: Mapping[str, object], noun: str = "run") -> LiveRun:
    """Return the run that `live.open_run` gives.

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
    """Say of what is asked of a run that the service has no such run.

    Raises:
        NoSuchNameError: it has not.
    """
    with _said(noun, reference, names, live.agentos_connection(), "%agentos runs"):
        yield


@contextlib.contextmanager
def _said(
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
