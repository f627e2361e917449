"""Find the agent of a cell, by id or name, or the notebook's own; make what a replay plays."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from aod_notebook.agentos.errors import AgentOSForbiddenError
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import file_name
from aod_notebook.core.ids import beginning_with
from aod_notebook.live.embedded import embedded_data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aod_notebook.aod import Agent, AsyncClient
    from aod_notebook.live.connections import AgentOSConnection, AodConnection
    from aod_notebook.local.runtimes.recordings import RecordedLine


DEFAULT_MODELS = {
    "claude": "anthropic/claude-sonnet-4-6",
    "codex": "openai/o4-mini",
    "gemini": "google/gemini-2.5-pro",
    "opencode": "anthropic/claude-sonnet-4-6",
    "anthropic": "claude-sonnet-4-6",
    "openai": "o4-mini",
    "shell": "sh",
    "replay": "recording",
}
"""What `--model` is when it is not given, by runtime or provider."""

MARK = "aod_notebook_default"
"""The metadata key that marks an agent as one of the notebook's own."""


class NoSuchNameError(AodNotebookError):
    """Nothing on the service has that id or name.

    Fix: Use the nearest name, which the message has, or one that `%aod agents` lists.
    """


class AmbiguousNameError(AodNotebookError):
    """Several rows on the service have that name.

    Fix: Use the id; the message lists the ids.
    """


class _Named(Protocol):
    """A row with an id and a name."""

    @property
    def id(self) -> object: ...
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def pick(rows: Sequence[N], wanted: str, noun: str, list_command: str) -> N:
    """Return the row with the id or name `wanted`.

    Args:
        rows: what the service lists.
        wanted: an id, the first characters of one (four or more), or a name.
        noun: what a row is called in the error ("agent").
        list_command: the command that shows what there is.

    Raises:
        NoSuchNameError: there is none; the nearest name is named.
        AmbiguousNameError: several rows have that name, or ids that begin so.
    """
    found = [row for row in rows if wanted in (str(row.id), row.name)]
    if len(found) > 1:
        ids = ", ".join(str(row.id) for row in found)
        raise AmbiguousNameError(f"{len(found)} {noun}s are named {wanted!r}; say which id: {ids}")
    if not found:
        begun = beginning_with(wanted, (row.id for row in rows))
        found = [row for row in rows if str(row.id) in begun]
        if len(found) > 1:
            raise AmbiguousNameError(
                f"{wanted!r} could be {len(found)} {noun}s: {', '.join(begun)}. Write more of the id."
            )
    if not found:
        near = difflib.get_close_matches(wanted, [row.name for row in rows], n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NoSuchNameError(
            f"There is no {noun} with the id or name {wanted!r}.{hint} {list_command} lists them."
        )
    return found[0]


async def default_agent(
    client: AsyncClient,
    *,
    runtime: str | None,
    provider: str | None,
    model: str | None,
    replay: Mapping[str, Any] | None = None,
    make: bool = True,
) -> Agent | None:
    """Return the notebook's own agent for a runtime or provider and a model; create it if needed.

    Without `make`, None is returned where there is none.

    Agents can't be deleted, so there is one per combination, recognised by its metadata. `replay`
    is what the runtime `replay` is to play.

    Raises:
        AodNotebookError: no model is given and none is known for that runtime or provider.
    """
    kind = runtime or provider or ""
    model = model or DEFAULT_MODELS.get(kind)
    if model is None:
        noun = "runtime" if runtime else "provider"
        near = difflib.get_close_matches(kind, DEFAULT_MODELS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(sorted(DEFAULT_MODELS))
        raise AodNotebookError(
            f"Unknown {noun} {kind!r}.{hint} Known are {known}; one that only this service has "
            "needs a model (model=, --model)."
        )
    mark = f"{'runtime' if runtime else 'provider'}={kind} model={model}"
    if replay:
        mark += "".join(f" {name}={value}" for name, value in sorted(replay.items()))
    metadata: dict[str, Any] = {MARK: mark} | ({"replay": dict(replay)} if replay else {})
    for agent in await client.agents.list():
        if agent.metadata.get(MARK) == mark:
            return agent
    if not make:
        return None
    return await client.agents.create(
        name=f"notebook {kind} {model}",
        model=model,
        runtime=runtime,
        provider=None if runtime else provider,
        metadata=metadata,
    )


class _HostedAgent(NamedTuple):
    id: str
    name: str


def agent_names(on: AgentOSConnection) -> dict[str, str]:
    """Return the names of agents by id; empty if the key may not list them."""
    try:
        rows: Any = on.client.agents.list()
    except AgentOSForbiddenError:
        return {}
    return {str(row.get("id")): str(row.get("name")) for row in rows}


def find_agent_id(on: AgentOSConnection, wanted: str) -> str:
    """Find the agent by id or name; a key that may not list them leaves it to the service.

    Raises:
        NoSuchNameError: there is no such agent; the nearest name is named.
        AmbiguousNameError: several agents have that name.
    """
    try:
        rows: Any = on.client.agents.list()
    except AgentOSForbiddenError:
        return wanted
    agents = [_HostedAgent(str(row.get("id")), str(row.get("name"))) for row in rows]
    return pick(agents, wanted, "agent", "%agentos call agents.list").id


# -- what the runtime `replay` plays ----------------------------------------------------------------


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
