"""The frames of sessions' transcripts, from any source: `events_df` and its kin."""

from collections.abc import Callable, Iterable
from typing import Any

from aod_notebook.frames._signatures import Table, table_function
from aod_notebook.frames.native import concat
from aod_notebook.frames.report import Framed, Report
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Derive, Gathered, with_report
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.results import model_usage_of, results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of

_ARGUMENTS = """
    Args:
        source: a session id, a session, a followed session, several of these, a frame with
            a `session_id` column, a client; or what holds events itself: an events frame,
            `StreamEvent` objects, the bytes of SSE bodies, a `Store`. None means all
            sessions.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        since: only events after this id.
        jobs: how many sessions are asked for at the same time.
        progress: say on stderr how far it is.
        strict: False returns `(frame, problems)` and warns of nothing.

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.

    Warns:
        FrameWarning: something is missing; `df.attrs` says what.
"""
_Make = Callable[[Gathered, Iterable[str] | None, Iterable[str]], Framed]


def _events_of(gathered: Gathered, columns: Iterable[str] | None, exclude: Iterable[str]) -> Framed:
    schema = SCHEMAS["events"]
    wanted = schema.select(columns, exclude)
    frame = concat(list(gathered.frames()), wanted)
    frame.attrs = Report().attrs(schema)
    return Framed(frame, Report())


def _read_by(derive: Derive) -> _Make:
    """Make a frame of the source's transcripts."""
    return lambda gathered, columns, exclude: derive(gathered.pieces(), columns, exclude)


def _table(name: str, meaning: str, make: _Make) -> Table:
    """Make the public function of a frame that is derived from events."""

    def made(
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
    ) -> Framed:
        gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
        return with_report(make(gathered, columns, exclude), gathered.report)

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"{meaning}\n{_ARGUMENTS}"
    return table_function(made)


events_df = _table("events_df", "One row per event of the sessions' streams.", _events_of)
messages_df = _table(
    "messages_df",
    "One row per content block of the sessions' transcripts.",
    _read_by(messages_of),
)
tool_calls_df = _table(
    "tool_calls_df",
    "One row per tool call, joined with its result.",
    _read_by(tool_calls_of),
)
results_df = _table(
    "results_df",
    "One row per turn that said how it ended, with its tokens and cost.",
    _read_by(results_of),
)
model_usage_df = _table(
    "model_usage_df", "One row per model used in a turn.", _read_by(model_usage_of)
)
