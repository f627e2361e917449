"""A session or a run that a test drives from a notebook's cells, without a service."""

import threading
import time

from aod_notebook.aod import StreamEvent


class Driven:
    """What a viewer needs of a session; `line`, `flood` and `end` say what happens in it.

    Without a runtime it is a run of AgentOS.
    """

    def __init__(self, title="driven", runtime="shell"):
        self.id = "driven"
        self.title = title
        self.runtime = runtime
        self.prompts = {}
        self.status = "running"
        self.is_final = False
        self.emitted = {}
        self._events = []
        self._listeners = []
        if runtime is not None:
            self.event("turn_start", turn=1)

    def received(self, start=0):
        return self._events[start:]

    def listen(self, changed):
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed) if changed in self._listeners else None

    def event(self, type_, **extra):
        self._events.append((StreamEvent(type_, len(self._events), extra), time.time()))
        for changed in self._listeners:
            changed()

    def line(self, *texts, stream="stdout"):
        for text in texts:
            self.event("output", stream=stream, data=f"{text}\n", turn=1)

    def record(self, type_, level="info", **payload):
        self.event(type_, level=level, payload=payload)

    def span(self, name, kind, **payload):
        self.event(name, level="info", payload=payload, span_id=name, kind=kind, duration_ms=840)

    def end(self, code=0):
        self.status, self.is_final = "completed" if code == 0 else "failed", True
        self.event("exit", code=code)

    def next_turn(self, text):
        self.status, self.is_final = "running", False
        self.event("turn_start", turn=2)
        self.line(f"prompt: {text}")

    def flood(self, count, per_second=None):
        """Emit lines of 79 bytes, evenly or in one burst."""
        began = time.perf_counter()
        for number in range(count):
            if per_second is not None:
                ahead = number / per_second - (time.perf_counter() - began)
                if ahead > 0.002:
                    time.sleep(ahead)
            self.line(f"{number:08d} ".ljust(79, "x"))
        self.emitted["last"] = time.time()

    def flood_in_thread(self, count, per_second=None):
        threading.Thread(target=self.flood, args=(count, per_second), daemon=True).start()
