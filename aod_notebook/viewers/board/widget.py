"""`Board`: sessions and runs as one live table in a notebook."""

from __future__ import annotations

import statistics
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from aod_notebook.core import current, words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted, one_line
from aod_notebook.viewers.board.row import QUEUED, is_active
from aod_notebook.viewers.board.sources import source_of
from aod_notebook.viewers.board.static import board_html, board_plain
from aod_notebook.viewers.compare import compare
from aod_notebook.viewers.record_view import RecordView
from aod_notebook.viewers.stream import StreamViewer
from aod_notebook.viewers.trace.widget import TraceViewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.viewers.board.row import BoardRow
    from aod_notebook.viewers.board.sources import BatchProgress

LEAST_ENDED = 10
"""From so many finished sessions on the rest can be estimated."""
RECENT = 50
MOST_FAILING = 3
SIDES = 2
MOST_AGAIN = 10
"""So many sessions can be started by one press."""
STATES = ("completed", "failed", "running", QUEUED)
"""How many rows are in these states comes first, in this order."""
TONES = {"completed": "good", "failed": "bad"}


class Board(RecordView):
    """Shows sessions and runs as one table that updates itself.

    The page sorts, filters and searches; a click opens the transcript or the trace below, two
    selected sessions can be compared.

    Args:
        source: what `frames.board` takes.
        client: the client to ask; by default the current connection's.
        title: what heads it; by default what it is of.
        stop: called when the page's stop button is pressed; None shows no button.
        again: the command that shows it again.

    Attributes:
        selected: the ids of the rows that are selected in the page, in their order there.
        started: the sessions that the page's *Run again* started.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
        >>> Board([session]).selected
        []
    """

    _widget = "board"

    def __init__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        title: str = "",
        stop: Callable[[], object] | None = None,
        again: str = "",
    ) -> None:
        self.selected: list[str] = []
        self.started: list[Any] = []
        self._source = source_of(source, client)
        self._title, self._again = title or self._source.title, again
        self._stop = stop
        self._reading = threading.RLock()  # guards the rows
        super().__init__()
        self._read(0.0)
        self.facts = self._all_facts()
        self._listening.append(self._source.listen(self.wake))
        self.wake()

    @property
    def ids(self) -> list[str]:
        """The ids of all rows."""
        with self._reading:
            return [row.id for row in self._source.rows]

    def static_bundle(self) -> dict[str, str]:
        """Return the board so far as static HTML and as plain text."""
        with self._reading:
            rows = list(self._source.rows)
            facts = [text for text, _ in self._counts()] + self._ended()
        html = board_html(self._title, facts, rows, self._again)
        return {"text/html": html, "text/plain": board_plain(self._title, facts, rows)}

    # -- what is sent -----------------------------------------------------------------------------

    def _read(self, now: float) -> bool:
        with self._reading:
            is_news = False
            for number in self._source.changed(now):
                is_news |= self.feed.put(number, self._source.rows[number].record())
            self.feed.is_final = self._source.is_final
            return is_news

    def _facts(self) -> dict[str, Any]:
        with self._reading:
            rows = self._source.rows
            active = sum(map(is_active, rows))
            known = self._source.progress()
            status = "running" if active else "completed"
            if known and self._source.is_final and known.ended < known.total:
                status = "terminated"
            return {
                "title": self._title,
                "subtitle": self._subtitle(),
                "status": status,
                "label": words.state_word(status).lower(),
                "isList": known is None and not active,
                "about": self._counts(),
                "ended": self._ended(),
                "progress": None if known is None else self._progress(known),
                "final": self._source.is_final,
                "failing": _failing(rows),
                "again": self._again,
            }

    def _subtitle(self) -> str:
        rows = self._source.rows
        return counted(len(rows), "run" if rows and all(row.is_run for row in rows) else "session")

    def _counts(self) -> list[tuple[str, str]]:
        """Return how many rows are in which state, and their total cost."""
        rows = self._source.rows
        states = Counter(row.status for row in rows)
        facts = []
        for state in (*STATES, *(each for each in states if each and each not in STATES)):
            if states[state]:
                sign = words.GLYPHS.get(state, "") if state in TONES else ""
                fact = f"{sign} {states[state]:,} {words.state_word(state).lower()}".strip()
                facts.append((fact, TONES.get(state, "")))
        costs = [row.cost for row in rows if row.cost is not None]
        if costs:
            facts.append((words.dollars(sum(costs)), "strong"))
        return facts

    def _ended(self) -> list[str]:
        """Return how long a batch that is over took, and the medians of its sessions."""
        progress = self._source.progress()
        if progress is None or not self._source.is_final:
            return []
        rows = self._source.rows
        times = [row.duration for row in rows if row.duration is not None]
        costs = [row.cost for row in rows if row.cost is not None]
        medians = [words.duration(statistics.median(times))] if times else []
        medians += [words.dollars(statistics.median(costs))] if costs else []
        took = [] if progress.took_s is None else [f"took {words.duration(progress.took_s)}"]
        return took + ([f"median {', '.join(medians)} a session"] if medians else [])

    def _progress(self, progress: BatchProgress) -> dict[str, Any]:
        """Return the progress of a batch for the bar and the line below it."""
        rows = self._source.rows
        done = [row for row in rows if not is_active(row)]
        spent = progress.cost_usd
        return {
            "done": progress.ended,
            "total": progress.total,
            "failed": sum(row.status != "completed" for row in done),
            "running": sum(is_active(row) and row.status != QUEUED for row in rows),
            "queued": sum(row.status == QUEUED for row in rows),
            "cost": spent,
            "whole": _estimate(done, progress),
            "left": words.duration(progress.eta_s) if progress.ended >= LEAST_ENDED else "",
            "waits": one_line(progress.waits, 120),
        }

    # -- what the page asks for ---------------------------------------------------------------------

    def _actions(self) -> Mapping[str, Callable[[str, Mapping[str, Any]], object]]:
        acts: dict[str, Callable[[str, Mapping[str, Any]], object]] = {
            "open": self._open_row, "compare": self._compare, "select": self._select,
        }  # fmt: skip
        if self._source.compared_in is None:  # its ids are those of the current connection
            acts["again"] = self._run_again
        return acts if self._stop is None else {**acts, "stop": self._stop_all}

    def _row(self, number: object) -> BoardRow:
        rows = self._source.rows
        if not isinstance(number, int) or not 0 <= number < len(rows):
            raise AodNotebookError("There is no such row.")
        return rows[number]

    def _select(self, page: str, content: Mapping[str, Any]) -> None:
        del page
        numbers = content.get("rows")
        if isinstance(numbers, list):
            with self._reading:
                self.selected = [self._row(number).id for number in numbers]

    def _open_row(self, page: str, content: Mapping[str, Any]) -> None:
        """Show a row's transcript or its trace below; with a tool, its first failed call."""
        with self._reading:
            row = self._row(content.get("row"))
        what, tool = str(content.get("what")), content.get("tool")

        def make() -> RecordView | StreamViewer:
            source = self._source.opened(row)
            actions: dict[str, Any] = getattr(source, "viewer_actions", dict)()
            if what == "trace":
                return TraceViewer(
                    source, transcript=lambda order: _transcript(source, order, actions)
                )
            return _transcript(source, 0, actions)

        child = self._open(page, f"{what} {row.id}", make)
        if isinstance(child, StreamViewer) and isinstance(tool, str):
            child.go_to_failure(tool)

    def _compare(self, page: str, content: Mapping[str, Any]) -> None:
        del content
        if len(self.selected) != SIDES:
            raise AodNotebookError("Select two sessions to compare them.")
        a, b = self.selected
        made = compare(a, b, source=self._source.compared_in)
        self.feed.reply(type="html", page=page, html=made._repr_html_())
        self.wake()

    def _run_again(self, page: str, content: Mapping[str, Any]) -> None:
        """Start sessions with the prompts and agents of these rows."""
        del page
        numbers = content.get("rows")
        if not isinstance(numbers, list) or not 0 < len(numbers) <= MOST_AGAIN:
            raise AodNotebookError(f"Select up to {MOST_AGAIN} sessions to run them again.")
        with self._reading:
            rows = {row.id: row for row in map(self._row, numbers)}
        if any(row.is_run or not row.id for row in rows.values()):
            raise AodNotebookError("Only sessions that were created can be run again.")
        made: list[str] = []
        try:
            for name in rows:
                session = current.started_again(name)
                self.started.append(session)
                made.append(words.short_id(session.id))
        except AodNotebookError as error:
            raise AodNotebookError(_started(made) + str(error)) from error
        self.note(_started(made))

    def _stop_all(self, page: str, content: Mapping[str, Any]) -> None:
        del page, content
        if self._stop is not None:
            answer = self._stop()
            self.note("" if answer is None else str(answer))


def _started(names: list[str]) -> str:
    return f"Started {counted(len(names), 'session')}: {', '.join(names)}. " if names else ""


def _transcript(source: Any, order: int, actions: Mapping[str, Any]) -> StreamViewer:
    return StreamViewer(source, freeze=False, at=order, **actions)


def _failing(rows: list[BoardRow]) -> list[tuple[str, int, int]]:
    """Return the tools that failed most often: name, failures, and in how many sessions."""
    times: Counter[str] = Counter()
    sessions: Counter[str] = Counter()
    for row in rows:
        for tool, count in row.failing:
            times[tool] += count
            sessions[tool] += 1
    return [(one_line(tool, 60), n, sessions[tool]) for tool, n in times.most_common(MOST_FAILING)]


def _estimate(done: list[BoardRow], progress: BatchProgress) -> float | None:
    """Return what the whole batch will cost, from the median of the last sessions."""
    costs = [row.cost for row in done if row.cost is not None][-RECENT:]
    if len(costs) < LEAST_ENDED or progress.cost_usd is None or progress.ended >= progress.total:
        return None
    return progress.cost_usd + statistics.median(costs) * (progress.total - progress.ended)
