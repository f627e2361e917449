"""One session of a comparison: its steps and totals."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
import pyarrow.dataset as ds

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.fetch import session_events
from aod_notebook.frames.followed import followed_events
from aod_notebook.frames.logs.rows import (
    events_of_logs,
    is_path,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.report import Report
from aod_notebook.frames.rows import records
from aod_notebook.frames.sessions.details import of_pieces
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of
from aod_notebook.frames.sources import asked, held_events
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.pieces import Piece, pieces
from aod_notebook.frames.transcripts.results import results_of, turn_results
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of
from aod_notebook.transcripts.files import Touch, touched
from aod_notebook.transcripts.model import add

_NOTES = ("description",)
"""What an agent writes beside a command; the command is what it does."""
_CALL = (
    "parent_tool_use_id", "order", "turn", "tool", "input", "summary", "is_error", "has_result", "duration_s",
)  # fmt: skip
_SUMMARY_CHARS = 500
_LISTED_IDS = 5


@dataclass(slots=True)
class Step:
    """One step of a session: a call, an edit, or text."""

    what: str
    tool: str | None
    summary: str | None
    input: str | None
    outcome: str | None
    duration_s: float | None
    turn: int | None
    order: int
    key: tuple[Any, ...]
    kind: str
    """What steps must have in common to be shown as one changed into the other."""
    touches: list[Touch] = field(default_factory=list)
    is_nested: bool = False
    given: Any = None
    """The decoded input, without the folder of the session."""

    @property
    def lines(self) -> tuple[int | None, int | None]:
        """How many lines an edit adds and removes; None where that is unknown."""
        if self.what != "edit":
            return None, None
        return _sum(t.added_lines for t in self.touches), _sum(
            t.removed_lines for t in self.touches
        )


@dataclass(slots=True)
class Side:
    """One session: its steps in order, and its totals; None is unknown."""

    calls: list[Step]
    words: list[Step]
    totals: dict[str, Any]
    prompts: list[str | None] | None
    last_words: str | None
    report: Report


@dataclass(slots=True)
class _ReadSession:
    """A session as read: its events, and its rows in a service or log."""

    events: pd.DataFrame
    report: Report
    session: dict[str, Any] = field(default_factory=dict)
    turns: list[dict[str, Any]] | None = None


def read_side(reference: Any, source: Any, client: Any) -> Side:
    """Read one session.

    Args:
        reference: what `tool_calls_df` takes, of one session.
        source: a store, a path of logs or an events frame in which `reference` is an id.
        client: the client to ask; by default the current connection's.

    Raises:
        FrameError: that is not one session.
    """
    return _side(_known(reference, source, client))


def _known(reference: Any, source: Any, client: Any) -> _ReadSession:
    if hasattr(source, "sessions") and hasattr(source, "agents"):
        source, client = None, source
    at, wanted = (reference, None) if source is None else (source, str(reference))
    if isinstance(at, Store):
        return _of_store(at, wanted)
    if is_path(at):
        return _of_logs(at, wanted)
    held = held_events(at) if not hasattr(at, "received") else None
    if held is not None:
        return _of_events(held.frame, held.report, wanted)
    if source is not None:
        raise FrameError(f"source must be a store, a path of logs or events, not {shown(source)}")
    return _of_service(reference, client)


def _one(ids: Iterable[Any], wanted: str | None, where: str) -> str:
    """Return the one id; a prefix is enough."""
    known = [str(one) for one in ids]
    if wanted is None:
        found, problem = known, f"{where} has {len(known)} sessions, and a side is one"
    elif wanted in known:
        return wanted
    else:
        found = [one for one in known if one.startswith(wanted)]
        some = f"{len(found)} sessions" if found else "no session"
        problem = f"{where} has {some} {wanted!r}"
    if len(found) == 1:
        return found[0]
    listed = ", ".join((found or known)[:_LISTED_IDS])
    more = ", …" if len(found or known) > _LISTED_IDS else ""
    hint = f": pass source= and one of the ids {listed}{more}" if listed else ""
    raise FrameError(problem + hint)


def _of_store(store: Store, wanted: str | None) -> _ReadSession:
    one = _one(store.session_ids, wanted, f"The store {str(store.path)!r}")
    only = ds.field("session_id") == one
    events, sessions, turns = (
        store.frame(name, filter=only) for name in ("events", "sessions", "turns")
    )
    return _ReadSession(events, Report.of(events), records(sessions)[0], records(turns))


def _of_logs(path: Any, wanted: str | None) -> _ReadSession:
    report = Report()
    logs = sessions_at(path, report)
    one = _one([log.session_id for log in logs], wanted, str(path))
    own = [log for log in logs if log.session_id == one]
    session = records(sessions_of_logs(own))[0]
    return _ReadSession(events_of_logs(own), report, session, records(turns_of_logs(own)))


def _of_events(events: pd.DataFrame, report: Report, wanted: str | None) -> _ReadSession:
    ids = list(events["session_id"].dropna().unique())
    if wanted is not None:
        one = _one(ids, wanted, "source")
        events = events[events["session_id"].eq(one).fillna(value=False)].reset_index(drop=True)
    elif len(ids) > 1:
        _one(ids, None, "What was passed")
    return _ReadSession(events, report)


def _of_service(reference: Any, client: Any) -> _ReadSession:
    owner, ids = asked(reference, client)
    if ids is None or len(ids) != 1:
        number = "all" if ids is None else f"{len(ids):,}"
        raise FrameError(f"A side of a comparison is one session, not {number}: pass one id")
    item = ids[0]
    is_followed = hasattr(item, "received")
    one = str(item.id) if is_followed else str(item)
    try:
        session = owner.sessions.get(one)
    except AodNotebookError:
        if not is_followed:
            raise
        framed = followed_events(item)  # the service is gone; its events are held
        return _ReadSession(framed.frame, framed.report, {"session_id": one})
    framed = followed_events(item) if is_followed else session_events(owner, session)
    known = records(sessions_of([session]))[0]
    if session.agent_id is not None:
        try:
            agent = owner.agents.get(str(session.agent_id))
        except AodNotebookError:  # archived, or nobody may ask
            agent = None
        known |= {"agent": getattr(agent, "name", None), "model": getattr(agent, "model", None)}
    turns = records(turns_of([(one, owner.sessions.turns(one))]))
    return _ReadSession(framed.frame, framed.report, known, turns)


def _side(known: _ReadSession) -> Side:
    transcript = list(pieces([known.events], lambda _: known.session.get("model")))
    inside = _Inside(_folder(transcript) or known.session.get("cwd"))
    rows = records(tool_calls_of(transcript, _CALL).frame)
    words = list(_words(transcript))
    ids = known.events["session_id"].dropna()
    one = known.session.get("session_id") or (str(ids.iloc[0]) if len(ids) else None)
    steps = [_call(row, inside) for row in rows]
    prompts = None if known.turns is None else [turn["prompt"] for turn in known.turns]
    return Side(
        steps,
        words,
        {"session_id": one, **_totals(known, transcript, steps)},
        prompts,
        words[-1].key[-1] if words else None,
        known.report,
    )


def _totals(known: _ReadSession, transcript: list[Piece], steps: list[Step]) -> dict[str, Any]:
    facts = of_pieces(transcript)
    cost, source = _cost(transcript, facts["cost_usd"])
    results = [row.result for row in turn_results(transcript)]
    tokens_in = tokens_out = None
    for result in results:
        tokens_in, tokens_out = add(tokens_in, result.tokens_in), add(tokens_out, result.tokens_out)
    turns = known.turns
    times = None if turns is None else [turn["duration_s"] for turn in turns]
    if not times or None in times:
        spans = [result.duration_ms for result in results]
        whole = spans and None not in spans and len(spans) == len(turns or spans)
        times = [span / 1000 for span in spans if span is not None] if whole else None
    prompts = [turn["prompt"] for turn in turns or () if turn["prompt"]]
    numbers = {piece.turn for piece in transcript if piece.turn is not None}
    return {
        "agent": known.session.get("agent") or known.session.get("runtime"),
        "model": facts["model"] or known.session.get("model"),
        "status": known.session.get("status"),
        "exit_code": known.session.get("exit_code"),
        "prompt": prompts[0] if prompts else None,
        "turn_count": len(turns) if turns is not None else len(numbers) or None,
        "tool_call_count": facts["tool_call_count"],
        "failed_tool_call_count": facts["failed_tool_call_count"],
        "edited_file_count": len({touch.path for step in steps for touch in edits(step)}),
        "tokens_in": tokens_in,
        "cache_read_tokens": facts["cache_read_tokens"],
        "tokens_out": tokens_out,
        "cost_usd": cost,
        "cost_source": source,
        "duration_s": None if times is None else sum(times),
    }


def _cost(transcript: list[Piece], reported: float | None) -> tuple[float | None, str | None]:
    """Return the cost of a session and its source; computed only if all its turns have prices."""
    if reported is not None:
        return reported, "reported"
    computed = results_of(transcript).frame["computed_cost_usd"]
    if len(computed) and computed.notna().all():
        return float(computed.sum()), "computed"
    return None, None


def edits(step: Step) -> list[Touch]:
    """Return the changes of files that a step made; one that failed made none."""
    return [] if step.outcome == "failed" or step.what != "edit" else step.touches


def _call(row: dict[str, Any], inside: "_Inside") -> Step:
    given = _given(row["input"], inside)
    touches = [t for t in touched(row["tool"], given) if t.operation != "read"]
    what = "edit" if touches else "call"
    summary = row["summary"]
    return Step(
        what,
        row["tool"],
        None if summary is None else inside.of(summary),
        row["input"],
        "no result" if not row["has_result"] else "failed" if row["is_error"] else "ok",
        row["duration_s"],
        row["turn"],
        row["order"],
        (row["tool"], _normalised(given)),
        what if touches else f"call {row['tool']}",
        touches,
        row["parent_tool_use_id"] is not None,
        given,
    )


def _words(transcript: list[Piece]) -> Iterable[Step]:
    for piece in transcript:
        for index, entry in enumerate(piece.entries):
            is_own = entry.line_type == "assistant" and entry.parent_tool_use_id is None
            text = (entry.text or "").strip()
            if is_own and entry.block == "text" and text:
                short = " ".join(text[: 8 * _SUMMARY_CHARS].split())[:_SUMMARY_CHARS]
                order = piece.first_order + index
                key = ("words", text)
                yield Step("words", None, short, None, None, None, piece.turn, order, key, "words")


def _folder(transcript: list[Piece]) -> str | None:
    """Return the folder in which the agent worked, as its first line says."""
    for piece in transcript:
        for entry in piece.entries:
            if entry.subtype == "init" and isinstance(folder := entry.fields.get("cwd"), str):
                return folder
    return None


class _Inside:
    """Removes the working folder of a session from its texts: each session has its own."""

    def __init__(self, folder: str | None) -> None:
        plain = (folder or "").rstrip("/")
        self._path = re.compile(rf"(?<![\w./-]){re.escape(plain)}(/|(?![\w.-]))") if plain else None

    def of(self, value: Any) -> Any:
        """Return a value with all its texts relative to the folder."""
        if isinstance(value, str):
            if self._path is None:
                return value
            return self._path.sub(lambda found: "" if found[1] else ".", value)
        if isinstance(value, dict):
            return {key: self.of(each) for key, each in value.items()}
        return [self.of(each) for each in value] if isinstance(value, list) else value


def _normalised(given: Any) -> str:
    """Return the input of a call as a text that is equal for calls that do the same."""
    if isinstance(given, dict) and "command" in given:
        given = {key: value for key, value in given.items() if key not in _NOTES}
    return msgspec.json.encode(given, order="sorted").decode()


def _given(text: str | None, inside: "_Inside") -> Any:
    """Return the decoded input of a call; text that is not JSON, or nested too deeply, stays text."""
    try:
        return None if text is None else inside.of(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError):
        return text


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(n for n in known if n is not None)
