"""`%%aod --each`: a session per row of a table; limits of cells, notebooks and days; `--reuse`."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.display import display

from aod_notebook import live
from aod_notebook.core import words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted, one_line
from aod_notebook.live.agents import DEFAULT_MODELS
from aod_notebook.live.batch import (
    BatchStoppedError,
    Expected,
    LimitReachedError,
    Regex,
    Shell,
    scores,
)
from aod_notebook.live.batch.guards import Guard, Limit, check_priced, guarded
from aod_notebook.live.batch.journal import keep_reusable, reusable
from aod_notebook.live.batch.plan import plan
from aod_notebook.live.batch.reading import Spending
from aod_notebook.live.batch.spending import spent_in
from aod_notebook.live.batch.start import dry_run, prepare, run_scored
from aod_notebook.live.start import BUDGET_VARIABLE, agent_of
from aod_notebook.magics.display import is_live, say
from aod_notebook.magics.parser import MagicUsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from aod_notebook.live import LiveSession, SessionRequest
    from aod_notebook.live.batch.run import Batch
    from aod_notebook.live.batch.scores import Score
    from aod_notebook.live.connections import AodConnection
    from aod_notebook.magics.commands.batch import LimitTraits

_CELL = "%%aod"
_TEXT_CHARS = 200


def limits_of(options: argparse.Namespace, config: LimitTraits, on: AodConnection) -> list[Limit]:
    """Return the limits of a cell, of its notebook and of the day.

    Raises:
        LimitReachedError: one is reached already.
        LimitError: one is not an amount.
        MagicUsageError: one is not a number.
    """
    cost = _number(options.max_cost, "--max-cost", float, config.max_cost)
    tokens = _number(options.max_tokens, "--max-tokens", int, config.max_tokens)
    repeats = _number(options.max_repeats, "--max-repeats", int, config.max_repeats)
    limits = [Limit(cost_usd=cost, tokens=tokens, repeats=repeats)]
    wider = {"notebook": config.max_cost_per_notebook, "day": config.max_cost_per_day}
    for scope, amount in wider.items():
        if amount:
            before = spent_in(scope, on)
            limits.append(Limit(scope=scope, cost_usd=amount, before=before))
            reason = limits[-1].reached(Spending())
            if reason is not None:
                raise LimitReachedError(
                    f"{reason}, so nothing was started. %aod cost shows for what."
                )
    return [limit for limit in limits if limit.is_set]


@contextlib.contextmanager
def guarding(session: LiveSession, limits: Sequence[Limit], start: int) -> Iterator[None]:
    """Keep the limits of a session that a cell runs.

    Raises:
        LimitReachedError: the session was ended for one.
    """
    if not limits:
        yield
        return
    with guarded(session, limits, start) as guard:
        yield
    if guard.ended is not None:
        raise LimitReachedError(f"Session {session.id}: {guard.ended}")


def within(request: SessionRequest, limits: Sequence[Limit], on: AodConnection) -> SessionRequest:
    """Return the request with the limit for its CLI among its variables.

    Raises:
        LimitError: the agent's cost cannot be known.
    """
    remaining = Guard(limits).remaining_usd
    if remaining is None:
        return request
    agent, _ = agent_of(request, on)
    runtime, model = request.runtime or request.provider, request.model
    if agent is not None:
        runtime, model = agent.runtime or agent.provider, agent.model
    check_priced(limits, [(runtime, model or DEFAULT_MODELS.get(runtime or ""))])
    return replace(request, secrets={**request.secrets, BUDGET_VARIABLE: f"{remaining:.6f}"})


def reused(request: SessionRequest, on: AodConnection) -> LiveSession | None:
    """Return the stored session of the same cell, and print that; None if there is none."""
    _, key = agent_of(request, on)
    session_id = None if key is None else reusable(key, on.key)
    if session_id is None:
        return None
    with contextlib.suppress(AodNotebookError):
        row = on.client.sessions.get(session_id)
        if row.status == "completed" and row.current_turn == 1:
            say(
                f"Session {session_id} ({words.age(row.created_at)}) is reused: nothing was "
                "run. Leave out --reuse to run it again."
            )
            return live.attach(session_id, on)
    return None


def remember_reusable(session: LiveSession, on: AodConnection) -> None:
    """Keep a session that completed for `--reuse`."""
    if session.reuse_key is not None and session.status == "completed":
        with contextlib.suppress(OSError, AodNotebookError):
            keep_reusable(session.reuse_key, on.key, session.id)


def run_each(
    options: argparse.Namespace,
    request: SessionRequest,
    names: dict[str, object],
    config: LimitTraits,
) -> None:
    """Run a session for each row, and show and bind the result.

    Raises:
        BatchStoppedError: interrupted; what there is is bound to `-o`.
        AodNotebookError: nothing was started; the message says why.
    """
    on = live.connection()
    rows = _held(options.each, names, "--each")
    over = _over(options.over)
    repeat = _number(options.repeat, "--repeat", int, 1) or 1
    made = plan(rows, request, on, over=over, repeat=repeat, names=names, make=not options.dry_run)
    score = _score(options, names, made.rows)
    scores.check(score, made.rows, on)
    if options.dry_run:
        say(dry_run(made, on))
        return
    batch = prepare(
        made,
        on,
        jobs=_number(options.jobs, "--jobs", int, 4) or 4,
        limits=limits_of(options, config, on),
        reuse=options.reuse or config.reuse,
        resume=not options.restart,
        dask=None if options.dask is None else _held(options.dask, names, "--dask"),
        progress=not options.quiet,
    )
    if batch.resumed:
        say(f"Batch {batch.id} continues where it was left; --restart begins it again.")
    _run(batch, score, options, names)


def _run(
    batch: Batch, score: Score | None, options: argparse.Namespace, names: dict[str, object]
) -> None:
    if not options.quiet and is_live(options.view):
        from aod_notebook.viewers.board import Board

        batch.changed = None  # the board looks by itself
        Board(batch, stop=batch.stop).show()
    try:
        frame = run_scored(batch, score)
    except BatchStoppedError as error:
        if options.output is not None:
            names[options.output] = error.result
        raise
    if options.output is not None:
        names[options.output] = frame
    say(summary(batch, frame))
    if not options.quiet:
        display(_shown(frame))  # type: ignore[no-untyped-call]
        _compare(frame, batch.plan.over)


def summary(batch: Batch, frame: pd.DataFrame) -> str:
    """Return a line with the end of a batch."""
    parts = [f"Batch {batch.id}: {counted(len(frame), 'session')}"]
    states = frame["status"].value_counts()
    parts.append(", ".join(f"{number:,} {state}" for state, number in states.items()))
    reused_count = int(frame["is_reused"].sum())
    if reused_count:
        parts.append(f"{reused_count:,} reused, for which nothing was paid now")
    paid = frame.loc[~frame["is_reused"].astype(bool), "cost_usd"].dropna()
    if len(paid):
        parts.append(words.dollars(float(paid.sum())))
    if batch.guard.used_up:
        parts.append(batch.guard.used_up)
    return " · ".join(parts)


def _compare(frame: pd.DataFrame, over: Sequence[str]) -> None:
    """Show the varied options side by side, with intervals, if answers were scored."""
    if not over or "score" not in frame or frame["score"].dtype == object:
        return
    from aod_notebook.frames import prepare as prepared

    for name in over:
        groups = list(dict.fromkeys(frame[name]))
        if len(groups) > 1:
            display(prepared.compare(frame, name, "score", groups[0], confidence=0.95))  # type: ignore[no-untyped-call]


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the result in a form for pages: agents' texts are cleaned and short."""
    shown = frame.copy()
    for name in ("text", "error"):
        shown[name] = shown[name].map(lambda text: one_line(text, _TEXT_CHARS), na_action="ignore")
    return shown


