"""Tasks and spans: parts of a run, recorded without waiting for the network."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.errors import is_failure
from aod_notebook.agentos.report.plain import text_of
from aod_notebook.agentos.report.record import TASK
from aod_notebook.agentos.report.snapshot import object_of
from aod_notebook.core.clock import now
from aod_notebook.core.unpicklable import Unpicklable

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aod_notebook.agentos.recorder import Recorder
    from aod_notebook.agentos.report.runs import Receipt


class Task(Unpicklable):
    """A named piece of work of a run; end it with `complete`, `fail` or `skip`.

    As a context manager it completes, or fails with the exception's text. The first end
    counts; nothing here waits for the network or raises.

    Attributes:
        task_id: made here, a UUID.
        name: as given.

    Example:
        >>> task = run.start_task("parse-pdf", input={"file": "report.pdf"})  # doctest: +SKIP
        >>> task.complete(output={"pages": 3})  # doctest: +SKIP
    """

    def __init__(self, recorder: Recorder, name: str, input: dict[str, Any] | None) -> None:  # noqa: A002 - the promised name
        self.task_id = str(uuid.uuid4())
        self.name = text_of(name)
        self._recorder = recorder
        self._is_ended = False
        self._record("running", input=recorder.object(input))

    def complete(self, output: dict[str, Any] | None = None) -> Receipt:
        """Record that it is done."""
        return self._end("completed", output=self._recorder.object(output))

    def fail(self, error_message: str) -> Receipt:
        """Record that it failed, and why."""
        return self._end("failed", error_message=text_of(error_message))

    def skip(self) -> Receipt:
        """Record that it was not needed."""
        return self._end("skipped")

    def __enter__(self) -> Self:
        """Return the task itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete it, or fail it with what was raised."""
        if self._is_ended:
            return
        if error is None or not is_failure(error):
            self.complete()
        else:
            self.fail(text_of(error) or type(error).__name__)

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {self.task_id}>"

    def _end(self, status: str, **fields: Any) -> Receipt:
        if not self._is_ended:
            self._is_ended = True
            self._record(status, **fields)
        return self._recorder.receipt()

    def _record(self, status: str, **fields: Any) -> None:
        task = {"id": self.task_id, "name": self.name, "status": status, **fields}
        self._recorder.record(TASK, task)


class Span(Unpicklable):
    """A timed, nestable node of a run's trace; it is sent as one event when it ends.

    As a context manager it ends, or fails with the exception's text. Ending twice is
    ignored. A span may outlive its parent.

    Attributes:
        id: made here, a UUID.

    Example:
        >>> with run.start_span("fetch", kind="tool") as span:  # doctest: +SKIP
        ...     span.child("parse").end({"rows": 3})
    """

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        *,
        kind: str | None = None,
        parent_id: str | None = None,
        payload: dict[str, Any] | None = None,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.name = text_of(name)
        self._recorder = recorder
        self._kind = kind
        self._parent_id = parent_id
        self._payload = dict(object_of(payload))
        self._started_at = now()
        self._clock = time.monotonic()
        self._is_ended = False

    def child(
        self, name: str, *, kind: str | None = None, payload: dict[str, Any] | None = None
    ) -> Span:
        """Start a span below this one."""
        return Span(self._recorder, name, kind=kind, parent_id=self.id, payload=payload)

    def end(self, payload: dict[str, Any] | None = None) -> None:
        """Record the span; `payload` overrides that of the start."""
        self._end({**self._payload, **object_of(payload)}, "info")

    def fail(self, error: object, payload: dict[str, Any] | None = None) -> None:
        """Record the span as failed; the error's text goes into the payload."""
        text = text_of(error) or type(error).__name__
        self._end({**self._payload, **object_of(payload), "error": text}, "error")

    def __enter__(self) -> Self:
        """Return the span itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, or fail it with what was raised."""
        if error is None or not is_failure(error):
            self.end()
        else:
            self.fail(error)

    def __repr__(self) -> str:
        return f"<Span {self.name!r} {self.id}>"

    def _end(self, payload: dict[str, Any], level: str) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        span: dict[str, Any] = {
            "span_id": self.id,
            "started_at": self._started_at,
            "ended_at": now(),
            "duration_ms": int((time.monotonic() - self._clock) * 1000),
        }
        # Left out rather than null: the service refuses a whole batch for a null.
        if self._parent_id is not None:
            span["parent_span_id"] = text_of(self._parent_id)
        if self._kind is not None:
            span["kind"] = text_of(self._kind)
        self._recorder.event(self.name, payload, level, self._started_at, span)
