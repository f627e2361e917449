"""The parts of a running service; every endpoint gets them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

    from aod_notebook.local.agentos.hosted import HostedRuns
    from aod_notebook.local.agentos.keys import Keys
    from aod_notebook.local.aod.tokens import Tokens
    from aod_notebook.local.config import Config
    from aod_notebook.local.credentials import Credentials
    from aod_notebook.local.storage import Database
    from aod_notebook.local.storage.vault import Vault
    from aod_notebook.local.turns.feeds import Feeds
    from aod_notebook.local.turns.worker import TurnWorker
    from aod_notebook.local.visitors import Visitors

STATE = "aod_notebook.service"
"""The key of a request's scope under which the service's parts are."""
_COUNTED = "aod_notebook.counted"


@dataclass(slots=True)
class Activity:
    """How many requests of clients are open, and when the last one ended (event-loop time).

    A request without a valid token keeps no service from its idle exit.
    """

    open: int = 0
    last: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def begin(self, scope: Scope) -> None:
        """Count a request that showed a valid token."""
        scope[_COUNTED] = True
        self.open += 1

    def end(self, scope: Scope) -> None:
        """Stop counting a request; one without a valid token was never counted."""
        if scope.get(_COUNTED, False):
            self.open -= 1
            self.last = asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a running service."""

    config: Config
    credentials: Credentials
    database: Database
    vault: Vault
    tokens: Tokens
    keys: Keys
    feeds: Feeds
    worker: TurnWorker
    hosted: HostedRuns
    activity: Activity
    visitors: Visitors

    def welcome(self, scope: Scope) -> None:
        """Treat a request as that of a client: it showed a valid token."""
        self.visitors.welcome(scope["client"])
        self.activity.begin(scope)
