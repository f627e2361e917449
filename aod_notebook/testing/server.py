"""`ModelServer`: a scripted model behind the APIs that the agents' CLIs speak."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol, Self

from aod_notebook.testing import gemini, messages, responses
from aod_notebook.testing.environment import CliEnvironment, environment
from aod_notebook.testing.ledger import Served, with_counts
from aod_notebook.testing.reply import Reply, Sent, count
from aod_notebook.testing.script import Cursor, Cut, Delay, Failure, ToolCall, WebSearch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from aod_notebook.testing.script import Answer, Block, Request, Script

_IDLE_S = 60.0


class _Api(Protocol):
    """The protocol of the modules of the three APIs."""

    def read(self, body: Mapping[str, Any], headers: Mapping[str, str], path: str) -> Request: ...
    def whole(self, reply: Reply) -> dict[str, Any]: ...
    def stream(self, reply: Reply) -> Iterator[Sent | Block]: ...
    def error(self, failure: Failure) -> dict[str, Any]: ...
    def stream_error(self, failure: Failure) -> Sent: ...


class ModelServer:
    """A model on a free port of 127.0.0.1 that answers from a script and counts what it serves.

    It speaks Anthropic's Messages, OpenAI's Responses and Gemini's generateContent, so the real
    CLIs of Claude, Codex, Gemini and opencode work with it, without an account and without
    money. It asks for no key.

    Args:
        script: the answers. An iterable: each request of a conversation takes the next answer
            (`itertools.repeat` makes one that never ends). A mapping: the request takes the next
            answer of the key that occurs in its newest prompt, for several conversations or
            subagents at a time. A function: it gets the `Request` and returns the answer.
        side: the answer to requests that offer no tools, with which CLIs make titles and
            summaries; they take nothing from the script.

    An answer is a text, a block, or a list of them. Attributes: `url`, `ledger` (a `Served` per
    answer, in the order in which they were asked for), `requests` (a `Request` per answer).

    Raises:
        TypeError: the script is a text.

    Example:
        >>> with ModelServer(["Hello."]) as server:
        ...     server.environment("gemini").variables["GOOGLE_GEMINI_BASE_URL"] == server.url
        True
    """

    def __init__(self, script: Script, *, side: Answer = "A scripted answer.") -> None:
        self._cursor = Cursor(script, side)
        self._lock = threading.Lock()  # guards _rows, _requests and _open
        self._rows: list[Served] = []
        self._requests: list[Request] = []
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="model-server", args=(0.05,), daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving; cut answers in progress."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    @property
    def ledger(self) -> list[Served]:
        """The answers served so far."""
        with self._lock:
            return list(self._rows)

    @property
    def requests(self) -> list[Request]:
        """The requests so far, in the order of the ledger."""
        with self._lock:
            return list(self._requests)

    def environment(self, cli: str) -> CliEnvironment:
        """Return the variables and files with which `cli` talks to this server.

        Raises:
            ValueError: `cli` is not claude, codex, gemini or opencode.
        """
        return environment(cli, self.url)

    def _reply(self, request: Request) -> Reply:
        """Take the request's answer and enter it in the ledger, without any counts yet."""
        with self._lock:
            number = len(self._rows) + 1
            self._rows.append(Served(number=number, api=request.api, model=request.model))
            self._requests.append(request)
        try:
            blocks = self._cursor.answer(request)
        except Exception as error:  # noqa: BLE001 - a script's own function may raise anything
            blocks = (Failure(400, f"The script failed: {error!r}"),)
        calls = tuple(block.name for block in blocks if isinstance(block, ToolCall))
        searches = sum(isinstance(block, WebSearch) for block in blocks)
        self._change(
            number,
            prompt=request.prompt,
            tool_calls=calls,
            web_searches=searches if request.searches else 0,
            is_side=request.is_side,
            is_finished=False,
        )
        return Reply(number, request, blocks, count(number, blocks))

    def _change(self, number: int, **fields: Any) -> None:
        with self._lock:
            self._rows[number - 1] = replace(self._rows[number - 1], **fields)

    def _send(self, number: int, piece: Sent) -> None:
        """Record the counts before sending them: the client may read the ledger at once."""
        with self._lock:
            row = self._rows[number - 1]
            if piece.counts is not None:
                row = with_counts(row, piece.counts)
            self._rows[number - 1] = replace(row, is_finished=row.is_finished or piece.last)

    @contextlib.contextmanager
    def _connected(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request per connection, so that nothing is left open at the end."""

    model: ModelServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def handle(self) -> None:
        with self.model._connected(self.connection), contextlib.suppress(OSError):  # noqa: SLF001
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Write nothing to the terminal."""

    def do_HEAD(self) -> None:
        """Answer a CLI that checks whether the server answers."""
        self._head(200, "application/json", 0)

    def do_GET(self) -> None:
        """Answer 404: there is nothing to read but the answers to prompts."""
        self._json(404, {"error": {"message": f"{self.path} is not served."}})

    def do_POST(self) -> None:
        """Answer a prompt, or count its tokens."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            return self._json(200, {"input_tokens": len(raw) // 4})
        if path.endswith(":countTokens"):
            return self._json(200, {"totalTokens": len(raw) // 4})
        api = _api(path)
        if api is None:
            return self.do_GET()
        try:
            body = json.loads(raw)
            request = api.read(body, {k.lower(): v for k, v in self.headers.items()}, path)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return self._json(400, api.error(Failure(400, f"The request is not valid: {error!r}")))
        return self._answer(api, self.model._reply(request))  # noqa: SLF001 - one unit, two classes

    def _answer(self, api: _Api, reply: Reply) -> None:
        first = next((b for b in reply.blocks if not isinstance(b, Delay)), None)
        if isinstance(first, Failure) or not reply.request.stream:
            return self._whole(api, reply)
        self._head(200, "text/event-stream", None)
        for piece in api.stream(reply):
            match piece:
                case Sent():
                    self.model._send(reply.number, piece)  # noqa: SLF001
                    self.wfile.write(piece.data)
                case Delay(seconds):
                    self.model._closing.wait(seconds)  # noqa: SLF001
                case Failure():
                    self.wfile.write(api.stream_error(piece).data)
                    break
                case Cut():
                    break
        return None

    def _whole(self, api: _Api, reply: Reply) -> None:
        """Answer in one piece: an error, or to a client that wants no stream."""
        for block in reply.blocks:
            match block:
                case Delay(seconds):
                    self.model._closing.wait(seconds)  # noqa: SLF001
                case Cut():
                    return
                case Failure():
                    self.model._change(reply.number, status=block.status)  # noqa: SLF001
                    self._json(block.status, api.error(block), block.retry_after)
                    return
        # The events know the counts as this API reports them.
        for piece in api.stream(reply):
            if isinstance(piece, Sent):
                self.model._send(reply.number, piece)  # noqa: SLF001
        self._json(200, api.whole(reply))

    def _json(self, status: int, body: dict[str, Any], retry_after: float | None = None) -> None:
        data = json.dumps(body).encode()
        more = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        self._head(status, "application/json", len(data), more)
        self.wfile.write(data)

    def _head(
        self, status: int, kind: str, length: int | None, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        if length is not None:
            self.send_header("content-length", str(length))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()


def _api(path: str) -> _Api | None:
    if path.endswith("/messages"):
        return messages
    if path.endswith("/responses"):
        return responses
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return gemini
    return None
