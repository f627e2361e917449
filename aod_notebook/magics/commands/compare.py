"""`%aod compare`: two sessions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook import live
from aod_notebook.magics.find import find_session
from aod_notebook.magics.parser import Command, Offer, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def _compare(options: argparse.Namespace, names: Mapping[str, object]) -> live.Comparison:
    from aod_notebook.frames.logs.rows import is_path

    a, b = (
        one if is_path(one) and one not in names else find_session(one, names).catch_up()
        for one in (options.session, options.other)
    )
    return live.compare(a, b)


AOD = {
    "compare": Command(
        "two sessions side by side: where they part, what each cost, what each edited",
        (
            argument(
                "session",
                metavar="A",
                offers=Offer.SESSIONS,
                help="an id, a variable, `last` or a log's path",
            ),
            argument("other", metavar="B", offers=Offer.SESSIONS, help="the other session"),
        ),
        _compare,
    ),
}
