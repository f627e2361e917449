"""The one thread that sends, for all clients of the process; what happens at fork and exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from aod_notebook.agentos.report.reporter import Reporter

if TYPE_CHECKING:
    from aod_notebook.agentos.options import AgentOSOptions

EXIT_S = 2.0
"""Time that the end of the interpreter may take."""
IDLE_S = 5.0
HAND_OVER_S = 0.5
"""Time that a client which leaves waits for the thread, which else hands over what it adopted."""


class Sender:
    """Owns the reporters of the process and the thread that works for all of them.

    The lock guards the table of reporters and the thread.
    """

    def __init__(self) -> None:
        self._reporters: dict[Any, Reporter] = {}
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._working = threading.Lock()  # one thread at a time works for the reporters
        self._event = threading.Event()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()  # ends the thread; each has its own

    def attach(
        self,
        client: object,
        options: AgentOSOptions,
        http_client: httpx.Client | httpx.AsyncClient | None,
    ) -> Reporter:
        """Return the reporter of a destination to a client, and adopt orphaned spools."""
        if not isinstance(http_client, httpx.Client):
            http_client = None  # an async one is useless to the thread
        key = _key(options, http_client)
        with self._lock:
            reporter = self._reporters.get(key)
            if reporter is None:
                reporter = self._reporters[key] = Reporter(
                    options, http_client, self.wake, self._revive
                )
            reporter.clients.add(client)
            if options.on_error is not None:
                reporter.notices.add(client, options.on_error)
        for each in self._same_way(reporter):
            each.delivery.transport()
            each.delivery.try_again()
        reporter.delivery.adopt()
        reporter.offer_older()
        self.wake()
        return reporter

    def detach(self, client: object, reporter: Reporter) -> None:
        """Remove a client; the connections are closed with the last one."""
        with self._lock:
            reporter.clients.discard(client)
            reporter.notices.remove(client)
            is_last = not reporter.clients
            if not any(each.clients for each in self._reporters.values()):
                self._thread = None
                self._stop.set()
                self._event.set()
        if is_last:
            for each in self._same_way(reporter):
                if not each.clients:
                    each.close()
            if reporter.delivery.has_orphans and self._working.acquire(timeout=HAND_OVER_S):
                try:
                    self._hand_over()
                finally:
                    self._working.release()
        with self._lock:
            self._reporters = {key: each for key, each in self._reporters.items() if each.is_needed}

    def _same_way(self, reporter: Reporter) -> list[Reporter]:
        """Return a reporter, and those of closed clients with other options that send to the same destination."""
        others = [each for each in list(self._reporters.values()) if each.delivery.pipe is not None]
        same = [each for each in others if each.destination == reporter.destination]
        return [reporter, *(each for each in same if each is not reporter and not each.clients)]

    def _hand_over(self) -> None:
        """Release the spools that were adopted for clients that no longer exist."""
        for reporter in list(self._reporters.values()):
            if not reporter.clients:
                reporter.delivery.release_orphans()

    def _revive(self, reporter: Reporter) -> None:
        """Register a reporter again: its client was closed, but its run still reports."""
        with self._lock:
            if reporter not in self._reporters.values():
                self._reporters[object()] = reporter

    def wake(self) -> None:
        """Wake the thread, and start it if there is none."""
        if self._thread is None:
            self._ensure()
        self._event.set()

    def run_once(self) -> bool:
        """Work once for every reporter; return whether there was anything to do."""
        with self._working:
            now = time.monotonic()
            busy = False
            for reporter in list(self._reporters.values()):
                try:
                    busy = reporter.delivery.work(now) or busy
                except Exception as error:  # noqa: BLE001 - the thread must continue for the others
                    reporter.delivery.failed(error)
            self._hand_over()
            return busy

    def _ensure(self) -> None:
        with self._lock:
            if self._thread is not None or not any(r.clients for r in self._reporters.values()):
                return
            stop = threading.Event()
            thread = threading.Thread(
                target=self._run, args=(stop,), name="agentos-sender", daemon=True
            )
            with contextlib.suppress(RuntimeError):  # the interpreter ends: the exit hook sends
                thread.start()
                self._thread, self._stop = thread, stop

    def _run(self, stop: threading.Event) -> None:
        event = self._event
        while not stop.is_set():
            event.clear()
            if self.run_once():
                continue
            reporters = list(self._reporters.values())
            for reporter in reporters:
                reporter.delivery.is_asleep = True
            now = time.monotonic()
            wait = min((reporter.delivery.wait(now) for reporter in reporters), default=IDLE_S)
            if wait > 0 and not stop.is_set():
                event.wait(wait)
            for reporter in reporters:
                reporter.delivery.is_asleep = False

    # Fork and exit.

    def note_fork(self) -> None:
        """Note, in the parent, that there are children that may report."""
        for reporter in list(self._reporters.values()):
            reporter.delivery.has_forked = True

    def after_fork(self) -> None:
        """Begin again in a forked child: spools, locks and connections are the parent's."""
        self._reset()
        for reporter in self._reporters.values():
            reporter.forget()

    def at_exit(self) -> None:
        """Send what is left for at most two seconds; the next process sends the rest."""
        deadline = time.monotonic() + EXIT_S
        reporters = list(self._reporters.values())
        for reporter in reporters:
            with contextlib.suppress(Exception):
                reporter.prepare_exit()
        while time.monotonic() < deadline and not all(r.is_at_rest() for r in reporters):
            if self._thread is None:
                self.run_once()
            time.sleep(0.002)
        self._stop.set()
        self._event.set()
        for reporter in reporters:
            with contextlib.suppress(Exception):
                reporter.close()
                reporter.leave()


def _key(options: AgentOSOptions, http_client: httpx.Client | None) -> Any:
    return (
        options.base_url,
        options.fingerprint,
        options.agent_id,
        options.batch_interval,
        options.batch_size,
        options.batch_limit,
        options.memory_limit,
        options.timeout,
        http_client,
    )


sender = Sender()
"""The sender of this process."""

atexit.register(sender.at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=sender.note_fork, after_in_child=sender.after_fork)
