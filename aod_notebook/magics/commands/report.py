"""`%aod report`: mirror sessions into AgentOS as runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook.magics.commands.references import SESSIONS
from aod_notebook.magics.display import say
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import Command, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def _report(options: argparse.Namespace, names: Mapping[str, object]) -> None:
    from aod_notebook import frames
    from aod_notebook.live.mirroring import mirror

    for reference in options.session:
        if options.where is None:
            say(str(mirror(find_session(reference, names).catch_up())))
        else:
            say(str(mirror(frames.open_log(reference, options.where))))


AOD = {
    "report": Command(
        "mirror sessions into AgentOS as runs; repeating sends only what is new",
        (
            SESSIONS,
            argument("--from", dest="where", metavar="PATH", help="a store, or a path of logs"),
        ),
        _report,
    ),
}
