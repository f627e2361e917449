"""The lines of a log file, read once and forgivingly."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from aod_notebook.core.clock import CALENDAR

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


def time_of(text: object) -> datetime | None:
    """Return an ISO 8601 time, in UTC if it names no zone; None if it is not a time."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def micros(text: object) -> int | None:
    """Return an ISO 8601 time as microseconds since 1970; None if it is not a time."""
    return micros_of(time_of(text))


def micros_of(time: datetime | None) -> int | None:
    """Return a time as microseconds since 1970; None if UTC has no such year."""
    if time is None:
        return None
    since = time - _EPOCH
    at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return at if at in CALENDAR else None


def iso(at: int | None) -> str | None:
    """Return microseconds since 1970 as ISO 8601 text in UTC."""
    if at is None:
        return None
    return (_EPOCH + at * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
