"""`%aod connect` and `status`, `%agentos connect` and `status`: which services are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook import live
from aod_notebook.agentos import AgentOSTimeoutError, AgentOSTransientError
from aod_notebook.aod import AodConnectionError
from aod_notebook.core.text import counted
from aod_notebook.live.agents import find_agent_id
from aod_notebook.magics.commands.outbox import waiting_line
from aod_notebook.magics.display import say
from aod_notebook.magics.find import agentos_connection
from aod_notebook.magics.parser import Command, MagicUsageError, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

NEXT_STEP = "next     {magic} connect --local uses the embedded service, --url URL another one"
"""What to do about a service that does not answer."""


def ask_secret(question: str) -> str:
    """Ask the person for a token or a key, unseen; nothing where nobody can be asked."""
    import getpass

    from IPython.core.error import StdinNotImplementedError

    try:
        return getpass.getpass(question)
    except (EOFError, StdinNotImplementedError):
        return ""


def _connect(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    made = live.connect(options.url, local=options.local, name=options.name, ask_token=ask_secret)
    count = len(made.client.agents.list())
    say(f"Connected: {made!r}, which has {counted(count, 'agent')}.")


def _status(_: argparse.Namespace, __: Mapping[str, object]) -> None:
    connection = live.connection()
    say(f"service  {connection.base_url}  ({connection.sources['base_url']})")
    say(f"token    not shown  ({connection.sources['token']})")
    try:
        say(f"health   {connection.client.health().get('status', 'unknown')}")
    except AodConnectionError as error:
        say(f"health   not reachable: {error}")
        say(NEXT_STEP.format(magic="%aod"))


def _connect_agentos(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    from aod_notebook.live.doctor import reach

    made = live.connect_agentos(
        options.url,
        local=options.local,
        name=options.name,
        agent_id=options.agent,
        workspace=options.workspace,
        ask_key=ask_secret,
    )
    access = reach(made)
    if options.agent is not None and not made.client.disabled:
        agent_id = find_agent_id(made, options.agent)
        if agent_id != options.agent:
            raise MagicUsageError(
                f"%agentos connect: --agent takes an id; that of {options.agent!r} is {agent_id}."
            )
    say(f"Connected: {made!r}: {access}.")


def _agentos_status(_: argparse.Namespace, __: Mapping[str, object]) -> None:
    from aod_notebook.live.doctor import reach

    on = agentos_connection()
    agent = on.client.agent_id or "none; set AGENTOS_AGENT_ID or connect with --agent"
    say(f"service    {on.base_url}  ({on.sources['base_url']})")
    say(f"key        not shown  ({on.sources['key']})")
    say(f"agent      {agent}")
    if on.client.workspace:
        say(f"workspace  {on.client.workspace}")
    say(f"outbox     {waiting_line()}")
    try:
        say(f"reached    {reach(on)}")
    except (AgentOSTimeoutError, AgentOSTransientError) as error:
        say(f"reached    not reachable: {error}")
        say(NEXT_STEP.format(magic="%agentos"))


AOD = {
    "status": Command("which service is used, and whether it answers", (), _status),
    "connect": Command(
        "use the embedded service or one at a URL",
        (
            argument("--local", action="store_true", help="the embedded local service"),
            argument("--url", help="the service's base URL; its token is found or asked for"),
            argument("--name", help="remember the URL by this name, or use the one so remembered"),
        ),
        _connect,
    ),
}
AGENTOS = {
    "status": Command("which service is used, and what its key may do", (), _agentos_status),
    "connect": Command(
        "use the embedded service or one at a URL",
        (
            argument("--local", action="store_true", help="the embedded local service"),
            argument("--url", help="the service's base URL; its key is found or asked for"),
            argument("--name", help="remember the service by this name, or use the one of it"),
            argument("--agent", metavar="ID", help="the agent that runs are reported for"),
            argument("--workspace", metavar="W", help="the workspace, by slug or id"),
        ),
        _connect_agentos,
    ),
}
