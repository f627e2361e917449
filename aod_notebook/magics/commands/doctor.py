"""`%aod doctor`: what works here and what doesn't, with the fix for each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aod_notebook.magics.display import get_kernel, has_page, why_not_live
from aod_notebook.magics.parser import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from aod_notebook.live.doctor import Finding


def examine() -> pd.DataFrame:
    """Check the front end, the stop button, and what `live.doctor` checks.

    Returns:
        One row per check, a summary first, with the columns `check`, `state` (`ok`, `note` or
        `problem`) and `finding`. No token is in it. It is shown with what is wrong first.
    """
    import pandas as pd

    from aod_notebook.live.doctor import findings, summary
    from aod_notebook.magics.tables.findings import SCHEMA

    found = [*_front_end(), *findings()]
    frame = pd.DataFrame([summary(found), *found], columns=["check", "state", "finding"])
    frame.attrs = {"schema": f"{SCHEMA}/1"}
    return frame


def _front_end() -> Iterator[Finding]:
    if not has_page():
        yield "front end", "note", "a terminal or script: plain lines, no HTML transcripts"
        return
    kernel = get_kernel()
    yield "front end", "ok", f"{type(kernel).__name__} of {type(kernel).__module__.split('.')[0]}"
    subshells = bool(getattr(kernel, "_supports_kernel_subshells", False))
    yield (
        "subshells",
        "ok" if subshells else "note",
        "supported by this kernel"
        if subshells
        else "not supported: widgets in a running cell can't answer; ipykernel 7 has them",
    )
    why_not = why_not_live()
    yield (
        "live view",
        "note" if why_not else "ok",
        f"{why_not}; HTML is shown instead" if why_not else "shown by pages that load widgets",
    )
    signals = sys.platform != "win32"
    yield (
        "stop button",
        "ok" if signals else "note",
        "interrupts a waiting cell by "
        + ("signal" if signals else "polling, within half a second"),
    )


AOD = {
    "doctor": Command("check everything that can be checked", (), lambda *_: examine()),
}
