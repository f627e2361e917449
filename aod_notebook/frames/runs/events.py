"""Events of runs as services send them, and what of a followed run is decoded already."""

import hashlib
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from aod_notebook.core.text import one_line
from aod_notebook.frames.decode.run_events import add_run_events
from aod_notebook.frames.fetch import base_url_of
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report
from aod_notebook.frames.schema import SCHEMAS, Column

EVENT_LIMIT = 1_000_000
"""How many events of a run are asked for."""

_SCHEMA = SCHEMAS["run_events"]
_USUAL = re.compile(rb'\s*\{\s*"data"\s*:\s*\[')


class _Listing(msgspec.Struct):
    data: msgspec.Raw


_listing_decoder = msgspec.json.Decoder(_Listing)


def events_of(
    client: Any, run_id: str, columns: Iterable[Column] = _SCHEMA.columns
) -> tuple[Table, Report]:
    """Ask for the events of a run."""
    table, report = Table(columns), Report()
    add_run_events(table, _listing(_body(client, run_id)), run_id, report)
    return table, _limited(report, table.count + report.dropped, run_id)


class KeptEvents:
    """The events of one run as far as they were asked for; each look decodes only new ones.

    The embedded service sends new ones only. Another one sends all again: those that begin with
    the same bytes as before are known.
    """

    _table: Table
    _report: Report
    _last: int | None
    """The number of the last event."""
    _size: int
    _digest: bytes
    """How many bytes of the service's list are known, and which."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._where: str | None = None
        self._lock = threading.Lock()
        self._forget()

    def look(self, client: Any) -> tuple[Table, Report]:
        """Ask for the events that are new; return all."""
        with self._lock:
            if self._where != base_url_of(client):
                self._forget()
                self._where = base_url_of(client)
            before = 0
            if self._last is not None and getattr(client, "is_embedded", False):
                before = self._seen
                self._add(_body(client, self._run_id, after=self._last))
            else:
                self._add_what_is_new(_listing(_body(client, self._run_id)))
            table = Table(_SCHEMA.columns)
            table.take_from(self._table)
            report = replace(self._report, problems=[*self._report.problems])
            return table, _limited(report, self._seen - before, self._run_id)

    @property
    def _seen(self) -> int:
        return self._table.count + self._report.dropped

    def _add_what_is_new(self, body: bytes) -> None:
        listed = _list_of(body)
        end = listed[self._size :].lstrip()
        is_same = self._size and _digest(listed[: self._size]) == self._digest
        if is_same and end.startswith(b","):
            self._add(b"[" + end[1:])
        elif not is_same or end != b"]":
            self._forget()
            self._add(body)
        self._size = len(listed[:-1].rstrip())
        self._digest = _digest(listed[: self._size])

    def _add(self, body: bytes) -> None:
        last = add_run_events(self._table, body, self._run_id, self._report, self._table.count)
        self._last = self._last if last is None else last

    def _forget(self) -> None:
        self._table, self._report = Table(_SCHEMA.columns), Report()
        self._last, self._size, self._digest = None, 0, b""


def _body(client: Any, run_id: str, **options: int) -> bytes:
    if not hasattr(client.runs, "events_body"):  # a client of the published SDK
        rows = list(client.runs.events(run_id=run_id, limit=EVENT_LIMIT) or ())
        return json.dumps({"data": rows}).encode()
    body: bytes = client.runs.events_body(run_id=run_id, limit=EVENT_LIMIT, **options)
    return body


def _listing(body: bytes) -> bytes:
    """Return a body `{"data": [...]}`; some services wrap it once more.

    Raises:
        AgentOSDecodeError: the answer holds no list.
    """
    if _USUAL.match(body):
        return body
    try:
        data = json.loads(body)["data"]
        data = data["data"] if isinstance(data, dict) else data
    except (ValueError, KeyError, TypeError, RecursionError):
        from aod_notebook.agentos import AgentOSDecodeError

        text = one_line(body[:200].decode(errors="replace"))
        raise AgentOSDecodeError(f"The answer holds no list of events: {text}") from None
    return json.dumps({"data": data or []}).encode()


def _list_of(body: bytes) -> bytes:
    """Return the list in a body as it stands there; nothing of a body that is not plain JSON."""
    try:
        return bytes(_listing_decoder.decode(body).data).strip()
    except (msgspec.DecodeError, RecursionError):
        return b""


def _digest(known: bytes) -> bytes:
    return hashlib.blake2b(known, digest_size=16).digest()


def _limited(report: Report, count: int, run_id: str) -> Report:
    if count >= EVENT_LIMIT:
        report.cut("a limit on events", run_id)
    return report
