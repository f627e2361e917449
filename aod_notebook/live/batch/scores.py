"""Scores: how good each answer of a batch is, as a column of its result."""

from __future__ import annotations

import os
import re
import subprocess
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.core.text import one_line
from aod_notebook.live.batch.plan import BatchError
from aod_notebook.live.embedded import embedded_data_dir

if TYPE_CHECKING:
    import pandas as pd

    from aod_notebook.live.batch.plan import Plan
    from aod_notebook.live.connections import AodConnection

ENDED = ("completed", "failed", "terminated")
_SHELL_S = 60.0


class ScoreWarning(UserWarning):
    """A score could not be computed; it is missing.

    Fix: See the reason in the message; correct `score=` and run the batch again.
    """


@dataclass(frozen=True)
class Expected:
    """Whether the answer is the text in a column; white space around both is ignored."""

    column: str


@dataclass(frozen=True)
class Regex:
    """Whether the regular expression in a column is found in the answer."""

    column: str


@dataclass(frozen=True)
class Shell:
    """Whether a shell command succeeds in the session's workspace; embedded service only.

    It sees the session's home and none of the kernel's variables but `PATH` and `LANG`.
    """

    command: str
    timeout_s: float = _SHELL_S


Score = Expected | Regex | Shell | str | Callable[[Mapping[str, Any]], Any]


def check(score: Score | None, rows: pd.DataFrame, on: AodConnection) -> None:
    """Refuse a score that can't be computed, before anything is started.

    Raises:
        BatchError: a column is missing or has no text, an expression is none, or the service has
            no workspaces on this machine.
    """
    if score is None or (callable(score) and not isinstance(score, Expected | Regex | Shell | str)):
        return
    if isinstance(score, Shell):
        if not score.command.strip():
            raise BatchError("The command of the score is empty.")
        if not on.is_embedded:
            raise BatchError(
                "A shell command can score on the embedded service only: elsewhere the workspaces "
                "are not on this machine. Use a function, or %aod connect --local."
            )
        return
    if not isinstance(score, Expected | Regex | str):
        raise BatchError(
            f"score takes a function, a column, Expected, Regex or Shell, not {type(score).__name__}."
        )
    column = score if isinstance(score, str) else score.column
    if column not in rows:
        known = one_line(", ".join(map(str, rows.columns)))
        raise BatchError(f"The table has no column {column!r} to score by. It has {known}.")
    if rows[column].isna().any():
        raise BatchError(f"The column {column!r} has missing values, so it can't score every row.")
    for text in rows[column] if isinstance(score, Regex) else ():
        try:
            re.compile(str(text))
        except re.error as error:
            raise BatchError(
                f"{text!r} in {column!r} is not a regular expression: {error}."
            ) from None


def scored(frame: pd.DataFrame, plan: Plan, score: Score) -> pd.DataFrame:
    """Return the result with the column `score`; of `Shell` with `score_exit_code`, too.

    A session that has not ended has no score. One that failed or was terminated is False by a
    column, an expression or a command; a function is called for it, too.
    """
    import pandas as pd

    inputs: Any = plan.rows.take([item.row for item in plan.items]).to_dict("records")
    results: Any = frame.to_dict("records")
    values, codes = [], []
    for label, given, found in zip(frame.index, inputs, results, strict=True):
        value, code = _score(score, given, found, label)
        values.append(value)
        codes.append(code)
    whole = frame.copy()
    whole["score"] = pd.array(values, dtype=_dtype(values))
    if isinstance(score, Shell):
        whole["score_exit_code"] = pd.array(codes, dtype="Int64")
    whole.attrs = dict(frame.attrs)
    return whole


def _dtype(values: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    known = [value for value in values if value is not pd.NA and value is not None]
    if all(isinstance(value, bool | np.bool_) for value in known):
        return "boolean"
    is_number = all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool)
        for value in known
    )
    return "Float64" if is_number else object


def _score(
    score: Score, given: Mapping[str, Any], found: Mapping[str, Any], label: object
) -> tuple[Any, int | None]:
    import pandas as pd

    if found["status"] not in ENDED:
        return pd.NA, None
    if not isinstance(score, Expected | Regex | Shell | str):
        try:
            value = score({**given, **found})
        except Exception as error:  # noqa: BLE001 - one bad row must not cost the others' results
            _warn(label, f"{type(error).__name__}: {error}")
            return pd.NA, None
        return (pd.NA if value is None else value), None
    if found["status"] != "completed":
        return False, None
    if isinstance(score, Shell):
        return _exit_code(score, found["session"], label)
    text = "" if pd.isna(found["text"]) else str(found["text"])
    if isinstance(score, Regex):
        return re.search(str(given[score.column]), text) is not None, None
    column = score if isinstance(score, str) else score.column
    return text.strip() == str(given[column]).strip(), None


def _exit_code(score: Shell, session_id: str, label: object) -> tuple[Any, int | None]:
    import pandas as pd

    folder = embedded_data_dir() / "sessions" / session_id
    seen = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S602 - a shell command is what was asked for
            score.command,
            shell=True,
            cwd=folder / "workspace",
            env={**seen, "HOME": str(folder / "home"), "AOD_SESSION_ID": session_id},
            capture_output=True,
            timeout=score.timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        how = f"took longer than {score.timeout_s:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)  # fmt: skip
        _warn(label, f"the command {how}")
        return pd.NA, None
    return done.returncode == 0, done.returncode


def _warn(label: object, reason: str) -> None:
    warnings.warn(f"Row {label!r} has no score: {one_line(reason)}.", ScoreWarning, stacklevel=6)
