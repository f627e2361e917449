# Generated from aod_notebook/aod/_async/resource.py by tests/tools/unasync.py; edit that file instead.
"""The base of agents, environments and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aod_notebook.aod.errors import error_from
from aod_notebook.aod.models import read_list, read_one
from aod_notebook.aod.requests import encode, segment
from aod_notebook.core.errors import FailureKind
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    from uuid import UUID

    from aod_notebook.aod.models import _Resource
    from aod_notebook.aod.requests import RequestBody
    from aod_notebook.core._sync.transport import Transport

R = TypeVar("R", bound="_Resource")


class Resource:
    """One collection of the API: its path, and calls that return its rows."""

    _path = ""
    _noun = ""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _item(self, item_id: str | UUID, action: str = "") -> str:
        """Path of one row, or of an action on it."""
        path = f"{self._path}/{segment(item_id, self._noun)}"
        return f"{path}/{action}" if action else path

    def _write(
        self, method: str, path: str, body: type[RequestBody], fields: dict[str, Any], **extra: Any
    ) -> Call:
        """Describe a call with a body; it is repeated only if it had no effect."""
        content = encode(body, method, self._transport.base_url + path, fields)
        return Call(
            **{"repeat": Repeat.REFUSED, **extra}, method=method, path=path, content=content
        )

    def _one(self, kind: type[R], call: Call) -> R:
        """Make a call that answers with one row; it has at least an id."""
        answer = request_object(self._transport, call)
        if "id" not in answer:
            raise _unreadable(self._transport, call, "a row with an id")
        return read_one(kind, answer)

    def _list(self, kind: type[R], path: str) -> list[R]:
        """Make a call that answers with `{"data": [rows]}`."""
        call = Call(method="GET", path=path)
        answer = self._transport.request(call)
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise _unreadable(self._transport, call, 'a list under "data"')
        return read_list(kind, rows)


def request_object(transport: Transport, call: Call) -> dict[str, Any]:
    """Make a call that answers with one object."""
    answer = transport.request(call)
    if isinstance(answer, dict):
        return answer
    raise _unreadable(transport, call, "an object")


def _unreadable(transport: Transport, call: Call, wanted: str) -> Exception:
    reason = f"the answer is not {wanted}"
    return error_from(call.failure(FailureKind.UNREADABLE, transport.url(call), reason))
