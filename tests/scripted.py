"""An HTTP server whose answers are scripted byte by byte: for what no sane server sends."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

Answer = Callable[[socket.socket], None]

DEADLINE_S = 60
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds: closing sends RST


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class Scripted:
    """Returns the answers in order, one per connection; the last one is given for ever."""

    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)
    tls: Any = None  # a context of `ssl`: then the service speaks https

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def url(self):
        host, port = self._listener.getsockname()
        return f"{'http' if self.tls is None else 'https'}://{host}:{port}"

    def _serve(self):
        answers = list(self.answers)
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            threading.Thread(target=self._answer, args=(connection, answer), daemon=True).start()

    def _answer(self, connection, answer):
        # A client that gives up resets the connection, also while it is read.
        with contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                request = read_request(connection)
                if request is not None:
                    self.requests.append(request)
                    answer(connection)


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body)


def answer(status=200, body=b"", content_type="application/json", **headers):
    """A whole answer; `body` is sent as JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
    return lambda connection: connection.sendall(data)


def stream(*parts, then="close", content_type="text/event-stream"):
    """An event stream: `parts` (bytes, or events to wait for), then close, reset or hang."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n".encode()

    def give(connection):
        connection.sendall(head)
        for part in parts:
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                part.wait(DEADLINE_S)
        if then == "reset":
            _reset_at_close(connection)
        elif then == "hang":
            _hang(connection)

    return give


def reset():
    """No answer: the connection is reset when the request has been read."""
    return _reset_at_close


def hang():
    """No answer, until the client gives up."""
    return _hang


def _reset_at_close(connection):
    # A reset throws away what has not arrived yet, so wait until all of it has.
    unsent = array.array("i", [1])
    until = time.monotonic() + DEADLINE_S
    while unsent[0] and time.monotonic() < until:
        fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, unsent)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _hang(connection):
    connection.settimeout(DEADLINE_S)
    connection.recv(1)


def frame(payload, *, mark=False):
    """One event as the service frames it; `mark` adds the `id:` line."""
    prefix = f"id: {payload['id']}\n" if mark else ""
    return f"{prefix}data: {json.dumps(payload)}\n\n".encode()


def start():
    return frame({"type": "start", "runtime": "claude", "session_id": "s"})


def turn_start(number, turn=1):
    return frame({"type": "turn_start", "id": number, "turn": turn})


def output(number, data="x", turn=1):
    payload = {"type": "output", "id": number, "stream": "stdout", "data": data, "turn": turn}
    return frame(payload, mark=True)


def runtime_start(number):
    payload = {"type": "stage", "id": number, "stage": "runtime_start", "state": "started"}
    return frame(payload, mark=True)


def terminal(number, kind="exit", **fields):
    fields = fields or ({"code": 0} if kind == "exit" else {"message": "m"})
    return frame({"type": kind, "id": number, **fields}, mark=number != 0)


def in_no_time(client):
    """Let a client of ours wait hardly at all between retries."""
    transport = client._transport
    transport.retry = replace(transport.retry, base=0.001, cap=0.01)


AGENT = {
    "id": "0b3f7e0a-7f3c-4c39-9d0c-0f4f7d5d3a01",
    "type": "agent",
    "name": "demo",
    "description": None,
    "system": None,
    "model": "anthropic/claude-sonnet-4-6",
    "runtime": "claude",
    "environment_id": None,
    "skills": [],
    "mcp_servers": [],
    "metadata": {},
    "version": 1,
    "created_at": "2026-01-02T03:04:05.000006+00:00",
    "updated_at": "2026-01-02T03:04:05.000006+00:00",
    "archived_at": None,
}
SESSION = {
    "id": "5f6dbb1e-4b8e-4a9c-8f5e-1d2c3b4a5968",
    "agent_id": AGENT["id"],
    "environment_id": None,
    "runtime": "claude",
    "status": "completed",
    "exit_code": 0,
    "created_at": AGENT["created_at"],
    "updated_at": AGENT["updated_at"],
    "resources": [],
    "turn_count": 1,
    "current_turn": 1,
}
