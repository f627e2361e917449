"""Recordings: the lines that an agent printed, turn by turn, and when.

A recording is a `.jsonl` file with the original lines. Its times are those that the lines
hold themselves (Gemini and opencode write them), or stand beside it in a `.times` file: a line
for each line, with the number of its turn and its time in ISO 8601 or `-`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.local.credentials import make_private, write_private
from aod_notebook.local.runtimes.base import RuntimeUnavailableError
from aod_notebook.transcripts.recognise import runtime_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_GAP_S = 2.0
"""Pauses in which the agent waited for a person are cut."""
_EVEN_GAP_S = 0.25
"""Between lines of which no time is known."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """A line with its line end; `at` is when it was printed, None if that is unknown."""

    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """The turns of a recording; `runtime` is what printed it, None for plain text."""

    name: str
    runtime: str | None
    turns: list[list[RecordedLine]]


def load(folder: Path, name: str) -> RecordedSession:
    """Read a recording: by its name in `folder` or in this package, or by its absolute path.

    Raises:
        RuntimeUnavailableError: there is no such recording; the message lists what there is.
    """
    own = Path(name) if Path(name).is_absolute() else folder / f"{name}.jsonl"
    try:
        if not Path(name).is_absolute() and Path(name).name != name:
            raise ValueError("a name has no folder")  # noqa: TRY301 - one message for all that is not there
        # only recordings, also behind a link: an agent's definition must not read other files
        if own.suffix == own.resolve().suffix == ".jsonl" and own.is_file():
            return _recording(name, own, own.with_suffix(".times"))
        packaged = _packaged() / f"{name}.jsonl"
        return _recording(name, packaged, _packaged() / f"{name}.times")
    except (OSError, ValueError):
        known = ", ".join(_known(folder)) or "none"
        raise RuntimeUnavailableError(
            f"no recording '{name}' (recordings that are there: {known})"
        ) from None


def write(path: Path, turns: Sequence[Sequence[RecordedLine]]) -> None:
    """Write a recording to `path` (`.jsonl`), and its times beside it; the folder is made."""
    make_private(path.parent)
    numbered = [(number, line) for number, turn in enumerate(turns, 1) for line in turn]
    times = "".join(
        f"{number} {'-' if line.at is None else line.at.isoformat()}\n" for number, line in numbered
    )
    for place, text in (
        (path.with_suffix(".times"), times),
        (path, "".join(line.text for _, line in numbered)),
    ):
        write_private(place, text.encode())


def gaps(
    lines: Sequence[RecordedLine], *, seconds: float | None, speed: float | None
) -> list[float]:
    """Return the pauses before the lines of a turn, in seconds.

    Args:
        lines: the lines of the turn.
        seconds: how long the turn may take; a shorter one keeps its own rhythm.
        speed: how much faster than recorded it is played, instead of `seconds`.

    Example:
        >>> at = datetime(2026, 5, 4, tzinfo=UTC)
        >>> recorded = [Line("a", at), Line("b", at.replace(second=8)), Line("c", at.replace(second=40))]
        >>> gaps(recorded, seconds=None, speed=8)
        [0.0, 1.0, 4.0]
        >>> gaps(recorded, seconds=3, speed=None)
        [0.0, 1.0, 2.0]
    """
    recorded = _recorded_gaps(lines)
    if recorded is None:
        pause = _EVEN_GAP_S if speed is None else _EVEN_GAP_S / speed
        if seconds is not None:
            pause = min(pause, seconds / max(1, len(lines)))
        return [pause] * len(lines)
    if speed is not None:
        return [gap / speed for gap in recorded]
    return _squeezed(recorded, seconds or 0.0)


def _squeezed(recorded: list[float], seconds: float) -> list[float]:
    """Scale the gaps so that they last `seconds` in all, none of them too long."""
    low, high = 0.0, 1.0
    for _ in range(40):  # halves an interval: far below a millisecond
        scale = (low + high) / 2
        if sum(min(gap * scale, _LONGEST_GAP_S) for gap in recorded) > seconds:
            high = scale
        else:
            low = scale
    return [round(min(gap * high, _LONGEST_GAP_S), 6) for gap in recorded]


def _recorded_gaps(lines: Sequence[RecordedLine]) -> list[float] | None:
    """Return the time from each line to the next; lines without a time come with the one before."""
    known = [line.at for line in lines if line.at is not None]
    if not known or min(known) == max(known):
        return None
    found, last = [], known[0]
    for line in lines:
        at = max(last, line.at or last)
        found.append((at - last).total_seconds())
        last = at
    return found


def _packaged() -> Any:
    return resources.files("aod_notebook.local") / "recordings"


def _known(folder: Path) -> list[str]:
    own = [path.name for path in folder.glob("*.jsonl")] if folder.is_dir() else []
    packaged = [entry.name for entry in _packaged().iterdir()] if _packaged().is_dir() else []
    names = {name for name in (*own, *packaged) if name.endswith(".jsonl")}
    return sorted(name.removesuffix(".jsonl") for name in names)


def _recording(name: str, path: Any, times: Any) -> RecordedSession:
    text = path.read_bytes().decode(errors="replace")
    lines = [line + "\n" for line in text.split("\n") if line.strip()]
    runtime = next((found for found in map(_runtime, lines) if found is not None), None)
    try:
        marks = times.read_text(encoding="utf-8").splitlines()
    except OSError:
        marks = []
    if len(marks) == len(lines):
        return RecordedSession(name, runtime, _marked_turns(lines, marks))
    return RecordedSession(name, runtime, _found_turns(lines, runtime))


def _marked_turns(lines: list[str], marks: list[str]) -> list[list[RecordedLine]]:
    turns: dict[int, list[RecordedLine]] = {}
    for text, mark in zip(lines, marks, strict=True):
        number, _, at = mark.partition(" ")
        turns.setdefault(int(number), []).append(RecordedLine(text, _time(at)))
    last = max(turns, default=0)
    return [turns.get(number, []) for number in range(1, last + 1)]


def _found_turns(lines: list[str], runtime: str | None) -> list[list[RecordedLine]]:
    """Split lines after those by which the runtime reports a turn's end."""
    turns: list[list[RecordedLine]] = [[]]
    for text in lines:
        value = _loads(text)
        turns[-1].append(RecordedLine(text, _time(value.get("timestamp"))))
        if _ends_turn(value, runtime):
            turns.append([])
    return [turn for turn in turns if turn]


def _ends_turn(value: dict[str, Any], runtime: str | None) -> bool:
    kind = value.get("type")
    if runtime == "opencode":
        part = value.get("part")
        reason = part.get("reason") if isinstance(part, dict) else None
        return kind == "step_finish" and reason not in (None, "tool-calls")
    return kind in (("turn.completed", "turn.failed") if runtime == "codex" else ("result",))


def _time(value: object) -> datetime | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def _runtime(line: str) -> str | None:
    return runtime_of(_loads(line))


def _loads(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
