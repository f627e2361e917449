"""A session that a test drives."""

import itertools
import time
from types import SimpleNamespace


class Source:
    """What a viewer needs of a session."""

    def __init__(self, runtime="shell"):
        self.id, self.title, self.runtime = "1", f"{runtime} · 1", runtime
        self.status, self.is_final = "running", False
        self.events, self.listeners = [], []
        self._numbers = itertools.count()

    def received(self, start=0):
        return self.events[start:]

    def listen(self, changed):
        self.listeners.append(changed)
        return lambda: self.listeners.remove(changed)

    def emit(self, type_, **extra):
        event = SimpleNamespace(type=type_, id=next(self._numbers), extra=extra)
        self.events.append((event, time.time()))
        for changed in list(self.listeners):
            changed()

    def lines(self, *texts, stream="stdout"):
        for text in texts:
            self.emit("output", stream=stream, data=f"{text}\n", turn=1)

    def end(self, code=0):
        self.status, self.is_final = "completed", True
        self.emit("exit", code=code)
