"""The run of a `%%agentos` cell: its start, what the cell prints, its end."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import anyio.to_thread
import msgspec

from aod_notebook.agentos.report.snapshot import snapshot
from aod_notebook.contract import RUN_ENDED
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.redact import redact
from aod_notebook.core.text import counted
from aod_notebook.live.errors import RunStoppedError
from aod_notebook.live.handle import CONFIRM_S
from aod_notebook.live.run import LiveRun, Unreported
from aod_notebook.live.start import reported_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from aod_notebook.agentos import Receipt, Run, Span
    from aod_notebook.live.connections import AgentOSConnection


REPORT_S = 2.0
"""How long the end of the work waits for a slow service; the rest is sent in the background."""
OUTPUT_BYTES = 100_000
"""An output that is longer as JSON is reported as the beginning of its text, with a note."""
TEXT_CHARS = 10_000
TRACEBACK_CHARS = 40_000
LINE_CHARS = 16_000
"""A printed line that is longer than this is reported in parts."""
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8

Take: TypeAlias = Callable[[str, str], None]


class Begun(NamedTuple):
    """A reported run that was begun here.

    Attributes:
        run: the run.
        before: how it had ended already, if its external id is that of a run that had.
    """

    run: Run
    before: str | None


def start_run(on: AgentOSConnection | None, **request: Any) -> Begun:
    """Start a reported run; wait at most 2 s for a slow service, 4 s with an external id.

    Args:
        on: the service; None for a run that is not reported.
        request: arguments of `AgentOS.start_run`.

    Raises:
        RunStoppedError: interrupted; the run was cancelled if it had begun.
        AgentOSError: the service refuses the run, or the key.
    """
    from aod_notebook.agentos import AgentOS

    client = AgentOS(disabled=True) if on is None else on.client

    async def start() -> Begun:
        run = await anyio.to_thread.run_sync(lambda: client.start_run(**request))
        if on is None or request.get("external_run_id") is None:
            return Begun(run, None)
        return Begun(run, await _ended_before(on, run))

    starting = bridge.submit(start)
    with contextlib.suppress(KeyboardInterrupt):
        return starting.result()
    with contextlib.suppress(TimeoutError, CancelledError, AodNotebookError):
        run = starting.result(CONFIRM_S).run
        run.cancel("interrupted before it began", timeout=REPORT_S)
    raise RunStoppedError("Interrupted before the run began; none of the code was run.")


async def _ended_before(on: AgentOSConnection, run: Run) -> str | None:
    """Ask how an earlier run ended: the answer to its start does not show it."""
    if run.run_id is None or on.client.disabled:
        return None
    status = None
    with contextlib.suppress(AodNotebookError), anyio.move_on_after(REPORT_S):
        # An agent's key may not ask.
        row: Any = await on.background_client.runs.get(run_id=run.run_id)
        status = row.get("status") if isinstance(row, dict) else None
    return status if status in RUN_ENDED else None


class RunReport:
    """Reports one run and its end; secrets are hidden.

    Args:
        run: the run.
        name: what the work is called: the name of a span that lasts as long as it. The work's own
            spans stand below it, unless they are given another parent.
        about: what is known of where it was done; the payload of that span.
        before: how the run had ended before, if it had (`Begun`).
    """

    def __init__(
        self, run: Run, name: str, about: Mapping[str, Any], before: str | None = None
    ) -> None:
        self.run = run
        self._before = before
        self._outcome: dict[str, Any] = {"status": "running"}
        self._unreported_chars = 0  # of the output
        self._secrets = _secrets()
        self._began = time.monotonic()
        self._span = _root_span(run, name, about)

    @property
    def id(self) -> str:
        """The run's id; until the service has sent one, the external id."""
        return self.run.run_id or self.run.external_run_id

    def handle(self, on: AgentOSConnection | None) -> LiveRun:
        """Return the run's `LiveRun`; without a service, one that is not reported."""
        if on is None:
            return self._unreported("there was no service to report it to")
        if on.client.disabled:
            return self._unreported("AGENTOS_DISABLED is set")
        return reported_run(self.run, on)

    def _unreported(self, reason: str) -> LiveRun:
        return LiveRun(None, reported=self.run, unreported=Unreported(reason, self._outcome))

    def printed(self, stream: str, text: str) -> None:
        """Report a piece of output, as an event `stdout.written`, `stderr.written`, …."""
        self.run.emit(f"{stream}.written", {"text": self._hidden(text)})

    def complete(self, value: object) -> str:
        """End the run as completed, with the value of the work; return a line about it."""
        output = self._output(value)
        self._outcome.update(status="completed", output=output)

        def end() -> Receipt:
            self._span.end()
            return self.run.complete(output, timeout=REPORT_S)

        return self._ended("completed", end)

    def cancel(self, reason: str) -> str:
        """End the run as cancelled; return a line about it."""
        self._outcome.update(status="cancelled", error_message=reason)

        def end() -> Receipt:
            self._span.fail(reason)
            return self.run.cancel(reason, timeout=REPORT_S)

        return self._ended(f"cancelled: {reason}", end)

    def fail(self, error: BaseException, names: Mapping[str, object] | None = None) -> str:
        """End the run as failed with the error's traceback; return a line about it.

        Args:
            error: what was raised.
            names: the globals of the work; the traceback begins where they are first used.
        """
        kind = type(error).__name__
        message = self._hidden(_text_of(error)) or kind
        trace = self._hidden(_traceback(error, names)[-TRACEBACK_CHARS:])
        self._outcome.update(status="failed", error_message=message, error_detail={"type": kind})

        def end() -> Receipt:
            self._span.fail(message)
            detail = {"type": kind, "traceback": trace}
            return self.run.fail(message, detail, timeout=REPORT_S)

        return self._ended(f"failed: {kind}, reported with its traceback", end)

    def _ended(self, how: str, end: Callable[[], Receipt]) -> str:
        """End the run, unless the work itself has; return a line about it."""
        if self.run.is_ended:
            how, receipt = "ended by its own code", self.run.flush(REPORT_S)
        else:
            receipt = end()
        if self.run.run_id == "disabled":
            return f"not reported · {how}"
        if self._before is not None:
            how = f"as it had ended before, {self._before}; this cell {how}"
        parts = [f"run · {self.id} · {how} · {time.monotonic() - self._began:.1f} s"]
        if self._unreported_chars:
            parts.append(f"{self._unreported_chars:,} characters of its output not reported")
        if receipt.pending:
            why = f": {receipt.reason}" if receipt.reason else ""
            parts.append(
                f"{counted(receipt.pending, 'record')} waiting to be sent (%agentos outbox){why}"
            )
        stats = self.run.stats
        if stats.rejected:
            parts.append(f"{counted(stats.rejected, 'record')} refused (%agentos outbox --refused)")
        if stats.unqueued:
            why = ", ".join(
                reason for reason in stats.dropped if not reason.startswith("rejected:")
            )
            parts.append(f"{counted(stats.unqueued, 'record')} not sent ({why})")
        return " · ".join(parts)

    def _hidden(self, text: str) -> str:
        return str(redact(text, self._secrets))

    def _output(self, value: object) -> dict[str, Any] | None:
        if value is None:
            return None
        encoded = snapshot(value if isinstance(value, dict) else {"result": value}).text
        if len(encoded) > OUTPUT_BYTES:
            text = value if isinstance(value, str) else encoded.decode()
            self._unreported_chars = len(text) - TEXT_CHARS
            more = f"… {self._unreported_chars:,} more characters, not reported"
            return {"result": f"{self._hidden(text[:TEXT_CHARS])}{more}"}
        plain: dict[str, Any] = redact(msgspec.json.decode(encoded), self._secrets)
        return plain


