"""Recording for one run: every helper of a run calls it; nothing here waits or raises."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.agentos.errors import AgentOSError
from aod_notebook.agentos.report.plain import text_of
from aod_notebook.agentos.report.record import EVENT
from aod_notebook.agentos.report.runs import Receipt, RunState, RunStatus
from aod_notebook.agentos.report.snapshot import object_of, snapshot
from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.core.clock import now
from aod_notebook.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.agentos.report.reporter import Reporter
    from aod_notebook.agentos.report.runs import RunStats

LONGEST_MESSAGE, LONGEST_REASON = 4000, 1000


class Recorder:
    """Takes snapshots of what a run reports and hands them to the reporter.

    `reporter` is None in disabled mode, where everything is forgotten.
    """

    def __init__(self, reporter: Reporter | None, state: RunState) -> None:
        self.reporter = reporter
        self.state = state

    @property
    def stats(self) -> RunStats:
        """Counters of the run."""
        return self.state.stats

    def event(
        self,
        name: str,
        payload: Any,
        level: str,
        occurred_at: str | None = None,
        span: Mapping[str, Any] | None = None,
    ) -> None:
        """Record an event; an invalid one is repaired or dropped, and counted."""
        reporter = self.reporter
        if reporter is None:
            return
        state = self.state
        if state.status is not RunStatus.OPEN:
            self._late(reporter, name)
            return
        try:
            taken = snapshot(object_of(payload))
            if taken.changed:
                state.stats.changed += taken.changed
            body = b'{"type":%b,"level":%b,"occurred_at":"%b","payload":%b%b}' % (
                _text(name),
                _text(level),
                (occurred_at or now()).encode(),
                taken.text,
                b"," + _encode(span)[1:-1] if span else b"",
            )
            reporter.recording.record(state, EVENT, body)
        except Exception as error:  # noqa: BLE001 - reporting never breaks the work reported on
            state.stats.drop(f"unreadable: {type(error).__name__}")
            reporter.notices.tell("unreadable", error)

    def record(self, kind: str, body: dict[str, Any]) -> None:
        """Record a task change."""
        reporter = self.reporter
        if reporter is None:
            return
        if self.state.status is not RunStatus.OPEN:
            self._late(reporter, str(body.get("name")))
            return
        reporter.recording.record(self.state, kind, snapshot(body, marked=False).text)

    def end(self, how: str, fields: dict[str, Any]) -> None:
        """Record the run's end; the first one counts."""
        if self.reporter is None:
            self.state.status = RunStatus.ENDED
            return
        if not self.reporter.recording.end(self.state, how, snapshot(fields, marked=False).text):
            self._late(self.reporter, how)

    def object(self, value: Any) -> dict[str, Any]:
        """Return an input or output in the form that is recorded: a JSON object."""
        taken = snapshot(object_of(value))
        self.state.stats.changed += taken.changed
        plain: dict[str, Any] = msgspec.json.decode(taken.text)
        return plain

    def receipt(self) -> Receipt:
        """Return the receipt of the run at this moment."""
        if self.reporter is None:
            return Receipt()
        state = self.state
        error = state.error or (
            self.reporter.delivery.trouble() if state.stats.pending > 0 else None
        )
        children = self.reporter.left_by_children()
        receipt = state.receipt(str(error) if error else None)
        if not children:
            return receipt
        waiting = f"{counted(children, 'record')} of child processes"
        return replace(
            receipt, pending=receipt.pending + children, reason=receipt.reason or waiting
        )

    def is_settled(self) -> bool:
        """Check whether nothing of the run is pending, or waiting is useless."""
        if self.reporter is None or self.state.stats.pending <= 0:
            return True
        return self.reporter.delivery.is_hopeless()

    def joining(self) -> Callable[[], bool] | None:
        """Adopt what dead child processes left; return a check for its completion."""
        reporter = self.reporter
        asked = 0 if reporter is None else reporter.delivery.ask_for_children()
        if reporter is None or not asked:
            return None
        return lambda: reporter.delivery.is_joined(asked) or reporter.delivery.is_hopeless()

    def _late(self, reporter: Reporter, name: str) -> None:
        """Count what is reported after the end."""
        state = self.state
        state.stats.drop(f"after the end: {state.status.value}")
        why = "has ended" if state.status is RunStatus.ENDED else "was refused"
        reporter.notices.tell(
            f"late: {state.external_run_id}",
            AgentOSError(
                f"{name!r} came after run {state.external_run_id} {why}, and is not sent",
                "RUN_ENDED",
                run_id=state.run_id,
            ),
        )


_encode = msgspec.json.Encoder().encode


@functools.lru_cache(maxsize=256)
def _known(text: str) -> bytes:
    return _encode(text)


def _text(value: Any) -> bytes:
    """Make JSON text of an event's type or level, most of which repeat."""
    if type(value) is not str:
        return snapshot(text_of(value)).text
    try:
        return _known(value)
    except UnicodeEncodeError:  # a lone surrogate
        return snapshot(value).text


def usage_fields(usage: Any, token_usage: Any) -> dict[str, int]:
    """Read token counts given as `usage=` or `token_usage=`; what is not a number is left out.

    Example:
        >>> usage_fields({"input_tokens": 5, "output_tokens": None}, None)
        {'input_tokens': 5}
    """
    found: dict[str, int] = {}
    for given in (token_usage, usage):
        for name in TOKEN_FIELDS:
            value = given.get(name) if isinstance(given, dict) else getattr(given, name, None)
            try:
                if value is not None and int(value) >= 0:
                    found[name] = int(value)
            except (TypeError, ValueError, OverflowError):
                continue
    return found
