"""How figures name sessions: by the short id, and by what was asked first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pandas as pd

from aod_notebook import frames
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.plots._given import has, is_agentos
from aod_notebook.plots._text import short, shown

if TYPE_CHECKING:
    from collections.abc import Sequence


def named(session_id: object, prompt: object, chars: int = 38) -> str:
    """Return the name of a session or run in a figure.

    Example:
        >>> named("2bc7f561-935d-44ed-92d0-4a435721ed3f", "Fix the report")
        '2bc7f561  Fix the report'
    """
    return f"{short(session_id) or '?'}  {shown(prompt, chars)}".rstrip()


def owners(ids: Sequence[str], owner: str, prompts: dict[str, str]) -> str:
    """Return of which session or run a figure is; of how many, if there are several.

    Example:
        >>> owners(["nightly"], "run", {}), owners(["a", "b"], "session", {}), owners([], "run", {})
        ('run nightly', '2 sessions', '')
    """
    if len(ids) == 1:
        return f"{owner} {named(ids[0], prompts.get(ids[0]))}"
    return counted(len(ids), owner) if ids else ""


def first_prompts(source: Any, ids: Sequence[str], client: Any = None) -> dict[str, str]:
    """Return the first prompts of sessions, as far as they are known; a frame asks no service."""
    if isinstance(source, pd.DataFrame):
        if not has(source, "session_id", "prompt"):
            return {}
        return _first(source)
    if getattr(source, "prompts", None):
        return {str(source.id): source.prompts[min(source.prompts)]}
    if not len(ids) or isinstance(source, bytes) or is_agentos(source, client):
        return {}
    with contextlib.suppress(AodNotebookError):  # then the ids alone are the names
        of = source if isinstance(source, frames.Store) else list(ids)
        return _first(frames.turns_df(of, client=client, columns=["session_id", "turn", "prompt"]))
    return {}


def _first(table: pd.DataFrame) -> dict[str, str]:
    rows = table.dropna(subset=["session_id", "prompt"])
    if "turn" in rows:
        rows = rows.sort_values("turn", kind="stable")
    first = rows.drop_duplicates("session_id")
    return {
        str(key): str(value)
        for key, value in zip(first["session_id"], first["prompt"], strict=True)
    }
