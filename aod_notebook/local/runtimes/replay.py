"""The `replay` runtime: plays a recorded transcript instead of running an agent.

The lines are those of the recording, as they are. Nothing is run and no model is asked; the
session says so by its runtime's name. An agent's metadata may hold `replay`, an object with

- `recording`: a name among the recordings of this package or of the data directory's
  `recordings/`, or the absolute path of a `.jsonl` file (default `claude-coding`);
- `pace`: seconds before each line (default 0: full speed);
- `repeat`: how often a turn plays its lines (default 1);
- `exit_code`: the turn's exit code, 0 to 255 (default 0).

A recording's turns end with its `result` lines. Turn n of a session plays turn n of the
recording; after the last one a turn says, in the same format, that there is no more.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from importlib import resources
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.local.processes.supervisor import Outcome
from aod_notebook.local.runtimes.base import RuntimeMissingError

if TYPE_CHECKING:
    from aod_notebook.local.processes import Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink
    from aod_notebook.local.runtimes.base import Turn

DEFAULT_RECORDING = "claude-coding"
_BREATH = 256
_MOST = 1_000_000_000
_EXIT_CODES = range(256)


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of one agent."""

    recording: str = DEFAULT_RECORDING
    pace: float = 0.0
    repeat: int = 1
    exit_code: int = 0


class Replay:
    """Plays a recording's turn, one line per output event."""

    skills_root = ".skills"
    skills_agent = None

    def check(self, turn: Turn) -> None:
        """Raise RuntimeMissingError for a recording that is not there or options that are wrong."""
        load(turn.recordings, read_options(turn.setup.options).recording)

    def prepare(self, turn: Turn) -> None:
        """Nothing to prepare."""

    def configure(self, turn: Turn) -> None:
        """Nothing to configure."""

    async def run(self, turn: Turn, supervisor: Supervisor, sink: Sink, stop: Stop) -> Outcome:
        """Play the turn; a stop or the time limit ends it between two lines."""
        del supervisor  # no process is started
        options = read_options(turn.setup.options)
        # a long recording takes its time: nobody else waits for it
        lines = await asyncio.to_thread(_lines_of, turn, options.recording)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + turn.timeout
        played = chain.from_iterable(repeat(lines, options.repeat))
        for number, line in enumerate(played):
            if options.pace:
                await _pause(stop, min(options.pace, max(0.0, deadline - loop.time())))
            if number % _BREATH == 0:
                await sink.room()
            if stop.event.is_set():
                return Outcome(None, "stopped")
            if loop.time() >= deadline:
                return Outcome(None, "timeout")
            sink.write("stdout", line)
        return Outcome(options.exit_code)


def _lines_of(turn: Turn, recording: str) -> list[str]:
    return segment(load(turn.recordings, recording), turn, recording)


def read_options(metadata: dict[str, Any]) -> Options:
    """Read the `replay` object of an agent's metadata.

    Raises:
        RuntimeMissingError: a key or a value that is not understood.
    """
    given = metadata.get("replay", {})
    try:
        options = Options(**given)
        return Options(
            recording=str(options.recording),
            pace=max(0.0, float(options.pace)),
            repeat=min(max(1, int(options.repeat)), _MOST),
            exit_code=_exit_code(options.exit_code),
        )
    except (TypeError, ValueError, OverflowError):
        raise RuntimeMissingError(
            "the agent's metadata key 'replay' takes an object with recording (name or path), "
            "pace (seconds), repeat (count) and exit_code"
        ) from None


def _exit_code(value: Any) -> int:
    code = int(value)
    if code not in _EXIT_CODES:
        raise ValueError(f"{code} is no exit code of a program")
    return code


def load(folder: Path, name: str) -> list[str]:
    """Return a recording's lines, each with its line end.

    Raises:
        RuntimeMissingError: there is no such recording; the message lists what there is.
    """
    own = Path(name) if Path(name).is_absolute() else folder / f"{name}.jsonl"
    try:
        if not Path(name).is_absolute() and Path(name).name != name:
            raise ValueError("a name has no folder")  # noqa: TRY301 - one message for all that is not there
        # only recordings, also behind a link: an agent's definition is no way to read other files
        if own.suffix == own.resolve().suffix == ".jsonl" and own.is_file():
            return _lines(own.read_text(encoding="utf-8", errors="replace"))
        return _lines((_packaged() / f"{name}.jsonl").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = ", ".join(_known(folder)) or "none"
        raise RuntimeMissingError(
            f"no recording '{name}' (recordings that are there: {known})"
        ) from None


def segment(lines: list[str], turn: Turn, name: str) -> list[str]:
    """Return the lines of one turn; an honest short turn after the recording's end."""
    turns: list[list[str]] = [[]]
    for line in lines:
        turns[-1].append(line)
        if _is_result(line):
            turns.append([])
    turns = [played for played in turns if played]
    if turn.number <= len(turns):
        return turns[turn.number - 1]
    return _after_the_end(turn, name, len(turns))


def _packaged() -> Any:
    return resources.files("aod_notebook.local") / "recordings"


def _known(folder: Path) -> list[str]:
    own = [path.name for path in folder.glob("*.jsonl")] if folder.is_dir() else []
    packaged = [entry.name for entry in _packaged().iterdir()] if _packaged().is_dir() else []
    return sorted(name.removesuffix(".jsonl") for name in {*own, *packaged} if ".jsonl" in name)


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n") if line.strip()]


def _is_result(line: str) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("type") == "result"


def _after_the_end(turn: Turn, name: str, played: int) -> list[str]:
    text = (
        f"This is a replay: the recording '{name}' has {played} turn(s), and this is turn "
        f"{turn.number}. No model was asked."
    )
    usage = {"input_tokens": 0, "output_tokens": 0}
    shared = {"session_id": turn.session_id}
    message_id = f"replay-{turn.session_id}-{turn.number}"
    content = [{"type": "text", "text": text}]
    values: list[dict[str, Any]] = [
        {"type": "system", "subtype": "init", "model": "replay", "tools": [], "mcp_servers": []},
        {
            "type": "assistant",
            "message": {
                "id": message_id,
                "role": "assistant",
                "model": "replay",
                "content": content,
                "usage": usage,
                "stop_reason": "end_turn",
            },
            "parent_tool_use_id": None,
        },
        {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "duration_ms": 0,
            "duration_api_ms": 0,
            "num_turns": 1,
            "result": text,
            "total_cost_usd": 0.0,
            "usage": usage,
            "permission_denials": [],
        },
    ]
    return [json.dumps(value | shared) + "\n" for value in values]


async def _pause(stop: Stop, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.event.wait()
    except TimeoutError:
        return
