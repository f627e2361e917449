"""The lines of a log file, read once and forgivingly."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20


def lines_of(path: Path, skipped: tuple[bytes, ...] = ()) -> Iterator[tuple[int, bytes, bool]]:
    """Read a file that may still be growing, without the lines that start like one of `skipped`.

    Yields:
        The number of each line that is not blank (from 1), the line with its newline, and whether
        it has one: the last line may be half written.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(_BOM)  # noqa: PLW2901
            if line and not line.isspace() and not line.startswith(skipped):
                yield number, line, line.endswith(b"\n")


def micros(text: object) -> int | None:
    """Return an ISO 8601 time as microseconds since 1970; None if it is not a time."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def iso(at: int | None) -> str | None:
    """Return microseconds since 1970 as ISO 8601 text in UTC."""
    if at is None:
        return None
    return (_EPOCH + at * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
