"""The `%aod agent …` and `%aod env …` commands, and the tables of both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aod_notebook import live
from aod_notebook.contract import PROVIDERS, RUNTIMES
from aod_notebook.core.redact import redact
from aod_notebook.core.text import clean
from aod_notebook.live.agents import pick
from aod_notebook.magics.display import say
from aod_notebook.magics.parser import Command, MagicUsageError, Offer, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import pandas as pd


ENVIRONMENT_COLUMNS = "id", "name", "version", "created_at"


def _environments_of(rows: list[Any]) -> pd.DataFrame:
    import pandas as pd

    values = [[getattr(row, name) for name in ENVIRONMENT_COLUMNS] for row in rows]
    table = pd.DataFrame(values, columns=list(ENVIRONMENT_COLUMNS)).astype({"id": "str"})
    table.attrs = {"schema": "aod.environments/1"}
    return table


def _agents_of(rows: list[Any]) -> pd.DataFrame:
    from aod_notebook.frames.sessions.agents import agents_of

    return agents_of(rows)


def _agents(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    from aod_notebook.frames import agents_df

    return agents_df(client=live.connection().client)


def _environments(_: argparse.Namespace, __: Mapping[str, object]) -> pd.DataFrame:
    return _environments_of(live.connection().client.environments.list())


def _agent(wanted: str) -> Any:
    return pick(live.connection().client.agents.list(), wanted, "agent", "%aod agents")


def _environment(wanted: str) -> Any:
    rows = live.connection().client.environments.list()
    return pick(rows, wanted, "environment", "%aod envs")


def _create_agent(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    if (options.runtime is None) == (options.provider is None):
        raise MagicUsageError("%aod agent create: name either --runtime or --provider.")
    made = live.connection().client.agents.create(
        name=options.name, **_agent_fields(options, new=True)
    )
    say(f"Agent {made.name!r} was made: {made.id}")


def _update_agent(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    row = _agent(options.agent)
    fields = _agent_fields(options, new=False)
    if not fields:
        raise MagicUsageError("%aod agent update: nothing to change; --help lists the fields.")
    changed = live.connection().client.agents.update(row.id, version=row.version, **fields)
    is_new = changed.version != row.version
    how = "is now at" if is_new else "is as it was, at"
    say(f"Agent {changed.name!r} {how} version {changed.version}.")


def _agent_fields(options: argparse.Namespace, *, new: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model": options.model,
        "runtime": options.runtime,
        "provider": options.provider,
        "system": options.system,
        "description": options.description,
    }
    if not new:
        fields["name"] = options.name
    if options.env is not None:
        fields["environment_id"] = str(_environment(options.env).id)
    return {name: value for name, value in fields.items() if value is not None}


def _create_environment(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    managers = ("apt", "cargo", "gem", "go", "npm", "pip")
    packages = {name: getattr(options, name) for name in managers if getattr(options, name)}
    made = live.connection().client.environments.create(
        name=options.name, packages=packages or None, setup_script=options.setup
    )
    say(f"Environment {made.name!r} was made: {made.id}")


def _show(find: Callable[[str], Any]) -> Callable[..., None]:
    def show(options: argparse.Namespace, _: Mapping[str, object]) -> None:
        row = redact(find(options.row).model_dump(mode="json"))
        for server in row.get("mcp_servers", ()):
            server |= {name: "[hidden]" for name in ("headers", "env") if server.get(name)}
        say(clean(json.dumps(row, indent=2, ensure_ascii=False)))

    return show


def _archive(find: Callable[[str], Any], kind: str, noun: str) -> Callable[..., None]:
    def archive(options: argparse.Namespace, _: Mapping[str, object]) -> None:
        row = find(options.row)
        getattr(live.connection().client, kind).archive(row.id)
        say(f"{noun} {row.name!r} was archived.")

    return archive


def _versions(
    find: Callable[[str], Any], kind: str, table: Callable[[list[Any]], pd.DataFrame]
) -> Callable[..., pd.DataFrame]:
    def versions(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
        row = find(options.row)
        rows = getattr(live.connection().client, kind).versions(row.id)
        return table(rows)

    return versions


def _delete_environment(options: argparse.Namespace, _: Mapping[str, object]) -> None:
    row = _environment(options.row)
    live.connection().client.environments.delete(row.id)
    say(f"Environment {row.name!r} was deleted.")


_AGENT = argument("row", metavar="NAME", offers=Offer.AGENTS, help="its id or name")
_ENVIRONMENT = argument("row", metavar="NAME", offers=Offer.ENVIRONMENTS, help="its id or name")
_FIELDS = (
    argument(
        "--runtime",
        metavar="R",
        offers=RUNTIMES,
        help="claude, codex, gemini, opencode, shell or replay",
    ),
    argument(
        "--provider",
        metavar="P",
        offers=PROVIDERS,
        help="anthropic or openai (the later API's word)",
    ),
    argument("--system", metavar="TEXT", help="the system prompt"),
    argument("--description", metavar="TEXT", help="what it is for"),
    argument(
        "--env", metavar="E", offers=Offer.ENVIRONMENTS, help="its environment, by id or name"
    ),
)
_TEXTS = ("system", "description")
_PACKAGES = tuple(
    argument(f"--{manager}", metavar="PACKAGE", action="append", help=f"a package for {manager}")
    for manager in ("apt", "cargo", "gem", "go", "npm", "pip")
)

AOD = {
    "agents": Command("the agents, newest first", (), _agents),
    "agent create": Command(
        "make an agent",
        (
            argument("name", help="what it is called"),
            argument("--model", metavar="M", required=True, help="the model"),
            *_FIELDS,
        ),
        _create_agent,
        may_be_empty=_TEXTS,
    ),
    "agent show": Command("one agent, whole", (_AGENT,), _show(_agent)),
    "agent update": Command(
        "change an agent; its version rises",
        (
            argument("agent", metavar="NAME", offers=Offer.AGENTS, help="its id or name"),
            argument("--name", metavar="NEW", help="the new name"),
            argument("--model", metavar="M", help="the new model"),
            *_FIELDS,
        ),
        _update_agent,
        may_be_empty=_TEXTS,
    ),
    "agent archive": Command(
        "archive an agent (agents can't be deleted)",
        (_AGENT,),
        _archive(_agent, "agents", "Agent"),
    ),
    "agent versions": Command(
        "an agent's versions, highest first",
        (_AGENT,),
        _versions(_agent, "agents", _agents_of),
    ),
    "envs": Command("the environments, newest first", (), _environments),
    "env create": Command(
        "make an environment",
        (
            argument("name", help="what it is called"),
            *_PACKAGES,
            argument("--setup", metavar="SCRIPT", help="shell script, run once per session"),
        ),
        _create_environment,
    ),
    "env show": Command("one environment, whole", (_ENVIRONMENT,), _show(_environment)),
    "env archive": Command(
        "archive an environment",
        (_ENVIRONMENT,),
        _archive(_environment, "environments", "Environment"),
    ),
    "env delete": Command("delete an environment", (_ENVIRONMENT,), _delete_environment),
    "env versions": Command(
        "an environment's versions, highest first",
        (_ENVIRONMENT,),
        _versions(_environment, "environments", _environments_of),
    ),
}
