"""`%agentos outbox`: reported records on this machine that wait or were refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aod_notebook.core.text import counted
from aod_notebook.magics.display import say
from aod_notebook.magics.parser import Command, MagicUsageError, Offer, argument

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    import pandas as pd


WAITING_COLUMNS = "base_url agent_id records size created_at pid is_alive fingerprint"
REFUSED_COLUMNS = "refused_at reason code external_run_id kind body"


def outbox(options: argparse.Namespace, _: Mapping[str, object]) -> pd.DataFrame:
    """Return the waiting spools, or the refused records, one per row."""
    import pandas as pd

    from aod_notebook.agentos.outbox import refused, waiting
    from aod_notebook.live.outbox import discard, send, sent_lines

    if options.refused + options.send + options.discard > 1:
        raise MagicUsageError(
            "%agentos outbox: --send sends what waits, --refused shows what was refused and "
            "--discard discards what can't be sent; keep one of them."
        )
    if options.refused:
        rows = [
            {**letter, "body": json.dumps(letter.get("body"), ensure_ascii=False)}
            for letter in refused()
        ]
        return pd.DataFrame(rows, columns=REFUSED_COLUMNS.split())
    if options.send or options.discard:
        say("\n".join(sent_lines(send(agent=options.agent)) if options.send else discard()))
    columns = WAITING_COLUMNS.split()
    spools = [spool for spool in waiting() if spool.records]
    values = [[getattr(spool, name) for name in columns] for spool in spools]
    frame = pd.DataFrame(values, columns=columns)
    return frame.astype({"created_at": "datetime64[us, UTC]"})


def waiting_line() -> str:
    """Return a line about waiting and refused records."""
    from aod_notebook.agentos.outbox import refused, waiting

    spools, letters = waiting(), refused()
    records = sum(spool.records for spool in spools)
    parts = [f"{counted(records, 'record')} waiting to be sent" if records else "nothing waits"]
    if letters:
        parts.append(f"{len(letters):,} refused: %agentos outbox --refused")
    return "; ".join(parts)


AGENTOS = {
    "outbox": Command(
        "what was reported and is not delivered yet",
        (
            argument("--send", action="store_true", help="send what dead processes left"),
            argument(
                "--agent",
                metavar="ID",
                offers=Offer.HOSTED_AGENTS,
                help="with --send: with the key at hand",
            ),
            argument(
                "--discard",
                action="store_true",
                help="discard what dead processes left and nothing here can send",
            ),
            argument("--refused", action="store_true", help="what the service refused, and why"),
        ),
        outbox,
    ),
}
