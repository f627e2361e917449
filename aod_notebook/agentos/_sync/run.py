# Generated from aod_notebook/agentos/_async/run.py by tests/tools/unasync.py; edit that file instead.
"""A run of the caller's own code, reported to AgentOS."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos._sync.human import ask_person
from aod_notebook.agentos.errors import AgentOSTransientError, is_failure
from aod_notebook.agentos.options import check_timeout
from aod_notebook.agentos.recorder import LONGEST_MESSAGE, LONGEST_REASON, usage_fields
from aod_notebook.agentos.report.plain import text_of
from aod_notebook.agentos.report.runs import RunStatus
from aod_notebook.agentos.report.snapshot import object_of
from aod_notebook.agentos.task import Span, Task
from aod_notebook.core.unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from aod_notebook.agentos._sync.api import Api
    from aod_notebook.agentos.recorder import Recorder
    from aod_notebook.agentos.report.runs import Receipt, RunStats
    from aod_notebook.agentos.results import HumanInput

FLUSH_S = 30.0
INTERRUPTED_S = 2.0
START_S = 2.0
_POLL_S, _LONGEST_POLL_S = 0.0005, 0.02


class Run(Unpicklable):
    """A sync handle of one reported run; returned by `start_run`.

    `emit` and its helpers, tasks and spans only record, at once and without ever raising.
    `complete`, `fail`, `cancel` and `flush` wait until the service has everything, or the
    time is up; they never raise for a slow or dead service, and give a `Receipt`.

    As a context manager it completes, or fails with what was raised.

    Attributes:
        external_run_id: the id that was given, or made here; always set.

    Example:
        >>> with client.start_run() as run:  # doctest: +SKIP
        ...     run.emit("step.completed", {"rows": 42})
    """

    def __init__(self, recorder: Recorder, api: Api) -> None:
        self._recorder = recorder
        self._api = api
        self.external_run_id = recorder.state.external_run_id

    @property
    def run_id(self) -> str | None:
        """The service's id of the run; None until the service reports it."""
        return self._recorder.state.run_id

    @property
    def is_ended(self) -> bool:
        """Whether its end has been recorded, or the service refused the run."""
        return self._recorder.state.status is not RunStatus.OPEN

    @property
    def stats(self) -> RunStats:
        """Counts of its records: queued, sent, retried, dropped by reason."""
        return self._recorder.stats

    @property
    def dropped_events(self) -> int:
        """How many records were refused or had to be dropped."""
        return sum(self.stats.dropped.values())

    @property
    def has_pending(self) -> bool:
        """Whether records wait to be sent."""
        return self.stats.pending > 0

    # Events.

    def emit(self, type: str, payload: dict[str, Any] | None = None, level: str = "info") -> None:  # noqa: A002 - the promised name
        """Record an event of any type, such as `step.completed`; `payload` is copied.

        `level` is `debug`, `info`, `warn` or `error`. Models, arrays, frames and times become
        JSON that means the same. NaN becomes null, other objects their text, and a large array is
        cut; all three are marked in the payload and counted.
        """
        self._recorder.event(type, payload, level)

    def emit_llm_request(
        self, model: str, prompt: Any, options: dict[str, Any] | None = None
    ) -> None:
        """Record that a model is asked."""
        self.emit("llm.request", {"model": model, "prompt": prompt, **object_of(options)})

    def emit_llm_response(
        self,
        model: str,
        response: Any,
        usage: dict[str, int] | None = None,
        *,
        token_usage: dict[str, Any] | None = None,
    ) -> None:
        """Record what a model answered, and its tokens as `usage=` or `token_usage=`."""
        flat = token_usage if isinstance(token_usage, dict) else {}
        tokens = {**flat, **usage_fields(usage, None)}
        self.emit("llm.response", {"model": model, "response": response, **tokens})

    def emit_tool_call(self, tool: str, input: Any = None) -> None:  # noqa: A002 - the promised name
        """Record that a tool is called."""
        self.emit("tool.called", {"tool": tool, "input": {} if input is None else input})

    def emit_tool_return(self, tool: str, output: Any = None) -> None:
        """Record what a tool returned."""
        self.emit("tool.returned", {"tool": tool, "output": {} if output is None else output})

    def emit_tool_error(self, tool: str, error: str) -> None:
        """Record that a tool failed."""
        self.emit("tool.failed", {"tool": tool, "error": error}, level="error")

    # Tasks and spans.

    def start_task(self, name: str, input: dict[str, Any] | None = None) -> Task:  # noqa: A002 - the promised name
        """Start a task; end it by its `complete`, `fail` or `skip`."""
        return Task(self._recorder, name, input)

    def start_span(
        self,
        name: str,
        *,
        kind: str | None = None,
        parent: Span | str | None = None,
        payload: dict[str, Any] | None = None,
    ) -> Span:
        """Start a timed node of the trace; it is recorded when it ends.

        `kind` is `step`, `llm`, `tool`, `retrieval` or any text; `parent` is a span or its id.
        """
        parent_id = parent.id if isinstance(parent, Span) else parent
        return Span(self._recorder, name, kind=kind, parent_id=parent_id, payload=payload)

    def record_span(
        self,
        *,
        type: str,  # noqa: A002 - the promised name
        kind: str | None,
        span_id: str,
        parent_span_id: str | None,
        started_at: str | None,
        ended_at: str | None,
        duration_ms: int,
        payload: dict[str, Any],
        level: str = "info",
    ) -> None:
        """Record a span that has ended already, under an id and with times of your own.

        `type` is its name; times are ISO 8601 in UTC, and one that is unknown is left out.
        """
        span: dict[str, Any] = {"span_id": span_id, "duration_ms": duration_ms}
        times = {"started_at": started_at, "ended_at": ended_at}
        more = {"parent_span_id": parent_span_id, "kind": kind, **times}
        # Left out rather than null: the service refuses a whole batch for a null.
        span |= {name: text_of(value) for name, value in more.items() if value is not None}
        self._recorder.event(text_of(type), payload, level, started_at, span)

    # People.

    def request_human_input(
        self,
        prompt: str,
        context: dict[str, Any] | None = None,
        timeout_seconds: float = 3600,
    ) -> HumanInput:
        """Ask a person, and wait for the answer: `{"input": text, "request_id": id}`.

        Raises:
            AgentOSTimeoutError: there was no answer within `timeout_seconds`.
            AgentOSConflictError: the question was cancelled, as with its run.
            AgentOSTransientError: the service could not be reached.
        """
        if self._recorder.reporter is None:
            return {"input": "", "request_id": "disabled"}
        seconds = check_timeout(timeout_seconds)
        run_id = self._known_id(seconds)
        return ask_person(self._api, run_id, prompt, context, seconds)

    # The end.

    def complete(
        self,
        output: dict[str, Any] | None = None,
        *,
        usage: dict[str, int] | None = None,
        token_usage: dict[str, int] | None = None,
        timeout: float = FLUSH_S,
    ) -> Receipt:
        """End the run as completed, after everything recorded so far; `usage` is the run's total."""
        fields: dict[str, Any] = {} if output is None else {"output": self._recorder.object(output)}
        timeout = self._join(timeout)
        self._recorder.end("complete", {**fields, **usage_fields(usage, token_usage)})
        return self.flush(timeout)

    def fail(
        self,
        error_message: str = "failed",
        error_detail: dict[str, Any] | None = None,
        *,
        timeout: float = FLUSH_S,
        message: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Receipt:
        """End the run as failed; the message is cut to 4,000 characters.

        `message` and `detail` are other names of the same arguments.
        """
        text = text_of(error_message if message is None else message)[:LONGEST_MESSAGE]
        fields: dict[str, Any] = {"error_message": text}
        given = error_detail if detail is None else detail
        if given is not None:
            fields["error_detail"] = self._recorder.object(given)
        timeout = self._join(timeout)
        self._recorder.end("fail", fields)
        return self.flush(timeout)

    def cancel(
        self,
        reason: str | None = None,
        *,
        timeout: float = FLUSH_S,
    ) -> Receipt:
        """End the run as cancelled; the reason is cut to 1,000 characters."""
        fields = {} if reason is None else {"reason": text_of(reason)[:LONGEST_REASON]}
        timeout = self._join(timeout)
        self._recorder.end("cancel", fields)
        return self.flush(timeout)

    def flush(self, timeout: float = FLUSH_S) -> Receipt:
        """Wait at most `timeout` seconds until the service has everything recorded so far."""
        reporter = self._recorder.reporter
        if reporter is not None:
            reporter.delivery.hurry()
            timeout = self._join(timeout)
            wait_until(self._recorder.is_settled, timeout)
        return self._recorder.receipt()

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the run, or fail it with what was raised; unless it has ended."""
        if self.is_ended:
            return
        if error is None or not is_failure(error):
            self.complete()
            return
        lines = traceback.format_exception(kind, error, trace)
        self.fail(
            text_of(error) or type(error).__name__,
            {"type": type(error).__name__, "traceback": "".join(lines)},
            timeout=FLUSH_S if isinstance(error, Exception) else INTERRUPTED_S,
        )

    def __str__(self) -> str:
        """Return the id, or the external id until the service has assigned one."""
        return self.run_id or self.external_run_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def _join(self, timeout: float) -> float:
        """Wait until the records of dead child processes are delivered; return the time left.

        It comes before the end: a service may take no event of a run that has ended.
        """
        is_joined = self._recorder.joining()
        if is_joined is None:
            return timeout
        began = time.monotonic()
        wait_until(is_joined, timeout)
        return max(0.0, timeout - (time.monotonic() - began))

    def _known_id(self, seconds: float) -> str:
        """Wait until the service knows the run; raise its refusal if it does not take it."""
        wait_until(lambda: self.run_id is not None or self.is_ended, min(seconds, FLUSH_S))
        if self.run_id is None:
            raise self._recorder.state.error or AgentOSTransientError(
                f"The service does not know run {self.external_run_id} yet: try again later",
                "NETWORK_ERROR",
            )
        return self.run_id

    def started(self) -> None:
        """Wait for the answer to the start.

        Raises:
            AgentOSError: the service refuses the run.
        """
        state, reporter = self._recorder.state, self._recorder.reporter
        if reporter is None:
            return

        def is_answered() -> bool:
            if state.run_id is not None or state.status is RunStatus.REFUSED:
                return True
            return state.attempts > 0 and reporter.delivery.failures >= _KNOWN_DEAD

        if not wait_until(is_answered, START_S) and not state.asked_by:
            wait_until(is_answered, START_S)  # the answer has just come
        state.asked_by.clear()
        if state.error is not None and state.status is RunStatus.REFUSED:
            reporter.recording.take_back(state)
            raise state.error


_KNOWN_DEAD = 4


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Wait until the sender thread has made progress; return whether it has."""
    deadline = time.monotonic() + timeout
    pause = _POLL_S
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_POLL_S)
    return True
