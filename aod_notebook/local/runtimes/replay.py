"""The `replay` runtime: plays a recorded transcript instead of running an agent.

The lines are those of the recording, as they are, in the recording's rhythm: a turn that took
longer is compressed to ten seconds. Nothing is run and no model is asked; the session says so by
its runtime's name. Events have the time at which they are played (`created_at`) and, where it is
known, the time of the recording (`recorded_at`). An agent's metadata may hold `replay`, an object
with

- `recording`: a name among the recordings of this package or of the data directory's
  `recordings/`, or the absolute path of a `.jsonl` file (default `claude-coding`);
- `speed`: how much faster than recorded it is played (1: as recorded);
- `pace`: seconds before each line, instead of the recording's rhythm (0: at once);
- `repeat`: how often a turn plays its lines (default 1; more play at once unless paced);
- `exit_code`: the turn's exit code, 0 to 255 (default 0).

Turn n of a session plays turn n of the recording; after the last one a turn says, in the
recording's format, that there is no more. The variable `AOD_NOTEBOOK_REPLAY_PACE` of the service
is the pace of agents that choose neither pace nor speed: 0 where notebooks are executed.
"""

from __future__ import annotations

import asyncio
import math
import os
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from aod_notebook.local.config import PACE_VARIABLE
from aod_notebook.local.processes.supervisor import ProcessEnd
from aod_notebook.local.runtimes.base import RuntimeUnavailableError
from aod_notebook.local.runtimes.recordings import RecordedLine, gaps, load
from aod_notebook.local.runtimes.replay_end import after_the_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.local.processes import Stop, Supervisor
    from aod_notebook.local.processes.supervisor import Sink
    from aod_notebook.local.runtimes.base import AgentTurn

DEFAULT_RECORDING = "claude-coding"
TURN_S = 10.0
"""How long a turn takes at most, unless a speed or a pace is chosen."""
_BREATH = 256
_MOST = 1_000_000_000
_EXIT_CODES = range(256)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The choices of one agent."""

    recording: str = DEFAULT_RECORDING
    pace: float | None = None
    speed: float | None = None
    repeat: int = 1
    exit_code: int = 0


class Replay:
    """Plays a recording's turn, one line per output event."""

    skills_root = ".skills"
    skills_agent = None

    def check(self, turn: AgentTurn) -> None:
        """Raise RuntimeUnavailableError for a recording that is not there or options that are wrong."""
        load(turn.recordings, read_options(turn.setup.options).recording)

    def prepare(self, turn: AgentTurn) -> None:
        """Nothing to prepare."""

    def configure(self, turn: AgentTurn) -> None:
        """Nothing to configure."""

    async def run(
        self, turn: AgentTurn, supervisor: Supervisor, sink: Sink, stop: Stop
    ) -> ProcessEnd:
        """Play the turn; a stop or the time limit ends it between two lines."""
        del supervisor  # no process is started
        options = read_options(turn.setup.options)
        # a long recording takes its time: nothing else waits for it
        lines = await asyncio.to_thread(_lines_of, turn, options.recording)
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline, due = began + turn.timeout, began
        for number, (line, pause) in enumerate(_played(lines, options)):
            due += pause  # from the beginning, so that late wake-ups do not add up
            if due > loop.time():
                await _pause(stop, min(due, deadline) - loop.time())
            if number % _BREATH == 0:
                await sink.room()
            if stop.event.is_set():
                return ProcessEnd(None, "stopped")
            if loop.time() >= deadline:
                return ProcessEnd(None, "timeout")
            sink.write("stdout", line.text, line.at)
        return ProcessEnd(options.exit_code)


def _lines_of(turn: AgentTurn, name: str) -> list[RecordedLine]:
    recording = load(turn.recordings, name)
    if turn.number <= len(recording.turns):
        return recording.turns[turn.number - 1]
    return after_the_end(recording, turn)


def _played(
    lines: list[RecordedLine], options: ReplayOptions
) -> Iterable[tuple[RecordedLine, float]]:
    """Return the lines as often as they are played, each with the pause before it."""
    pauses = [0.0] * len(lines)
    if options.pace is not None:
        pauses = [options.pace] * len(lines)
    elif options.speed is not None or options.repeat == 1:
        pauses = gaps(lines, seconds=TURN_S, speed=options.speed)
    return chain.from_iterable(repeat(list(zip(lines, pauses, strict=True)), options.repeat))


def read_options(metadata: dict[str, Any]) -> ReplayOptions:
    """Read the `replay` object of an agent's metadata.

    Raises:
        RuntimeUnavailableError: a key or a value that is not understood.
    """
    given = metadata.get("replay", {})
    try:
        options = ReplayOptions(**given)
        pace: Any = options.pace
        if pace is None and options.speed is None:
            pace = _usual_pace()
        return ReplayOptions(
            recording=str(options.recording),
            pace=None if pace is None else max(0.0, float(pace)),
            speed=None if options.speed is None else _speed(options.speed),
            repeat=min(max(1, int(options.repeat)), _MOST),
            exit_code=_exit_code(options.exit_code),
        )
    except (TypeError, ValueError, OverflowError):
        raise RuntimeUnavailableError(
            "the agent's metadata key 'replay' takes an object with recording (name or path), "
            "speed (a factor above 0) or pace (seconds), repeat (count) and exit_code"
        ) from None


def _usual_pace() -> str | None:
    """Return the pace that the service's variable sets; None if it is empty."""
    return os.environ.get(PACE_VARIABLE) or None


def _speed(value: Any) -> float:
    speed = float(value)
    if not (speed > 0 and math.isfinite(speed)):
        raise ValueError(f"{speed} is not a speed")
    return speed


def _exit_code(value: Any) -> int:
    code = int(value)
    if code not in _EXIT_CODES:
        raise ValueError(f"{code} is not an exit code of a program")
    return code


async def _pause(stop: Stop, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.event.wait()
    except TimeoutError:
        return
