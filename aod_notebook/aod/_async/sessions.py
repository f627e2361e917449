"""The sessions of the async client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from aod_notebook.aod._async.resource import AsyncResource
from aod_notebook.aod._async.stream import AsyncEventStream
from aod_notebook.aod.errors import AodHTTPError, AodUsageError, NotSupportedError
from aod_notebook.aod.follow import SessionFollow
from aod_notebook.aod.models import (
    Session,
    SessionAck,
    SessionResult,
    SessionTurn,
    read_one,
)
from aod_notebook.aod.requests import Prompt, SessionCreate
from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from aod_notebook.aod.events import StreamEvent
    from aod_notebook.aod.inputs import GithubRepoResource

    ResourceLike = GithubRepoResource | Mapping[str, Any]

_NOT_FOUND, _NOT_ALLOWED, _CONFLICT = 404, 405, 409


class AsyncSessions(AsyncResource):
    """`client.sessions`: agents at work, their turns and their event streams."""

    _path = "/sessions"
    _noun = "session"

    async def list(self) -> builtins.list[Session]:
        """List all sessions in any state, newest first.

        Example:
            >>> [each.status for each in await client.sessions.list()]  # doctest: +SKIP
            ['completed']
        """
        return await self._list(Session, self._path)

    async def create(
        self,
        *,
        agent_id: str | UUID,
        prompt: str,
        environment_id: str | UUID | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - the turn's limit on the service
        resources: Sequence[ResourceLike] | None = None,
        secret_env_vars: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> SessionAck:
        """Start a session; it keeps running without this client.

        A 429 (too many active sessions) is raised at once. A call is not repeated when its
        answer was lost, so no session is started twice.

        Args:
            agent_id: who works.
            prompt: the first turn's prompt.
            environment_id: instead of the agent's own environment.
            timeout: seconds for this turn, 10 to 3600; the service's default is 600.
            resources: at most 10 repositories, each `GithubRepoResource` or a dict.
            secret_env_vars: variables kept encrypted and never returned.
            idempotency_key: sent as `Idempotency-Key` instead of a random one. If the
                outcome of a call is unknown, repeat it with its error's `idempotency_key`.

        Raises:
            RateLimitError: the limit of active sessions is reached.
            NotFoundError, ConflictError: agent or environment is missing, or archived.
            ValidationError: a field is refused, mostly before it is sent.

        Example:
            >>> ack = await client.sessions.create(  # doctest: +SKIP
            ...     agent_id=agent.id, prompt="Say hello."
            ... )
        """
        fields = {
            "agent_id": agent_id,
            "prompt": prompt,
            "environment_id": environment_id,
            "timeout": timeout,
            "resources": resources,
            "secret_env_vars": secret_env_vars,
        }
        extra = _key(idempotency_key)
        call = self._write("POST", self._path, SessionCreate, fields, repeat=Repeat.UNSEEN, **extra)
        return await self._one(SessionAck, call)

    async def get(self, session_id: str | UUID) -> Session:
        """Read a session.

        Raises:
            NotFoundError: there is none with this id for this token.

        Example:
            >>> (await client.sessions.get(ack.id)).status  # doctest: +SKIP
            'running'
        """
        return await self._one(Session, Call(method="GET", path=self._item(session_id)))

    async def prompt(
        self,
        session_id: str | UUID,
        prompt: str,
        timeout: int | None = None,  # noqa: ASYNC109 - the turn's limit on the service
        *,
        idempotency_key: str | None = None,
    ) -> SessionAck:
        """Start the next turn of a session; its last one must have completed.

        Args:
            session_id: the session.
            prompt: the turn's prompt.
            timeout: seconds for this turn, 10 to 3600; the service's default is 600.
            idempotency_key: as for `create`.

        Raises:
            ConflictError: the session is running, pending, failed or terminated.
            NotFoundError: no such session.

        Example:
            >>> ack = await client.sessions.prompt(session.id, "Go on.")  # doctest: +SKIP
            >>> ack.current_turn  # doctest: +SKIP
            2
        """
        fields = {"prompt": prompt, "timeout": timeout}
        extra = _key(idempotency_key)
        call = self._write("POST", self._item(session_id, "prompt"), Prompt, fields, **extra)
        return await self._one(SessionAck, call)

    async def turns(self, session_id: str | UUID) -> builtins.list[SessionTurn]:
        """List the turns of a session in order; exit codes per turn are only here.

        Raises:
            NotFoundError: no such session.

        Example:
            >>> [turn.exit_code for turn in await client.sessions.turns(ack.id)]  # doctest: +SKIP
            [0]
        """
        return await self._list(SessionTurn, self._item(session_id, "turns"))

    async def usage(self, session_id: str | UUID) -> dict[str, Any]:
        """Return what a session has used so far according to its CLI's log, also in mid-turn.

        Only the embedded service has this.

        Returns:
            A dict with `source` (`"log"`; None while there is no log), `input_includes_cache`,
            `output_includes_reasoning` and `models`: per model its `requests`, token counts,
            `web_searches` and `cost_usd` (None where the CLI reports no cost).

        Raises:
            NotSupportedError: this service does not have it.
            NotFoundError: no such session.

        Example:
            >>> (await client.sessions.usage(ack.id))["source"]  # doctest: +SKIP
            'log'
        """
        call = Call(method="GET", path=self._item(session_id, "usage"))
        try:
            answer: dict[str, Any] = await self._transport.request(call)
        except AodHTTPError as error:
            raise _unsupported(error) from None
        return answer

    async def terminate(self, session_id: str | UUID) -> SessionAck:
        """End a session for good, whatever it is doing.

        Raises:
            ConflictError: it is terminated already.
            NotFoundError: no such session.

        Example:
            >>> (await client.sessions.terminate(ack.id)).status  # doctest: +SKIP
            'terminated'
        """
        path = self._item(session_id, "terminate")
        call = Call(method="POST", path=path, done_before=_CONFLICT)
        answer = await self._transport.request(call)
        if answer is None:  # the answer was lost, and a repeat found it done
            answer = {"id": str(session_id), "status": "terminated"}
        return read_one(SessionAck, answer)

    async def interrupt(self, session_id: str | UUID) -> SessionAck:
        """Stop the current turn and keep the session, where the service can.

        Raises:
            NotSupportedError: this service has no interrupt; `terminate` ends the session.
            ConflictError: there is no active turn.
            NotFoundError: no such session.

        Example:
            >>> (await client.sessions.interrupt(ack.id)).status  # doctest: +SKIP
            'running'
        """
        path = self._item(session_id, "interrupt")
        try:
            return await self._one(
                SessionAck, Call(method="POST", path=path, repeat=Repeat.REFUSED)
            )
        except AodHTTPError as error:
            raise _unsupported(error) from None

    async def delete(self, session_id: str | UUID) -> None:
        """Delete a session with its turns, its log and its sandbox.

        Raises:
            ConflictError: it is still active.
            NotFoundError: no such session.

        Example:
            >>> await client.sessions.delete(ack.id)  # doctest: +SKIP
        """
        path = self._item(session_id, "delete")
        await self._transport.request(Call(method="DELETE", path=path, done_before=_NOT_FOUND))

    def stream(
        self,
        session_id: str | UUID,
        since: int | None = None,
        resume: bool = True,
        *,
        turn: int | None = None,
    ) -> AsyncEventStream:
        """Follow a session's events, from the first one or after the row `since`.

        The stream survives broken connections: it resumes where it was, and gives every
        event exactly once. It ends after `exit`, `error`, `terminated` or `stale`; a
        `stale` session still runs, and `since=events.last_event_id` continues it.

        Args:
            session_id: the session.
            since: row to continue after, as from `last_event_id`; None starts at the first.
            resume: False raises `StreamInterrupted` when the connection breaks.
            turn: give the events of this turn only, and end where the next one begins.

        Returns:
            A context manager and iterator; nothing is sent before it is entered.

        Raises:
            NotFoundError: no such session (on entering).
            StreamInterrupted: the stream broke and could not be resumed (on iterating).

        Example:
            >>> async with client.sessions.stream(ack.id) as events:  # doctest: +SKIP
            ...     async for event in events:
            ...         if event.type == "output":
            ...             print(event.extra["data"], end="")
        """
        follow = self._follow(session_id, since, resume=resume, turn=turn)
        return AsyncEventStream(self._transport, follow, str(session_id))

    async def wait_for_completion(
        self,
        session_id: str | UUID,
        since: int | None = None,
        *,
        on_event: Callable[[StreamEvent], object] | None = None,
        collect_events: bool = True,
    ) -> SessionResult:
        """Wait until a session is final; a `stale` stream is not its end and is followed further.

        Args:
            session_id: the session.
            since: row to continue after; None includes all events from the first.
            on_event: called with each event as it comes.
            collect_events: whether the result holds the events.

        Returns:
            The session, read after its end, and its events.

        Raises:
            StreamInterrupted: the stream broke and could not be resumed.

        Example:
            >>> result = await client.sessions.wait_for_completion(ack.id)  # doctest: +SKIP
            >>> result.session.exit_code  # doctest: +SKIP
            0
        """
        follow = self._follow(session_id, since, resume=True, turn=None)
        collected: builtins.list[StreamEvent] = []
        while True:
            async with AsyncEventStream(self._transport, follow, str(session_id)) as events:
                async for event in events:
                    if collect_events:
                        collected.append(event)
                    if on_event is not None:
                        on_event(event)
            is_stale = events.terminal is not None and events.terminal.type == "stale"
            session = await self.get(session_id)
            if session.status not in ACTIVE_STATUSES and not is_stale:
                return SessionResult(session, collected)
            follow.again()
            await anyio.sleep(self._transport.retry.base)

    async def run(
        self,
        *,
        agent_id: str | UUID,
        prompt: str,
        environment_id: str | UUID | None = None,
        timeout: int | None = None,  # noqa: ASYNC109 - the turn's limit on the service
        resources: Sequence[ResourceLike] | None = None,
        secret_env_vars: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        on_event: Callable[[StreamEvent], object] | None = None,
        collect_events: bool = True,
    ) -> SessionResult:
        """Start a session and wait for its end: `create`, then `wait_for_completion`.

        If the wait is cut short the session runs on; `sessions.terminate` ends it.

        Example:
            >>> result = await client.sessions.run(  # doctest: +SKIP
            ...     agent_id=agent.id, prompt="Say hello."
            ... )
            >>> result.session.status  # doctest: +SKIP
            'completed'
        """
        ack = await self.create(
            agent_id=agent_id,
            prompt=prompt,
            environment_id=environment_id,
            timeout=timeout,
            resources=resources,
            secret_env_vars=secret_env_vars,
            idempotency_key=idempotency_key,
        )
        return await self.wait_for_completion(
            ack.id, on_event=on_event, collect_events=collect_events
        )

    def _follow(
        self, session_id: str | UUID, since: int | None, *, resume: bool, turn: int | None
    ) -> SessionFollow:
        if since is not None and not isinstance(since, int):
            raise AodUsageError("since must be the whole number of a row, as in last_event_id")
        return SessionFollow(
            str(session_id),
            self._item(session_id, "stream"),
            since=since,
            turn=turn,
            retry=self._transport.retry,
            no_data=self._transport.timeouts.no_data,
            resume=resume,
        )


def _key(idempotency_key: str | None) -> dict[str, str]:
    if idempotency_key is None:
        return {}
    if not (idempotency_key.isascii() and idempotency_key.isprintable() and idempotency_key):
        raise AodUsageError("idempotency_key must be printable ASCII text")
    return {"idempotency_key": idempotency_key}


def _unsupported(error: AodHTTPError) -> AodHTTPError:
    """Return the error of a service that lacks a path; any other error unchanged."""
    is_missing = error.status_code == _NOT_FOUND and error.detail != "Session not found"
    if not is_missing and error.status_code != _NOT_ALLOWED:
        return error
    return NotSupportedError(error.status_code, error.detail, error.method, error.url)
