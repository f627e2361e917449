"""The lines of a log file, read once and forgivingly."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from aod_notebook.core.clock import EPOCH

_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20


def lines_of(path: Path, skipped: tuple[bytes, ...] = ()) -> Iterator[tuple[int, bytes]]:
    """Read a file that may still be growing, without the lines that start like one of `skipped`.

    Yields:
        The number of each line that is not blank (from 1), and the line with its newline; the
        last one has none if it is half written.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(_BOM)  # noqa: PLW2901
            if line and not line.isspace() and not line.startswith(skipped):
                yield number, line


def fault(line: bytes, what: str) -> str:
    """Return what is wrong with a line that cannot be read: `what`, unless its end is missing."""
    return what if line.endswith(b"\n") else "the last line is incomplete"


def iso(at: int | None) -> str | None:
    """Return microseconds since 1970 as ISO 8601 text in UTC."""
    if at is None:
        return None
    return (EPOCH + at * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


_MICROSECOND = datetime.resolution
