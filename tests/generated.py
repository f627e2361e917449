"""A service of many generated sessions: it has the answers ready, so that a client is measured."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

SEND_BUFFER_BYTES = 144 << 10
"""As of the embedded service."""
AGENT = "00000000-0000-4000-8000-00000000a6e7"


def session_id(number):
    """Return an id whose order is not that of the numbers."""
    return str(UUID(int=(number * 0x9E3779B97F4A7C15 % 2**64) << 64 | number))


def session_of(one, *, runtime="claude", status="completed", turns=1):
    return {
        "id": one,
        "agent_id": AGENT,
        "environment_id": None,
        "runtime": runtime,
        "provider": "anthropic",
        "status": status,
        "exit_code": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:10:00Z",
        "resources": [],
        "turn_count": turns,
        "current_turn": turns,
    }


def turns_of(count):
    return [
        {
            "turn_number": number,
            "prompt": f"question {number}",
            "status": "completed",
            "exit_code": 0,
            "created_at": "2026-01-01T00:00:00Z",
            "started_at": "2026-01-01T00:00:01Z",
            "ended_at": f"2026-01-01T00:0{number % 10}:30Z",
        }
        for number in range(1, count + 1)
    ]


class Generated:
    """A running service; `sessions` maps ids to a row, its turns and the bytes of its stream."""

    def __init__(self, sessions, runs=None, *, stream=None):
        self.sessions = sessions
        self.runs = runs or {}
        self.asked = []
        self._stream = stream or (lambda given: given)

    def __enter__(self):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.answer(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                run_id = next(iter(owner.runs))
                owner.send(self, owner.runs[run_id])

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.request_queue_size = 128
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler):
        path = handler.path.partition("?")[0].strip("/").split("/")
        self.asked.append("/".join(path))
        if path == ["sessions"]:
            rows = [json.dumps(row) for row, _, _ in self.sessions.values()]
            self.send(handler, f'{{"data": [{",".join(rows)}]}}'.encode())
            return
        found = self.sessions.get(path[1]) if path[0] == "sessions" else None
        if found is None:
            self.send(handler, b'{"detail": "Session not found"}', status=404)
            return
        row, turns, body = found
        match path[2:]:
            case ["stream"]:
                self.send(handler, self._stream(body), kind="text/event-stream")
            case ["turns"]:
                self.send(handler, json.dumps({"data": turns}).encode())
            case _:
                self.send(handler, json.dumps(row).encode())

    def send(self, handler, body, *, kind="application/json", status=200):
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
