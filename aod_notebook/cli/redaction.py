"""What is known to be secret here: values of variables, the person's home and name."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aod_notebook.core.redactor import Redactor, is_secret_name
from aod_notebook.local.variables import CLI_VARIABLES, INSTALL, cli_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def redactor() -> Redactor:
    """Make a redactor that knows the secrets of this process's environment, its home and user."""
    try:
        user: str | None = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        user = None
    return Redactor(_secrets(os.environ), str(Path.home()), user)


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield values of variables that are named like secrets, and of those that the settings of CLIs name.

    A CLI's settings may name a variable of any name for its key.
    """
    named = {
        name
        for cli in INSTALL
        for name in set(cli_names(cli, environ)) - set(CLI_VARIABLES.get(cli, ()))
    }
    for name, value in environ.items():
        if name in named or is_secret_name(name):
            yield value
