"""Follow an AgentOS run in the background: its stream while it is open, then its record."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio

from aod_notebook.agentos.errors import (
    AgentOSConflictError,
    AgentOSDecodeError,
    AgentOSForbiddenError,
    AgentOSNotFoundError,
    AgentOSRunError,
    AgentOSStreamInterrupted,
    AgentOSTransientError,
    describe,
)
from aod_notebook.agentos.events import Streamed, StreamedEvent, merged, recorded, seconds
from aod_notebook.contract import ACTIVE_STATUSES, RUN_ENDED, RUN_WAITING
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import is_loopback
from aod_notebook.live.errors import RunNotFollowedError
from aod_notebook.live.follow import WAKE_S, Follower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aod_notebook.live.connections import AgentOSConnection


KEYS = {"awaiting_input": "request_id", "awaiting_approval": "approval_id"}

NEAR_S, FAR_S, LONGEST_S = 0.2, 1.0, 5.0
"""How soon a service on this machine, and one elsewhere, is asked again; longer while it is quiet."""
APPROVAL_S, APPROVALS = 5.0, 100
"""What an approval asks for is looked up for at most so long, among so many of the newest."""
SHARE = 10
"""Asking takes at most one part in so many of the time."""


class RunFollower(Follower[StreamedEvent, dict[str, Any]]):
    """The events of one run: of its invocation's stream first, then those that are recorded.

    It follows through pauses, until the run has ended; `is_paused` means that somebody has
    to answer before it continues.

    Args:
        connection: the service that the run is on.
        run_id: returns the run's id, or None as long as it is not known.
        request: what to invoke (arguments of `invoke_stream`); None for a run that is there.
    """

    def __init__(
        self,
        connection: AgentOSConnection,
        run_id: Callable[[], str | None] = lambda: None,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(connection)
        self._connection = connection
        self._find_id = run_id
        self._sent_id: str | None = None
        self._request = request
        self._latest: dict[str, Any] | None = None
        self._waits_for: dict[str, Any] | None = None
        self._requests: dict[str, Any] = {}  # what approvals ask for, by their ids
        self._answer: StreamedEvent | None = None  # on its way to the service
        self._taken = 0  # answers that the service has
        self._seen = 0  # recorded events
        self._looks = self._looked = 0  # at the record: begun, and come to an end
        self._streamed = Streamed()
        self._tasks: dict[str, str] = {}  # status by id
        self._state: tuple[object, ...] = ()  # what the last event of type `run` showed
        self._look_early: anyio.Event | None = None
        self._is_streaming = request is not None

    @property
    def run_id(self) -> str | None:
        """The run's id; None as long as the service has not sent it."""
        return self._sent_id or self._find_id()

    @property
    def latest(self) -> dict[str, Any] | None:
        """The run as the service showed it last; None before that."""
        return self._row or self._latest

    @property
    def waits_for(self) -> dict[str, Any] | None:
        """The question or approval that the run waits for; None if it waits for no one."""
        return None if self._answer is not None else self._waits_for

    @property
    def is_paused(self) -> bool:
        """Whether the run continues only after an answer."""
        return self.waits_for is not None

    def wait_for_id(self, timeout: float | None = None) -> None:
        """Wait until the run's id is known, or it is clear that there is none."""
        self._wait_until(lambda: self.run_id is not None or self._is_final, timeout)

    def catch_up(self) -> None:
        """Wait until all current events of the run are here.

        While the stream of an invocation is open, that is what it has sent so far.
        """
        with self._changed:
            wanted = self._looks + 1
        if bridge.is_running():
            bridge.submit(self.look_now)
        self._wait_until(lambda: self._looked >= wanted or self._is_streaming or self._is_final)

    def send(self, answer: StreamedEvent) -> None:
        """Send the service a person's answer, and return once it is accepted.

        Args:
            answer: an event of type `answer` or `decision`.

        Raises:
            AgentOSError: it was refused.
        """
        with self._changed:
            self._answer, before = answer, self._taken
        sending = bridge.submit(self._deliver, answer)
        sending.add_done_callback(lambda _: self._wake())
        self._wait_until(lambda: self._taken > before or sending.done())
        if sending.done():
            sending.result()

    async def look_now(self) -> None:
        """Ask the service at once."""
        if self._look_early is not None:
            self._look_early.set()

    def _wait_until(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._changed.wait_for(condition, WAKE_S):
                if deadline is not None and time.monotonic() >= deadline:
                    return

    def _wake(self) -> None:
        with self._changed:
            self._notify()

    @property
    def is_at_rest(self) -> bool:
        """Whether the run is no longer followed, or continues only after an answer."""
        return self._is_final or self.is_paused

    def _not_followed(self) -> AodNotebookError:
        return RunNotFollowedError(self.run_id)

    # -- on the background loop -----------------------------------------------------------------

    async def _follow_to_the_end(self) -> dict[str, Any]:
        request, self._request = self._request, None
        if request is not None:
            self._is_streaming = True
            try:
                row = await self._read_stream(request)
            finally:
                self._is_streaming = False
            if row is not None:
                return row
        pause = self._shortest()
        while True:
            self._look_early = (
                anyio.Event()
            )  # before looking: who asks for a look wants the next one
            client, began = self._connection.background_client, time.monotonic()
            try:
                changed = self.run_id is not None and await self._counted_look()
            except AodNotebookError as error:
                if self._connection.background_client is not client:
                    continue  # the service was started again, at another address
                is_away = isinstance(error, AgentOSTransientError)
                if is_away and await self._comes_back(error, client):
                    continue
                raise
            self._heard()
            if self._latest is not None and self._latest.get("status") in RUN_ENDED:
                return self._latest
            pause = self._shortest() if changed else min(pause * 1.5, LONGEST_S)
            with anyio.move_on_after(max(pause, SHARE * (time.monotonic() - began))):
                await self._look_early.wait()

    def _shortest(self) -> float:
        return NEAR_S if is_loopback(self._connection.base_url) else FAR_S

    async def _read_stream(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Read the stream to its end; return the run only if nothing more can be learned of it."""
        failure = None
        async with self._connection.background_client.invoke_stream(**request) as stream:
            try:
                async for event in stream:
                    extra: dict[str, Any] = {**event}
                    self._sent_id = stream.run_id or self._sent_id
                    if extra.get("type") == "awaiting_approval":
                        extra = await self._with_request(extra)
                    self._take(StreamedEvent(extra.pop("type", ""), extra))
            except AgentOSRunError as error:
                if stream.run_id is None:
                    raise
                failure = str(error)
            except (AgentOSStreamInterrupted, AgentOSTransientError):
                if stream.run_id is None:
                    raise
                return None  # the run may continue: its record shows it
        try:
            await self._pass_over()
        except AgentOSForbiddenError:  # a key that may only invoke
            status = "failed" if failure else "completed"
            row = {"id": self.run_id, **(self._waits_for or {"status": status})}
            return row | ({"error_message": failure} if failure else {})
        return None

    def _take(self, event: StreamedEvent) -> None:
        if event.type in RUN_WAITING:
            self._waits_for = {"status": event.type, **event.extra}
        self._streamed.take(event, len(self._received))
        self._append(event)

    async def _pass_over(self) -> None:
        """Count recorded events as seen: the stream has shown them, except for the tools' arguments."""
        taken, row = self._taken, await self._get()
        await self._missed(row)
        self._streamed = Streamed()
        for _ in self._new_tasks(row):
            pass
        self._note(row, taken)

    async def _missed(self, row: Mapping[str, Any]) -> list[tuple[float, StreamedEvent]]:
        """Return the newly recorded events, except for those that the stream has shown.

        The recorded calls of tools, with arguments and results, take the places of the stream's,
        so that who has read on from there misses nothing and sees nothing twice.
        """
        events = await self._new_events(row)
        self._seen += len(events)
        calls, missed = self._streamed.matched(
            recorded(event) for event in events if isinstance(event, dict)
        )
        with self._changed:
            for place, call in calls.items():
                self._received[place] = call, self._received[place][1]
        return missed

    async def _counted_look(self) -> bool:
        """Poll, and wake the waiters for a poll that began after their call."""
        self._looks += 1
        changed = await self._look()
        with self._changed:
            self._looked = self._looks
            self._changed.notify_all()
        return changed

    async def _look(self) -> bool:
        """Ask for the run and append what is new; return whether anything was."""
        taken, row = self._taken, await self._get()
        if taken != self._taken:  # the row may be older than the answer
            row = await self._get()
        before = len(self._received)
        self._settle_answer(row)
        taken = self._taken
        missed = await self._missed(row)
        for at, event in merged(self._new_tasks(row), missed):
            self._append(event, at)
        self._note(row, taken)
        return len(self._received) > before

    async def _get(self) -> dict[str, Any]:
        row: Any = await self._connection.background_client.runs.get(run_id=str(self.run_id))
        if not isinstance(row, dict):
            wrong = f"The service's answer for run {self.run_id} is not a run: {describe(row)}"
            raise AgentOSDecodeError(wrong, "INVALID_ANSWER", run_id=self.run_id)
        if isinstance(row.get("awaiting_approval"), dict):
            row["awaiting_approval"] = await self._with_request(row["awaiting_approval"])
        return row

    async def _with_request(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Add what an approval asks for: streams and runs have only its id.

        A key that may not read approvals, or a service that fails, leaves it out.
        """
        key = str(asked.get("approval_id"))
        if "request" not in asked and key not in self._requests:
            approvals: list[Any] = []
            with suppress(AodNotebookError), anyio.move_on_after(APPROVAL_S):
                approvals = await self._connection.background_client.approvals.list(limit=APPROVALS)
            known = (each for each in approvals if isinstance(each, dict) and each.get("id") == key)
            self._requests[key] = next(known, {}).get("request")
        request = self._requests.get(key)
        return {**asked} if request is None else {"request": request, **asked}

    async def _new_events(self, row: Mapping[str, Any]) -> list[Any]:
        if row.get("event_count") == self._seen:
            return []
        client, run_id = self._connection.background_client, str(self.run_id)
        if self._connection.is_embedded:  # it can give those after the last one
            body = {"run_id": run_id, "after": self._seen}
            answer = await client.post("/api/v1/rpc/runs_get_events", body)
            return list(answer["data"])
        events: list[Any] = await client.runs.all_events(run_id=run_id)
        return events[self._seen :]

    def _new_tasks(self, row: Mapping[str, Any]) -> Iterator[tuple[float, StreamedEvent]]:
        tasks = row.get("tasks")
        for task in tasks if isinstance(tasks, list) else ():
            key, status = str(task.get("id")), str(task.get("status"))
            before, self._tasks[key] = self._tasks.get(key), status
            if before is None:
                yield (
                    seconds(task.get("started_at")),
                    StreamedEvent("task", {**task, "status": "running"}),
                )
            if before != status and status not in ACTIVE_STATUSES:
                yield seconds(task.get("ended_at")), StreamedEvent("task", dict(task))

    def _note(self, row: dict[str, Any], taken: int) -> None:
        """Keep the run, and append an event if its state has changed.

        A row read when fewer answers were taken still asks what is answered: it is passed over.
        """
        with self._changed:
            if taken != self._taken:
                return
            self._latest = row
            asked = self._waits_for
            waiting = next((each for each in RUN_WAITING if row.get(each)), None)
            if waiting is not None:
                key = KEYS[waiting]
                if asked is None or asked.get(key) != row[waiting].get(key):
                    asked = {"status": waiting, **row[waiting]}
            elif row.get("status") in (*ACTIVE_STATUSES, *RUN_ENDED):
                asked = None
            else:
                asked = asked or {"status": row.get("status")}
            is_new = asked is not None and asked is not self._waits_for
            self._waits_for = asked
            state = (row.get("status"), None if asked is None else str(sorted(asked.items())))
            if state != self._state:
                self._state = state
                self._append(StreamedEvent("run", row))
                if is_new and asked is not None:
                    self._append(StreamedEvent(str(asked["status"]), asked))

    # -- answers --------------------------------------------------------------------------------

    async def _deliver(self, answer: StreamedEvent) -> None:
        try:
            await self._send(answer)
        except AodNotebookError as error:
            is_too_late = isinstance(error, (AgentOSConflictError, AgentOSNotFoundError))
            if is_too_late or await self._is_still_asked(answer):
                with self._changed:
                    self._answer = None
                    if is_too_late:  # what was known of it was old
                        self._waits_for = None
                await self.look_now()
                raise
        self._take_answer()
        await self.look_now()

    async def _send(self, answer: StreamedEvent) -> None:
        client, body = self._connection.background_client, answer.extra
        if answer.type == "decision":
            note = {"decision_note": body["decision_note"]} if body.get("decision_note") else {}
            await client.approvals.decide(
                approval_id=body["approval_id"], decision=body["decision"], **note
            )
            return
        await client.reply(str(self.run_id), body["response"], request_id=body.get("request_id"))

    async def _is_still_asked(self, answer: StreamedEvent) -> bool:
        """Whether a failed answer was refused; the failure may be that of the run that went on."""
        try:
            row = await self._get()
        except AodNotebookError:
            return True
        return self._waits_for is None or _is_asked(row, answer)

    def _settle_answer(self, row: Mapping[str, Any]) -> None:
        """Notice that the run does not ask any more what it was known to ask."""
        answer = self._answer
        if answer is not None and self._waits_for is not None and not _is_asked(row, answer):
            self._take_answer()

    def _take_answer(self) -> None:
        """Append the answer to the run's events."""
        with self._changed:
            answer, self._answer = self._answer, None
            if answer is None:
                return
            self._waits_for, self._taken = None, self._taken + 1
            self._latest = {**(self._latest or {}), "status": "running"}
            self._append(answer)


def _is_asked(row: Mapping[str, Any], answer: StreamedEvent) -> bool:
    waiting = "awaiting_approval" if answer.type == "decision" else "awaiting_input"
    asked, key = row.get(waiting) or {}, KEYS[waiting]
    answered = answer.extra.get(key)
    return bool(asked) and answered in (None, asked.get(key))
