"""The service's log: repetitions are left out, and the file size is limited."""

from __future__ import annotations

import logging
import os
import stat
import time
from typing import TextIO

_REPEATS = 5
_PERIOD_S = 60.0
_MOST_BYTES = 2 * 1024 * 1024
_MOST_OF_ONE = 16 * 1024
_KINDS = 1000


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes at most five lines a minute from each place in the code, and 2 MiB in all.

    A full file is rewritten with its newest quarter. For that it must have been opened
    for reading and in append mode; anything else, such as a terminal, is only written to.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._counts: dict[object, tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless its source wrote many in the last minute."""
        place = record.pathname, record.lineno
        since, count = self._counts.get(place, (0.0, 0))
        now = time.monotonic()
        if now - since > _PERIOD_S:
            since, count = now, 0
        if len(self._counts) > _KINDS:
            self._counts.clear()
        self._counts[place] = since, count + 1
        if count < _REPEATS:
            super().emit(record)
            self._trim()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the last one of a series notes that more are suppressed."""
        text = super().format(record)
        if len(text) > _MOST_OF_ONE:
            text = f"{text[:_MOST_OF_ONE]} … cut"
        _, count = self._counts.get((record.pathname, record.lineno), (0.0, 0))
        if count == _REPEATS:
            text += " (more of this kind are left out for a minute)"
        return text

    def _trim(self) -> None:
        try:
            file = self.stream.fileno()
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode) or about.st_size <= _MOST_BYTES:
                return
            kept = os.pread(file, _MOST_BYTES // 4, about.st_size - _MOST_BYTES // 4)
            os.ftruncate(file, 0)
            os.write(file, kept[kept.find(b"\n") + 1 :])
        except (OSError, ValueError):
            return  # a stream that can't be read is left unchanged
