"""Capture what a cell prints and displays, and still show it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


LONGEST = 16_000
"""A line that is longer than this is passed on in parts."""

Take: TypeAlias = Callable[[str, str], None]


class Capture:
    """Passes to `take` the lines of standard output and error, and the text of displayed outputs.

    Args:
        shell: the shell that the cell runs in.
        take: called with the name of the stream (`stdout`, `stderr`, `display`) and the text; from
            any thread.
    """

    def __init__(self, shell: InteractiveShell, take: Take) -> None:
        self._take = take
        self._publisher = cast("Any", shell.display_pub)
        self._tees = {name: _Tee(getattr(sys, name), name, take) for name in ("stdout", "stderr")}
        for name, tee in self._tees.items():
            setattr(sys, name, tee)
        # Without a kernel what is displayed is printed.
        self._has_hook = hasattr(self._publisher, "register_hook")
        if self._has_hook:
            self._publisher.register_hook(self._display)

    def close(self) -> None:
        """Pass on the unfinished line, then nothing more."""
        if self._has_hook:
            self._publisher.unregister_hook(self._display)
        for name, tee in self._tees.items():
            if getattr(sys, name) is tee:  # else the cell put another one in its place
                setattr(sys, name, tee.stream)
            tee.close()

    def _display(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["header"]["msg_type"] == "display_data":
            text = message["content"]["data"].get("text/plain")
            if text:
                self._take("display", str(text))
        return message


class _Tee:
    """A text stream that also passes whole lines to `take`."""

    def __init__(self, stream: Any, name: str, take: Take) -> None:
        self.stream = stream
        self._name = name
        self._take = take
        self._lock = threading.Lock()  # guards the two below
        self._line = ""
        self._is_open = True

    def write(self, text: str) -> int:
        """Write, and pass on the completed lines."""
        written: int = self.stream.write(text)
        with self._lock:
            if not self._is_open:
                return written
            whole, newline, rest = (self._line + text).rpartition("\n")
            self._line = _as_shown(rest)
            if len(self._line) > LONGEST:
                whole, newline, self._line = whole + newline + self._line, "\n", ""
        if newline:
            self._take(self._name, "\n".join(map(_last_written, whole.split("\n"))))
        return written

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Pass on the rest; the stream itself stays open."""
        with self._lock:
            self._is_open, rest = False, _last_written(self._line)
        if rest:
            self._take(self._name, rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _last_written(line: str) -> str:
    """Return the visible part of a line after its carriage returns."""
    return line.rstrip("\r").rpartition("\r")[2]


def _as_shown(line: str) -> str:
    """Return the same of an unfinished line; after a carriage return, the rest writes over it."""
    return _last_written(line) + ("\r" if line.endswith("\r") else "")
