"""The async client of AgentOS: reporting, invoking, and the control plane."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos._async.api import AsyncApi, post
from aod_notebook.agentos._async.control_agents import (
    AsyncAgents,
    AsyncAlerts,
    AsyncApiKeys,
    AsyncEvals,
    AsyncFleet,
    AsyncFolders,
    AsyncSchedules,
)
from aod_notebook.agentos._async.control_space import (
    AsyncIntegrations,
    AsyncMarketplace,
    AsyncMembers,
    AsyncResources,
    AsyncTools,
    AsyncWorkspaces,
)
from aod_notebook.agentos._async.control_work import (
    AsyncApprovals,
    AsyncConversations,
    AsyncNotifications,
    AsyncReports,
    AsyncRuns,
)
from aod_notebook.agentos._async.run import FLUSH_S, AsyncRun, wait_until
from aod_notebook.agentos._async.stream import AsyncInvokeStream
from aod_notebook.agentos.errors import (
    AgentOSConfigError,
    AgentOSError,
    AgentOSTransientError,
)
from aod_notebook.agentos.events import unknown_run
from aod_notebook.agentos.options import INVOKE_TIMEOUT_S, AgentOSOptions, check_timeout
from aod_notebook.agentos.recorder import Recorder
from aod_notebook.agentos.report.runs import Receipt, RunState
from aod_notebook.agentos.report.sender import sender
from aod_notebook.agentos.report.snapshot import snapshot
from aod_notebook.agentos.requests import encode, invoke_body, segment
from aod_notebook.agentos.results import InvokeResult, disabled_result, read_result
from aod_notebook.core.proof import known
from aod_notebook.core.unpicklable import Unpicklable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import httpx
    from pydantic import SecretStr

    from aod_notebook.core.retry import Retry


class AsyncAgentOS(Unpicklable):
    """An async client of one AgentOS service, for one key.

    Starting and ending runs, invoking, replying and the control plane wait for the service;
    what only records (`emit` and its helpers, tasks, spans) never does. What is recorded
    goes through a spool on disk and one background thread, which all clients of the
    process share.

    Args:
        api_key: agent, workspace or personal key; else `AGENTOS_API_KEY`. It shows up nowhere.
        agent_id: default agent of runs and invokes; else `AGENTOS_AGENT_ID`.
        base_url: the service; else `AGENTOS_BASE_URL`, else the hosted one.
        workspace: slug or id for control-plane calls; else `AGENTOS_WORKSPACE`.
        batch_interval_ms: how long events wait for others to share a request.
        batch_size: most events of a request; by default batches grow from 50 to 500.
        max_queue_size: records that memory may hold while there is no usable disk.
        max_retries: repeats of a failed call (3). Reported records are tried until delivered.
        timeout_seconds: limit of one reporting request; calls that run an agent have 310 s.
        disabled: no network and no side effects; else `AGENTOS_DISABLED`.
        on_error: called with failures in the background; by default one line is logged per
            kind of failure.
        on_retry: called with a `core.retry.Retry` (`call`, `wait`, `status`) before each wait for
            a repeat of a call. Each is logged too (`aod_notebook.retry`).
        http_client: an httpx client for calls, which is not closed.

    Raises:
        AgentOSConfigError: there is no key, or an option is invalid.

    Example:
        >>> async with AsyncAgentOS(api_key="aos_agent_...", agent_id="...") as client:  # doctest: +SKIP
        ...     run = await client.start_run(input={"date": "2026-05-11"})
        ...     run.emit("step.completed", {"rows": 42})
        ...     await run.complete(output={"summary": "done"})
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None = None,
        agent_id: str | None = None,
        base_url: str | None = None,
        workspace: str | None = None,
        batch_interval_ms: float = 500,
        batch_size: int | None = None,
        max_queue_size: int | None = None,
        max_retries: int | None = None,
        timeout_seconds: float = 10.0,
        disabled: bool | None = None,
        on_error: Callable[[BaseException], Any] | None = None,
        on_retry: Callable[[Retry], object] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        options = AgentOSOptions.resolve(
            api_key=api_key,
            agent_id=agent_id,
            base_url=base_url,
            workspace=workspace,
            batch_interval_ms=batch_interval_ms,
            batch_size=batch_size,
            max_queue_size=max_queue_size,
            max_retries=max_retries,
            timeout_seconds=timeout_seconds,
            disabled=disabled,
            on_error=on_error,
        )
        options = replace(options, retry=replace(options.retry, on_retry=on_retry))
        self._api = AsyncApi(options, http_client)
        self.agent_id = options.agent_id
        self.base_url = options.base_url
        self.disabled = options.disabled
        self._is_embedded = known(options.key.get_secret_value()) is not None
        self._reporter = None if self.disabled else sender.attach(self, options, http_client)
        self._add_namespaces()

    def _add_namespaces(self) -> None:
        self.agents = AsyncAgents(self._api)
        self.alerts = AsyncAlerts(self._api)
        self.api_keys = AsyncApiKeys(self._api)
        self.approvals = AsyncApprovals(self._api)
        self.conversations = AsyncConversations(self._api)
        self.evals = AsyncEvals(self._api)
        self.fleet = AsyncFleet(self._api)
        self.folders = AsyncFolders(self._api)
        self.integrations = AsyncIntegrations(self._api)
        self.marketplace = AsyncMarketplace(self._api)
        self.members = AsyncMembers(self._api)
        self.notifications = AsyncNotifications(self._api)
        self.reports = AsyncReports(self._api)
        self.resources = AsyncResources(self._api)
        self.runs = AsyncRuns(self._api)
        self.schedules = AsyncSchedules(self._api)
        self.tools = AsyncTools(self._api)
        self.workspaces = AsyncWorkspaces(self._api)

    @property
    def workspace(self) -> str | None:
        """Slug or id of the workspace for control-plane calls."""
        return self._api.workspace

    @workspace.setter
    def workspace(self, name: str | None) -> None:
        self._api.workspace = name

    # Runs of the caller's own code.

    async def start_run(
        self,
        *,
        input: dict[str, Any] | None = None,  # noqa: A002 - the promised name
        agent_id: str | None = None,
        trigger_type: str = "sdk",
        external_run_id: str | None = None,
        parent_run_id: str | None = None,
        ends_with_process: bool = True,
    ) -> AsyncRun:
        """Report that a run of the caller's own code begins.

        Waits at most 2 s for the service's answer; without one the run continues offline,
        and is delivered later. The same `external_run_id` gives the same run. A run without an
        end fails with its process; with `ends_with_process=False` it stays open, for another
        process to continue by its `external_run_id`.

        Raises:
            AgentOSAuthError, AgentOSForbiddenError: the key is refused.
            AgentOSError: the service refuses the run, such as for an unknown agent.
            AgentOSConfigError: there is no agent id, or the client is closed.
        """
        if self._reporter is None:
            state = RunState(external_run_id or "disabled", b"{}", run_id="disabled")
            return AsyncRun(Recorder(None, state), self._api)
        self._api.check_open()
        name = str(external_run_id or uuid.uuid4())
        recorder = Recorder(self._reporter, RunState(name, b"{}"))
        request: dict[str, Any] = {
            "agent_id": self._agent(agent_id),
            "trigger_type": str(trigger_type),
            "input": recorder.object(input),
            "external_run_id": name,
        }
        if parent_run_id:
            request["parent_run_id"] = str(parent_run_id)
        recorder.state = self._reporter.recording.open_run(
            name, snapshot(request).text, owner=ends_with_process
        )
        run = AsyncRun(recorder, self._api)
        await run.started()
        return run

    async def flush(self, timeout: float = FLUSH_S) -> Receipt:  # noqa: ASYNC109 - the same as sync
        """Wait at most `timeout` seconds until the service has everything recorded so far.

        That includes what processes that have died left for the same service and key.
        """
        reporter = self._reporter
        if reporter is None:
            return Receipt()
        delivery = reporter.delivery
        delivery.hurry()
        asked = delivery.ask_for_orphans()
        await wait_until(
            lambda: (reporter.is_settled() and delivery.is_joined(asked)) or delivery.is_hopeless(),
            timeout,
        )
        return reporter.receipt()

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed: it makes no more calls and begins no more runs."""
        return self._api.is_closed

    @property
    def is_embedded(self) -> bool:
        """Whether the key is one of an embedded service."""
        return self._is_embedded

    async def aclose(self, timeout: float = FLUSH_S) -> Receipt:  # noqa: ASYNC109 - the same as sync
        """Flush, and close the connections; what could not be delivered stays in the spool."""
        if self._api.is_closed:
            return Receipt()
        self._api.is_closed = True
        try:
            receipt = await self.flush(timeout)
            if self._reporter is not None:
                self._reporter.say_what_waits(receipt)
            return receipt
        finally:  # also when the waiting is interrupted
            if self._reporter is not None:
                sender.detach(self, self._reporter)
            await self._api.aclose()

    async def shutdown(self, timeout: float = FLUSH_S) -> Receipt:  # noqa: ASYNC109 - the same as sync
        """Flush and close the client; an alias of `aclose`."""
        return await self.aclose(timeout)

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush and close."""
        await self.aclose()

    # Hosted agents.

    async def invoke(
        self,
        input: dict[str, Any] | None = None,  # noqa: A002 - the promised name
        *,
        agent_id: str | None = None,
        prompt_variables: dict[str, str] | None = None,
        parent_run_id: str | None = None,
        session_id: str | None = None,
        start_session: bool = False,
        history: list[dict[str, str]] | None = None,
        external_user_id: str | None = None,
        test: bool = False,
        timeout_seconds: float = INVOKE_TIMEOUT_S,
    ) -> InvokeResult:
        """Run a hosted agent and wait for it: it finishes, or pauses; see `result.status`.

        Never repeated once the service may have seen it: the agent may be running.

        Raises:
            AgentOSTransientError: no answer in time; the message says how to find the run.
            AgentOSError: the service refused it, or the run failed.
        """
        seconds = check_timeout(timeout_seconds)
        if self.disabled:
            return disabled_result()
        agent = self._agent(agent_id)
        body = invoke_body(
            input,
            prompt_variables=prompt_variables,
            parent_run_id=parent_run_id,
            session_id=session_id,
            start_session=start_session,
            history=history,
            external_user_id=external_user_id,
            test=test,
        )
        call = post(f"/api/v1/agents/{segment(agent, 'agent_id')}/invoke", body)
        try:
            return read_result(await self._api.data(call, seconds))
        except AgentOSTransientError as error:
            if error.status is None and error.code == "REQUEST_TIMEOUT":
                reason = f"Agent {agent} gave no answer within {seconds:g} s"
                error.args = (f"{reason}. {unknown_run(agent)}",)
            raise

    def invoke_stream(
        self,
        input: dict[str, Any] | None = None,  # noqa: A002 - the promised name
        *,
        agent_id: str | None = None,
        prompt_variables: dict[str, str] | None = None,
        parent_run_id: str | None = None,
        session_id: str | None = None,
        start_session: bool = False,
        history: list[dict[str, str]] | None = None,
        external_user_id: str | None = None,
        test: bool = False,
        timeout_seconds: float = INVOKE_TIMEOUT_S,
    ) -> AsyncInvokeStream:
        """Run a hosted agent and return an iterator of its events.

        Raises:
            AgentOSRunError: the run failed (from the iteration, as all of these).
            AgentOSStreamInterrupted: the stream ended early, or nothing came for
                `timeout_seconds`; the run may continue.
            AgentOSTransientError: there was no end within `timeout_seconds`.
        """
        seconds = check_timeout(timeout_seconds)
        if self.disabled:
            return AsyncInvokeStream(None, None, "", seconds)
        agent = self._agent(agent_id)
        body = invoke_body(
            input,
            prompt_variables=prompt_variables,
            parent_run_id=parent_run_id,
            session_id=session_id,
            start_session=start_session,
            history=history,
            external_user_id=external_user_id,
            test=test,
            stream=True,
        )
        call = post(f"/api/v1/agents/{segment(agent, 'agent_id')}/invoke", body)
        return AsyncInvokeStream(self._api.transport(seconds), call, agent, seconds)

    async def reply(
        self,
        run_id: str,
        response: str,
        *,
        request_id: str | None = None,
        timeout_seconds: float = INVOKE_TIMEOUT_S,
    ) -> InvokeResult:
        """Answer the question of a paused run, and wait until it continues.

        With `request_id` exactly that question is answered, or none. Needs a workspace key.

        Raises:
            AgentOSConflictError: the run asks nothing.
        """
        if self.disabled:
            return disabled_result()
        path = f"/api/v1/runs/{segment(run_id, 'run_id')}"
        body: dict[str, Any] = {"response": response}
        if request_id:
            call = post(f"{path}/reply", encode({"request_id": request_id, **body}))
        else:
            call = post(f"{path}/human-input", encode(body))
        try:
            return read_result(await self._api.data(call, timeout_seconds))
        except AgentOSError as error:
            error.run_id = run_id
            raise

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Make any call; return the whole decoded answer, as the earliest SDK did."""
        if self.disabled:
            return {"data": None}
        call = post(path if path.startswith("/") else f"/{path}", encode(body))
        return await self._api.transport(self._api.options.timeout).request(call)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.base_url}>"

    def _agent(self, agent_id: str | None) -> str:
        chosen = agent_id or self.agent_id
        if not chosen:
            raise AgentOSConfigError("No agent id. Set AGENTOS_AGENT_ID, or pass agent_id=")
        return str(chosen)
