"""The requests of a window of records, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.agentos.report.record import EVENT, START, TASK, VOID
from aod_notebook.agentos.report.runs import RunState, RunStatus
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    from aod_notebook.agentos.report.record import Record

INGEST = "/api/ingest/v1"
BATCH_BYTES = 1 << 20


class StartBody(msgspec.Struct):
    """Body of a start record: the request, and whether this process has to end the run."""

    request: msgspec.Raw
    owner: bool = True


class EndBody(msgspec.Struct):
    """Body of an end record: how it ends (`complete`, `fail`, `cancel`), and the fields."""

    how: str
    fields: msgspec.Raw


@dataclass(slots=True)
class DeliveryStep:
    """One request: records of one run that are sent together."""

    run: RunState
    kind: str
    records: list[Record]
    size: int = 0
    tries: int = 0
    run_was_lost: bool = False

    def call(self, uid: str) -> Call:
        """Describe the request; events get their ids if the service takes them."""
        if self.kind == EVENT:
            return _call("/events", self._events(uid))
        run_id = msgspec.json.encode(self.run.run_id)
        body = bytes(self.records[0].b)
        if self.kind == TASK:
            return _call("/tasks", b'{"run_id":%b,"task":%b}' % (run_id, body))
        end = msgspec.json.decode(body, type=EndBody)
        fields = bytes(end.fields)[1:]
        comma = b"" if fields == b"}" else b","
        return _call(f"/run/{end.how}", b'{"run_id":%b%b%b' % (run_id, comma, fields))

    def halves(self, size: int) -> list[DeliveryStep]:
        """Split into steps of at most `size` records."""
        return [
            DeliveryStep(self.run, self.kind, self.records[at : at + size], tries=self.tries)
            for at in range(0, len(self.records), size)
        ]

    def _events(self, uid: str) -> bytes:
        run_id = msgspec.json.encode(self.run.run_id)
        if self.run.takes_ids:
            mark = uid.encode()
            bodies: list[bytes | memoryview] = [
                b'%b,"event_id":"%b-%d"}' % (bytes(record.b)[:-1], mark, record.n)
                for record in self.records
            ]
        else:
            bodies = [memoryview(record.b) for record in self.records]
        return b'{"run_id":%b,"events":[%b]}' % (run_id, b",".join(bodies))


def make_steps(records: list[Record], runs: dict[str, RunState], batch: int) -> list[DeliveryStep]:
    """Put the records of a window into steps; the order is kept per run.

    Events of a run that nothing else of that run comes between share a step, up to `batch`
    events or 1 MB.
    """
    steps: list[DeliveryStep] = []
    filling: dict[str, DeliveryStep] = {}
    for record in records:
        step = filling.get(record.r)
        size = len(memoryview(record.b))
        is_room = (
            step is not None
            and record.k == EVENT
            and len(step.records) < batch
            and step.size + size <= BATCH_BYTES
        )
        if step is not None and is_room:
            step.records.append(record)
            step.size += size
            continue
        run = runs.get(record.r)
        if run is None or record.k == VOID:
            continue
        if record.k == START and (run.run_id is not None or run.status is RunStatus.REFUSED):
            continue
        step = DeliveryStep(run, record.k, [record], size)
        steps.append(step)
        if record.k == EVENT:
            filling[record.r] = step
        else:
            filling.pop(record.r, None)
    return steps


def start_body(request: bytes, *, owner: bool) -> bytes:
    """Make the body of a start record."""
    return msgspec.json.encode(StartBody(msgspec.Raw(request), owner))


def end_body(how: str, fields: bytes) -> bytes:
    """Make the body of an end record; `fields` is a JSON object."""
    return msgspec.json.encode(EndBody(how, msgspec.Raw(fields)))


def start_call(run: RunState) -> Call:
    """Describe the request that starts a run; repeating it gives the same run."""
    return _call("/run/start", run.request)


def _call(path: str, content: bytes) -> Call:
    return Call(method="POST", path=INGEST + path, content=content, repeat=Repeat.SAFE)
