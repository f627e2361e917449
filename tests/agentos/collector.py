"""A reporting service in a thread: keeps what it is sent, and answers as a test wants."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector:
    """Answers 200 unless `respond(path, body)` gives `(status, body)`, or None to hang up."""

    def __init__(self, respond=None):
        self.respond = respond or (lambda _path, _body: (200, {"data": {}}))
        self.requests = []  # (path, body), those that were answered well
        self.asked = []  # all paths
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def events(self):
        """All events that were taken, in the order of their arrival."""
        return [
            event
            for path, body in list(self.requests)
            if path.endswith("/events")
            for event in body["events"]
        ]

    @property
    def numbers(self):
        return [event["payload"]["i"] for event in self.events]

    def paths(self):
        """What was taken, without the prefix."""
        return [path.removeprefix("/api/ingest/v1/") for path, _ in list(self.requests)]

    def bodies(self, ending):
        return [body for path, body in list(self.requests) if path.endswith(ending)]


def until(condition, seconds=60.0):
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def _handler(collector):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            collector.asked.append(self.path)
            if self.path.endswith("/run/start") and not hasattr(collector.respond, "starts"):
                answer = 200, {"data": {"run_id": "run-" + body["external_run_id"]}}
            else:
                answer = collector.respond(self.path, body)
            if answer is None:
                collector.requests.append((self.path, body))  # taken, but the answer is lost
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, content = answer[:2]
            if status < 300:
                collector.requests.append((self.path, body))
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in (answer[2] if len(answer) > 2 else {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler
