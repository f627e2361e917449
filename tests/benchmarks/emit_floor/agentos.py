"""The least that reporting can do and still lose nothing: the floor that bench_emit measures.

Each event becomes JSON text and is written, with its checksum, by one `write` of its own; one
thread posts what is there, 500 events at a time. There are no retries, no ids, no limits, and
nothing is read back or tidied up.
"""

import os
import struct
import tempfile
import threading
import zlib
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec

BATCH = 500
encode = msgspec.json.Encoder().encode


class AgentOS:
    def __init__(self, *, base_url, **_):
        self.connection = HTTPConnection(urlsplit(base_url).netloc)

    def start_run(self, *, external_run_id):
        body = encode({"external_run_id": external_run_id})
        return Run(self, msgspec.json.decode(self.post("/run/start", body))["data"]["run_id"])

    def post(self, path, body):
        headers = {"content-type": "application/json"}
        self.connection.request("POST", f"/api/ingest/v1{path}", body, headers)
        return self.connection.getresponse().read()


class Run:
    def __init__(self, client, run_id):
        self.client = client
        self.head = b'{"run_id":%b,"events":[' % encode(run_id)
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as the run
        self.waiting = []
        self.is_over = False
        self.news = threading.Event()
        self.thread = threading.Thread(target=self.send)
        self.thread.start()

    def emit(self, name, payload):
        text = encode({"type": name, "payload": payload})
        os.write(self.file.fileno(), struct.pack("<II", len(text), zlib.crc32(text)) + text)
        self.waiting.append(text)
        if len(self.waiting) == BATCH:
            self.news.set()

    def send(self):
        while not (self.is_over and not self.waiting):
            self.news.wait(0.05)
            self.news.clear()
            while texts := self.waiting[:BATCH]:
                del self.waiting[: len(texts)]
                self.client.post("/events", b"%b%b]}" % (self.head, b",".join(texts)))

    def complete(self):
        self.is_over = True
        self.news.set()
        self.thread.join()
        self.file.close()
