"""Recordings for the runtime `replay`: check them, and make them from sessions and logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import file_name
from aod_notebook.live.embedded import embedded_data_dir

if TYPE_CHECKING:
    from aod_notebook.live.connections import AodConnection
    from aod_notebook.local.runtimes.recordings import RecordedLine


def check_replay(recording: str | None, speed: float | None, runtime: str | None) -> None:
    """Refuse a recording or a speed for another runtime than `replay`.

    Raises:
        AodNotebookError: one is given, or the speed is not a number above 0.
    """
    if (recording is not None or speed is not None) and runtime != "replay":
        raise AodNotebookError(
            "A recording and a speed are for the runtime replay. Leave them out, or use "
            "runtime='replay' without an agent."
        )
    if speed is not None and not 0 < speed < float("inf"):
        raise AodNotebookError(f"speed takes a number above 0, not {speed}.")


def replay_options(recording: str | None, speed: float | None, on: AodConnection) -> dict[str, Any]:
    """Return the options of a replay's agent; make the recording of a session or log first.

    Raises:
        AodNotebookError: the service is not on this machine, or there is nothing to play.
    """
    options: dict[str, Any] = {} if speed is None else {"speed": speed}
    if recording is None:
        return options
    if not on.is_embedded:
        raise AodNotebookError(
            f"{on.base_url} can't play recordings of this machine. Connect to the embedded service "
            "(%aod connect --local)."
        )
    folder = embedded_data_dir() / "recordings"
    return options | {"recording": recording_of(recording, folder, on.client)}


def recording_of(given: str, folder: Path, client: Any) -> str:
    """Return the name or the path of a recording.

    Args:
        given: the name of a recording, the id of a session, or the path of a CLI's own log or of
            a file of its output.
        folder: the `recordings` of the service's data directory.
        client: the client of the service that has the session.

    Raises:
        AodNotebookError: it is none of these, or there is nothing in it to play.
    """
    from aod_notebook.frames import FrameError
    from aod_notebook.frames.logs.rows import is_path
    from aod_notebook.local.runtimes import RuntimeUnavailableError
    from aod_notebook.local.runtimes.recordings import load

    if is_path(given):
        path = Path(given).expanduser().resolve()
        try:
            return record(path, folder)
        except FrameError:
            if path.suffix == ".jsonl" and path.is_file():  # what a CLI printed
                return str(path)
            raise
    try:
        load(folder, given)
    except RuntimeUnavailableError:
        return record(given, folder, client)
    return given


def record(source: Any, folder: Path, client: Any = None) -> str:
    """Write the output of a session as a recording; return its name there.

    Args:
        source: what the frames functions take for one session: an id, a `LiveSession`, the path
            of a CLI's own log.
        folder: the `recordings` of the service's data directory.
        client: the client of the service that has the session; None for the current connection.

    Raises:
        AodNotebookError: there is no output, or the source holds several sessions.
    """
    from aod_notebook import frames
    from aod_notebook.frames.transcripts.pieces import times_of
    from aod_notebook.local.runtimes.recordings import write

    events = frames.events_df(source, client=client)
    ids = list(events["session_id"].dropna().unique())
    if len(ids) > 1:
        raise AodNotebookError(
            f"{source} holds {len(ids)} sessions, and a replay plays one. Give the file of one."
        )
    is_output = events["type"].eq("output") & events["stream"].eq("stdout")
    outputs = events[is_output].assign(at=times_of(events))
    if outputs.empty:
        raise AodNotebookError(f"{source} has no output that could be replayed.")
    turns = [_lines(rows) for _, rows in outputs.groupby("turn", sort=True)]
    name = file_name(str(ids[0] if ids else "recording"))
    write(folder / f"{name}.jsonl", turns)
    return name


def _lines(outputs: Any) -> list[RecordedLine]:
    """Return the lines of a turn's outputs, each with the time of the output that ended it."""
    from aod_notebook.local.runtimes.recordings import RecordedLine

    lines: list[RecordedLine] = []
    rest, last = "", None
    for data, at in zip(outputs["data"], outputs["at"], strict=True):
        last = None if at is None or at != at else at.to_pydatetime()  # noqa: PLR0124 - NaT
        *whole, rest = f"{rest}{data}".split("\n")
        lines += [RecordedLine(f"{text}\n", last) for text in whole if text.strip()]
    return [*lines, RecordedLine(f"{rest}\n", last)] if rest.strip() else lines