def _held(name: str, names: Mapping[str, object], option: str) -> Any:
    if name not in names:
        raise MagicUsageError(f"{_CELL}: {option} {name}: the notebook has no variable {name!r}.")
    return names[name]


def _number(text: str | None, option: str, kind: Any, usual: Any) -> Any:
    """Return an option's number, else the configured one; None for 0, which means no limit."""
    if text is None:
        return usual or None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not 0 < value < math.inf:
        what = "a whole number from 1 on" if kind is int else "a number above 0"
        raise MagicUsageError(f"{_CELL}: {option} takes {what}, not {text!r}.")
    return value


def _over(texts: Sequence[str]) -> dict[str, list[str]]:
    over: dict[str, list[str]] = {}
    for text in texts:
        name, found, values = text.partition("=")
        name = {"env": "environment"}.get(name, name)
        if not found or not values or name in over:
            raise MagicUsageError(f"{_CELL}: --over takes NAME=A,B, each name once, not {text!r}.")
        over[name] = [value.strip() for value in values.split(",")]
    return over


def _score(
    options: argparse.Namespace, names: Mapping[str, object], rows: pd.DataFrame
) -> Score | None:
    if options.score_regex is not None:
        return Regex(options.score_regex)
    if options.score_shell is not None:
        return Shell(options.score_shell)
    if options.score is None:
        return None
    if options.score in rows:
        return Expected(options.score)
    held = names.get(options.score)
    if not callable(held):
        raise MagicUsageError(
            f"{_CELL}: --score takes a function or a column of the table; {options.score!r} is neither."
        )
    return held