def _root_span(run: Run, name: str, about: Mapping[str, Any]) -> Span:
    """Start the span of the whole work; later spans without a parent become its children."""
    start = run.start_span
    root = start(name, kind="step", payload=dict(about))

    @functools.wraps(start)
    def start_below(name: str, *, parent: Span | str | None = None, **more: Any) -> Span:
        return start(name, parent=parent or root, **more)

    run.start_span = start_below  # type: ignore[method-assign]  # of this run only
    return root


def _secrets() -> list[str]:
    """Return the values of environment variables with the name of a secret."""
    return [
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    ]


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:  # noqa: BLE001 - `__str__` of anything may raise anything
        return f"<no text: {type(other).__name__}>"


def _traceback(error: BaseException, names: Mapping[str, object] | None) -> str:
    trace = _own_frames(error.__traceback__, names)
    return "".join(traceback.format_exception(type(error), error, trace))


def _own_frames(
    trace: TracebackType | None, names: Mapping[str, object] | None
) -> TracebackType | None:
    """Leave out the first frames, which are those of the caller."""
    own = trace
    while own is not None and names is not None and own.tb_frame.f_globals is not names:
        own = own.tb_next
    return own or trace


# -- what the cell prints -------------------------------------------------------------------------


class Capture:
    """Passes to `take` the lines of standard output and error, and the text of displayed outputs.

    Args:
        shell: the shell that the cell runs in.
        take: called with the name of the stream (`stdout`, `stderr`, `display`) and the text; from
            any thread.
    """

    def __init__(self, shell: InteractiveShell, take: Take) -> None:
        self._take = take
        self._publisher = cast("Any", shell.display_pub)
        self._tees = {name: _Tee(getattr(sys, name), name, take) for name in ("stdout", "stderr")}
        for name, tee in self._tees.items():
            setattr(sys, name, tee)
        # Without a kernel what is displayed is printed.
        self._has_hook = hasattr(self._publisher, "register_hook")
        if self._has_hook:
            self._publisher.register_hook(self._display)

    def close(self) -> None:
        """Pass on the unfinished line, then nothing more."""
        if self._has_hook:
            self._publisher.unregister_hook(self._display)
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:  # else the cell put another one in its place
                setattr(sys, name, tee.stream)
            tee.close()

    def _display(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["header"]["msg_type"] == "display_data":
            text = message["content"]["data"].get("text/plain")
            if text:
                self._take("display", str(text))
        return message


class _Tee:
    """A text stream that also passes whole lines to `take`."""

    def __init__(self, stream: Any, name: str, take: Take) -> None:
        self.stream = stream
        self._name = name
        self._take = take
        self._lock = threading.Lock()  # guards the two below
        self._line = ""
        self._is_open = True

    def write(self, text: str) -> int:
        """Write, and pass on the completed lines."""
        written: int = self.stream.write(text)
        with self._lock:
            if not self._is_open:
                return written
            whole, newline, rest = (self._line + text).rpartition("\n")
            self._line = _as_shown(rest)
            if len(self._line) > LINE_CHARS:
                whole, newline, self._line = whole + newline + self._line, "\n", ""
        if newline:
            self._take(self._name, "\n".join(map(_last_written, whole.split("\n"))))
        return written

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Pass on the rest; the stream itself stays open."""
        with self._lock:
            self._is_open, rest = False, _last_written(self._line)
        if rest:
            self._take(self._name, rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _last_written(line: str) -> str:
    """Return the visible part of a line after its carriage returns."""
    return line.rstrip("\r").rpartition("\r")[2]


def _as_shown(line: str) -> str:
    """Return the same of an unfinished line; after a carriage return, the rest writes over it."""
    return _last_written(line) + ("\r" if line.endswith("\r") else "")
