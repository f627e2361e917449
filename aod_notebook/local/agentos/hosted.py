"""Hosted runs: an agent's invocation on a runtime of this machine, with pauses and resumption."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import RUN_ENDED
from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.plan import Pause, RunPlan, load_plan
from aod_notebook.local.agentos.transcript import Event, RunTranscript
from aod_notebook.local.clock import now
from aod_notebook.local.credentials import make_private
from aod_notebook.local.errors import (
    AgentFailedError,
    RuntimeNotInstalledError,
    RunTimeoutError,
    ServiceError,
    UnexpectedError,
    WrongStateError,
)
from aod_notebook.local.processes import Stop
from aod_notebook.local.runtimes import (
    AgentTurn,
    ConfigError,
    RuntimeUnavailableError,
    Setup,
    runtime_for,
)
from aod_notebook.local.runtimes.base import Folder
from aod_notebook.local.turns.active import end_tasks
from aod_notebook.local.turns.environ import session_environment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from aod_notebook.local.config import Config
    from aod_notebook.local.processes import ProcessEnd, Supervisor
    from aod_notebook.local.storage import Database
    from aod_notebook.local.turns.feeds import Feeds

logger = logging.getLogger(__name__)

Listener = asyncio.Queue[Event | None]
_CANCEL_S = 5.0
RUNTIMES = {"anthropic": "claude", "openai": "codex", "replay": "replay"}
_MODELS = {"anthropic": "claude-sonnet-4-6", "openai": "gpt-4.1", "replay": "replay"}


@dataclass(slots=True)
class _ActiveRun:
    """A run in progress."""

    stop: Stop = field(default_factory=Stop)
    task: asyncio.Task[dict[str, Any]] | None = None


class HostedRuns:
    """Advances hosted runs, each in a task of its own (on the service's event loop)."""

    def __init__(
        self,
        config: Config,
        database: Database,
        feeds: Feeds,
        supervisor: Supervisor,
        own: Callable[[], Mapping[str, str]],
    ) -> None:
        self._own = own
        self._config = config
        self._database = database
        self._feeds = feeds
        self._supervisor = supervisor
        self._active: dict[str, _ActiveRun] = {}

    @property
    def busy(self) -> bool:
        """Whether any run is in progress."""
        return bool(self._active)

    def advance(
        self, run_id: str, listener: Listener | None = None
    ) -> asyncio.Task[dict[str, Any]]:
        """Continue a run to its end or its next pause; the task returns the data of the answer.

        The task raises a ServiceError if the run fails.
        """
        active = _ActiveRun()
        active.task = asyncio.create_task(self._advance(run_id, active, listener))
        active.task.add_done_callback(_look_at)
        self._active[run_id] = active
        return active.task

    async def cancel(self, run_id: str) -> None:
        """Stop a run, and wait until its output is stored and its row has ended.

        A process that nothing kills is waited for 5 s at most.
        """
        active = self._active.get(run_id)
        if active is not None and active.task is not None:
            active.stop.ask("terminated")
            await asyncio.wait({active.task}, timeout=_CANCEL_S)

    def halt(self) -> None:
        """Kill all runs in progress when the service ends."""
        for active in self._active.values():
            active.stop.ask("shutdown")

    async def close(self) -> None:
        """Fail all runs in progress after killing their processes."""
        self.halt()
        await end_tasks([a.task for a in self._active.values() if a.task is not None])

    async def check_runtime(self, agent: sqlite3.Row, run: sqlite3.Row) -> None:
        """Refuse an agent if its CLI is not installed; the run is recorded as failed.

        Raises:
            RuntimeNotInstalledError: with what to install.
        """
        turn = self._turn(agent, run)
        try:
            runtime_for(RUNTIMES[provider(agent)]).check(turn)
        except RuntimeUnavailableError as error:
            message = f"{error}".replace("the runtime shell or replay", "provider_type 'replay'")
            await self._database.write(_ending(run["id"], "failed", error_message=message))
            raise RuntimeNotInstalledError(message) from None

    async def _advance(
        self, run_id: str, active: _ActiveRun, listener: Listener | None
    ) -> dict[str, Any]:
        try:
            return await self._step(run_id, active.stop, listener)
        except Exception as error:  # noqa: BLE001 - it is handed to the one who asked
            failure = _failure_of(error)
            if active.stop.reason == "terminated":
                ending = _ending(run_id, "cancelled")
            else:
                ending = _ending(run_id, "failed", error_message=str(failure))
            await self._database.persist(ending)
            raise failure from None
        finally:
            if self._active.get(run_id) is active:
                del self._active[run_id]
            if listener is not None:
                listener.put_nowait(None)

    async def _step(self, run_id: str, stop: Stop, listener: Listener | None) -> dict[str, Any]:
        run = _find_running(self._database.read(), run_id)
        plan = load_plan(run)
        if plan.step < len(plan.pauses):
            return await self._database.write(lambda connection: _pause(connection, run_id, plan))
        return await self._execute(run, plan, stop, listener)

    async def _execute(
        self, run: sqlite3.Row, plan: RunPlan, stop: Stop, listener: Listener | None
    ) -> dict[str, Any]:
        transcript = RunTranscript(self._database, run, listener)
        agent = runs.find_agent(self._database.read(), run["agent_id"])
        turn = self._turn(agent, run)
        try:
            outcome = await self._run(agent, turn, transcript, stop)
        finally:
            await asyncio.to_thread(shutil.rmtree, turn.folder.root, ignore_errors=True)
        await transcript.finish()
        if stop.reason == "shutdown":
            raise AgentFailedError(runs.RECOVERED)
        failure = _failure(outcome, plan, transcript, turn.timeout)
        if failure is not None:
            raise failure
        output = self._output(agent, run, transcript)
        await self._database.persist(_completing(run["id"], output, transcript.tokens))
        return result_data(runs.find_run(self._database.read(), run["id"]))

    async def _run(
        self, agent: sqlite3.Row, turn: AgentTurn, transcript: RunTranscript, stop: Stop
    ) -> ProcessEnd:
        folder = turn.folder
        for path in (folder.root, folder.workspace, folder.home, folder.temporary):
            make_private(path)
        runtime = runtime_for(RUNTIMES[provider(agent)])
        try:
            runtime.prepare(turn)
            runtime.configure(turn)
            return await runtime.run(turn, self._supervisor, transcript, stop)
        except (OSError, ValueError, ConfigError, RuntimeUnavailableError) as error:
            raise AgentFailedError(f"the runtime could not be run: {error}") from None

    def _output(
        self, agent: sqlite3.Row, run: sqlite3.Row, transcript: RunTranscript
    ) -> dict[str, Any]:
        """Return `summary`, the answers that the run was given, and the agent's own object."""
        rows = self._database.read().execute(
            "SELECT response FROM question WHERE run_id = ? AND status = 'answered' ORDER BY seq",
            (run["id"],),
        )
        answers = [row["response"] for row in rows]
        output: dict[str, Any] = {"summary": transcript.summary}
        if json.loads(agent["settings"]).get("output_schema"):
            output |= _object(transcript.summary)
        return output | ({"answers": answers} if answers else {})

    def _turn(self, agent: sqlite3.Row, run: sqlite3.Row) -> AgentTurn:
        settings = json.loads(agent["settings"])
        name = provider(agent)
        model = settings.get("model") or _MODELS[name]
        folder = Folder(self._config.data_dir / "hosted" / run["id"])
        setup = Setup(options={"replay": {"pace": 0}})  # who invokes waits for the answer
        model, runtime = str(model), RUNTIMES[name]
        own = self._own()
        env = session_environment(
            run["id"],
            runtime,
            model,
            folder=folder,
            setup=setup,
            own=own,
            allow_root=self._config.allow_root,
        )
        return AgentTurn(
            session_id=run["id"],
            number=1,
            prompt=load_plan(run).prompt,
            model=model,
            timeout=self._config.invoke_limit_s,
            folder=folder,
            setup=setup,
            recordings=self._config.recordings_dir,
            env=env,
            own=own,
        )


def provider(agent: sqlite3.Row) -> str:
    """Return the provider of the agent: `anthropic`, `openai` or `replay`."""
    return str(json.loads(agent["settings"])["provider_type"])


def result_data(run: sqlite3.Row) -> dict[str, Any]:
    """Return the data of a finished invoke."""
    data = {
        "run_id": run["id"],
        "output": runs.loads(run["output"]),
        "duration_ms": runs.duration_ms(run),
    }
    if run["conversation_id"] is not None:
        data["session_id"] = run["conversation_id"]
    return data


def _look_at(task: asyncio.Task[dict[str, Any]]) -> None:
    """Retrieve a task's error, so that a run without a caller fails without a warning."""
    if not task.cancelled():
        task.exception()


def _failure_of(error: Exception) -> ServiceError:
    """Return the error of a run for its caller; unexpected exceptions also go to the log."""
    if isinstance(error, ServiceError):
        return error
    logger.error("a hosted run failed unexpectedly", exc_info=error)
    return UnexpectedError(f"unexpected error: {type(error).__name__}")


def _find_running(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    """Return the run's row; 409 if it was cancelled meanwhile."""
    run = runs.find_run(connection, run_id)
    if run["status"] != "running":
        raise WrongStateError(f"Run {run_id} has already ended: {run['status']}")
    return run


def _pause(connection: sqlite3.Connection, run_id: str, plan: RunPlan) -> dict[str, Any]:
    run = _find_running(connection, run_id)
    pause = plan.pauses[plan.step]
    plan.step += 1
    data: dict[str, Any] = {"run_id": run_id}
    if run["conversation_id"] is not None:
        data["session_id"] = run["conversation_id"]
    status, waiting = _ask(connection, run, pause)
    connection.execute(
        "UPDATE run SET status = ?, plan = ? WHERE id = ?", (status, plan.stored(), run_id)
    )
    return data | {status: waiting}


def _ask(
    connection: sqlite3.Connection, run: sqlite3.Row, pause: Pause
) -> tuple[str, dict[str, Any]]:
    if pause.ask is not None:
        request_id = runs.insert_question(
            connection, run["id"], pause.ask, context=pause.context, options=pause.options
        )
        waiting: dict[str, Any] = {"request_id": request_id, "question": pause.ask}
        given = {"context": pause.context, "options": pause.options}
        waiting |= {name: value for name, value in given.items() if value is not None}
        return "awaiting_input", waiting
    approval_id = str(uuid.uuid4())
    connection.execute(
        "INSERT INTO approval (id, run_id, agent_id, status, request, created_at)"
        " VALUES (?, ?, ?, 'pending', ?, ?)",
        (approval_id, run["id"], run["agent_id"], json.dumps({"action": pause.approve}), now()),
    )
    return "awaiting_approval", {"approval_id": approval_id}


def _failure(
    outcome: ProcessEnd, plan: RunPlan, transcript: RunTranscript, limit: float
) -> ServiceError | None:
    if outcome.killed == "timeout":
        return RunTimeoutError(f"the run was not done after {limit:g} s")
    if outcome.killed == "stopped":
        return WrongStateError("the run was cancelled")
    if plan.fail is not None:
        return AgentFailedError(plan.fail)
    if outcome.exit_code != 0:
        reason = transcript.errors.strip() or transcript.summary or "no output"
        message = f"the agent ended with exit code {outcome.exit_code}: {reason}"
        return AgentFailedError(message)
    return None


def _ending(run_id: str, status: str, **columns: Any) -> Any:
    def job(connection: sqlite3.Connection) -> None:
        run = runs.find_run(connection, run_id)
        if run["status"] not in RUN_ENDED:
            runs.end_run(connection, run, status, **columns)

    return job


def _completing(run_id: str, output: dict[str, Any], tokens: dict[str, int]) -> Any:
    def job(connection: sqlite3.Connection) -> None:
        run = runs.find_run(connection, run_id)
        runs.end_run(connection, run, "completed", output=json.dumps(output), **tokens)
        time = now()
        kept = connection.execute(
            "UPDATE conversation SET updated_at = ? WHERE id = ?", (time, run["conversation_id"])
        )
        if not kept.rowcount:
            return  # the run has no conversation, or it was deleted meanwhile
        messages = (("user", run["input"]), ("assistant", json.dumps(output)))
        connection.executemany(
            "INSERT INTO message (conversation_id, run_id, role, content, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            [(run["conversation_id"], run_id, role, content, time) for role, content in messages],
        )

    return job


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
