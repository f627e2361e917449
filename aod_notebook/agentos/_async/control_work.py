"""Control plane: runs and what comes of them."""

# The methods are declarations: their decorator sends what is given. mypy wants bodies.
# mypy: disable-error-code="empty-body"
# ruff: noqa: A002, TC001, TC003 - the wire's names; annotations are read at run time

from __future__ import annotations

import builtins
from typing import Any, Unpack

from aod_notebook.agentos._async.namespace import AsyncNamespace
from aod_notebook.agentos.control import UNSET, CallOptions, Listing, methods_of, read, write
from aod_notebook.agentos.options import INVOKE_TIMEOUT_S
from aod_notebook.agentos.rows import (
    ApprovalRow,
    ConversationRow,
    Decision,
    EventRow,
    ReportRow,
    ReportStatus,
    ReportType,
    Row,
    RunRow,
)
from aod_notebook.contract import ACTIVE_STATUSES, RunStatus


class AsyncRuns(AsyncNamespace):
    """Runs, reported and hosted."""

    @write("runs_cancel")
    async def cancel(self, *, run_id: str, **options: Unpack[CallOptions]) -> RunRow:
        """Cancel a run."""

    @read("runs_get_events", lists=True)
    async def events(
        self, *, run_id: str, limit: int = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[EventRow]:
        """Return a run's events in the order of their numbers."""

    async def events_body(
        self,
        *,
        run_id: str,
        limit: int = UNSET,
        after: int = UNSET,
        **options: Unpack[CallOptions],
    ) -> bytes:
        """Return the JSON body with a run's events as it came, `{"data": [...]}`.

        `frames.decode_run_events` makes a frame of it, at a fraction of what the rows cost.
        `after` leaves out events up to that number; only the embedded service knows it.
        """
        given = {"run_id": run_id, "limit": limit, "after": after}
        arguments = {name: value for name, value in given.items() if value is not UNSET}
        return await self._body(methods_of(AsyncRuns)["events"], arguments, **options)

    @read("runs_get")
    async def get(self, *, run_id: str, **options: Unpack[CallOptions]) -> RunRow:
        """Return a run with its output and timing."""

    @write("runs_invoke", long=True)
    async def invoke(
        self,
        *,
        agent_id: str,
        input: dict[str, Any] = UNSET,
        prompt_variables: dict[str, Any] = UNSET,
        session_id: str = UNSET,
        start_session: bool = UNSET,
        history: builtins.list[dict[str, Any]] = UNSET,
        external_user_id: str = UNSET,
        **options: Unpack[CallOptions],
    ) -> RunRow:
        """Run an agent; takes up to five minutes."""

    @read("runs_list", lists=True, limit=20)
    async def list(
        self,
        *,
        agent_id: str = UNSET,
        status: RunStatus = UNSET,
        limit: int = UNSET,
        **options: Unpack[CallOptions],
    ) -> Listing[RunRow]:
        """List runs, newest first, 20 unless `limit` says otherwise."""

    async def wait(
        self,
        *,
        run_id: str,
        timeout_seconds: float = INVOKE_TIMEOUT_S,
        workspace: str | None = None,
    ) -> RunRow:
        """Wait until a run has ended, or waits for a person, and return it.

        Raises:
            AgentOSTransientError: it is still running after `timeout_seconds`.
        """
        return await self._poll(
            lambda seconds: self.get(run_id=run_id, workspace=workspace, timeout_seconds=seconds),
            f"run {run_id}",
            lambda run: run.get("status") not in ACTIVE_STATUSES,
            timeout_seconds,
        )

    async def all_events(self, *, run_id: str, **options: Unpack[CallOptions]) -> Listing[EventRow]:
        """Return all events of a run, asking with growing limits until none is cut off."""
        return await self._everything(
            lambda limit: self.events(run_id=run_id, limit=limit, **options)
        )

    async def all(
        self,
        *,
        agent_id: str = UNSET,
        status: RunStatus = UNSET,
        **options: Unpack[CallOptions],
    ) -> Listing[RunRow]:
        """Return all runs, asking with growing limits until none is cut off."""
        return await self._everything(
            lambda limit: self.list(agent_id=agent_id, status=status, limit=limit, **options)
        )


class AsyncApprovals(AsyncNamespace):
    """Approvals that runs wait for."""

    @write("approvals_decide")
    async def decide(
        self,
        *,
        approval_id: str,
        decision: Decision,
        decision_note: str = UNSET,
        **options: Unpack[CallOptions],
    ) -> ApprovalRow:
        """Approve, which resumes the run, or reject, which fails it."""

    @read("approvals_list", lists=True, limit=20)
    async def list(
        self, *, agent_id: str = UNSET, limit: int = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[ApprovalRow]:
        """List approvals, 20 unless `limit` says otherwise."""


class AsyncConversations(AsyncNamespace):
    """Stored conversations."""

    @write("conversations_delete")
    async def delete(
        self, *, conversation_id: str, **options: Unpack[CallOptions]
    ) -> ConversationRow:
        """Delete a conversation."""

    @read("conversations_get")
    async def get(
        self, *, conversation_id: str, message_limit: int = UNSET, **options: Unpack[CallOptions]
    ) -> ConversationRow:
        """Return a conversation with its messages."""

    @read("conversations_list", lists=True, limit=20)
    async def list(
        self,
        *,
        agent_id: str = UNSET,
        external_user_id: str = UNSET,
        limit: int = UNSET,
        **options: Unpack[CallOptions],
    ) -> Listing[ConversationRow]:
        """List conversations, 20 unless `limit` says otherwise."""


class AsyncReports(AsyncNamespace):
    """Reports."""

    @write("reports_delete")
    async def delete(self, *, report_id: str, **options: Unpack[CallOptions]) -> ReportRow:
        """Delete a report."""

    @write("reports_generate", long=True)
    async def generate(
        self,
        *,
        type: ReportType,
        agent_id: str = UNSET,
        run_id: str = UNSET,
        period_start: str = UNSET,
        period_end: str = UNSET,
        **options: Unpack[CallOptions],
    ) -> ReportRow:
        """Create a report, and wait for it; `run_summary` needs `run_id`, the others an agent and a period."""

    @read("reports_get")
    async def get(self, *, report_id: str, **options: Unpack[CallOptions]) -> ReportRow:
        """Return a report with its text, `content_md`."""

    @read("reports_list", lists=True, limit=20)
    async def list(
        self,
        *,
        agent_id: str = UNSET,
        status: ReportStatus = UNSET,
        limit: int = UNSET,
        **options: Unpack[CallOptions],
    ) -> Listing[ReportRow]:
        """List reports, 20 unless `limit` says otherwise."""


class AsyncNotifications(AsyncNamespace):
    """Notifications."""

    @read("notifications_list", lists=True, limit=20)
    async def list(
        self, *, unread_only: bool = UNSET, limit: int = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[Row]:
        """List notifications, 20 unless `limit` says otherwise."""

    @write("notifications_mark_read")
    async def mark_read(
        self, *, notification_id: str = UNSET, **options: Unpack[CallOptions]
    ) -> Row:
        """Mark a notification as read; without an id all of them."""
