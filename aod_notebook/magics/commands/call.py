"""`%agentos call METHOD …`: any method of AgentOS's control plane, by name."""

from __future__ import annotations

import difflib
import functools
import json
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.control import Listing
from aod_notebook.core.redact import redact
from aod_notebook.magics.display import say
from aod_notebook.magics.find import agentos_connection
from aod_notebook.magics.parser import Command, MagicUsageError, Offer, argument, check_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from aod_notebook.agentos.control import Method


MAGIC = "%agentos call"
RETURNS_KEY = ("api_keys.create", "marketplace.install")
"""Methods with an answer that shows a new key, once."""


@functools.cache
def methods() -> dict[str, Method]:
    """Return the methods by name (`runs.list`)."""
    from aod_notebook.agentos import AgentOS
    from aod_notebook.agentos.control import methods_of

    found = {}
    for noun, namespace in vars(AgentOS(disabled=True)).items():
        for name, method in methods_of(type(namespace)).items():
            found[f"{noun}.{name}"] = method
    return found


def call(options: argparse.Namespace, names: dict[str, object]) -> object:
    """Call a method; a list of rows is shown as a DataFrame, tokens are hidden.

    Raises:
        MagicUsageError: there is no such method, or its parameters are wrong.
        AgentOSError: what the service answered.
    """
    check_name(options.output, MAGIC)
    method = _method(options.method)
    given = [_argument(options.method, method, text, names) for text in options.parameter]
    arguments = dict(given)
    if len(arguments) < len(given):
        raise MagicUsageError(f"{MAGIC}: a parameter of {options.method} is given twice; keep one.")
    _check_complete(options.method, method, arguments)
    if options.method in RETURNS_KEY and options.output is None:
        raise MagicUsageError(
            f"{MAGIC}: the answer of {options.method} holds a key that is sent once and not "
            "shown here. Bind it: -o NAME."
        )
    noun, name = options.method.split(".")
    answer = getattr(getattr(agentos_connection().client, noun), name)(**arguments)
    if options.output is not None:
        names[options.output] = answer
        say(f"{options.method}: bound to {options.output}")
        return None
    if isinstance(answer, Listing) and answer.is_cut:
        say(f"{options.method}: cut at limit={answer.limit}; there may be more: limit=NUMBER.")
    return _shown(answer)


def _method(name: str) -> Method:
    if name in methods():
        return methods()[name]
    near = difflib.get_close_matches(name, methods(), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "The Tab key completes their names."
    raise MagicUsageError(f"{MAGIC}: there is no method {name!r}. {hint}")


def _argument(
    name: str, method: Method, text: str, names: Mapping[str, object]
) -> tuple[str, object]:
    """Read `name=value`: `@variable`, text where text is expected, else JSON if it is valid."""
    parameter, equals, value = text.partition("=")
    if not equals:
        raise MagicUsageError(f"{MAGIC}: write parameters as NAME=VALUE, not {text!r}.")
    known = [each for each in method.signature.parameters if each != "self"]
    if parameter not in (*known, "workspace"):
        raise MagicUsageError(
            f"{MAGIC}: {name} has no parameter {parameter!r}; it takes "
            f"{', '.join(known) or 'none'}."
        )
    if value.startswith("@"):
        if value[1:] not in names:
            raise MagicUsageError(f"{MAGIC}: {text}: the notebook has no variable {value[1:]!r}.")
        return parameter, names[value[1:]]
    wanted = method.signature.parameters.get(parameter)
    if wanted is None or wanted.annotation == "str":
        return parameter, value
    try:
        return parameter, json.loads(value)
    except ValueError:
        return parameter, value


def _check_complete(name: str, method: Method, arguments: Mapping[str, object]) -> None:
    missing = [
        parameter.name
        for parameter in method.signature.parameters.values()
        if parameter.default is parameter.empty and parameter.name not in (*arguments, "self")
    ]
    if missing:
        raise MagicUsageError(f"{MAGIC}: {name} needs {', '.join(missing)} too (NAME=VALUE).")


def _shown(answer: Any) -> object:
    answer = redact(answer)
    if not isinstance(answer, list):
        return answer
    import pandas as pd

    return pd.DataFrame(answer)


AGENTOS = {
    "call": Command(
        "call any method of the control plane, such as agents.list",
        (
            argument(
                "method",
                metavar="METHOD",
                offers=Offer.METHODS,
                help="noun.verb; the Tab key completes it",
            ),
            argument(
                "parameter",
                offers=Offer.PARAMETERS,
                metavar="NAME=VALUE",
                nargs="*",
                default=[],
                help="text or JSON; @variable takes one of the notebook",
            ),
            argument("-o", "--output", metavar="NAME", help="bind the answer instead"),
        ),
        call,
        verbatim=("parameter",),
    ),
}
