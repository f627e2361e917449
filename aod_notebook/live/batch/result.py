"""The result of a batch: a DataFrame with a row per session, aligned with the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aod_notebook.live.batch.session import NOT_STARTED, SessionOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from aod_notebook.live.batch.plan import Plan

COLUMNS: Final = {
    "session": "str",
    "status": "str",
    "text": "str",
    "cost_usd": "Float64",
    "cost_source": "str",
    "tokens_in": "Int64",
    "tokens_out": "Int64",
    "duration_s": "Float64",
    "error": "str",
    "is_reused": "boolean",
}
"""The columns of a result and their types; those of what is varied come before them."""


def frame_of(
    plan: Plan,
    outcomes: Mapping[int, SessionOutcome],
    running: Mapping[int, str],
    batch_id: str,
    waiting: str = NOT_STARTED,
) -> pd.DataFrame:
    """Return the result so far.

    Args:
        plan: the batch.
        outcomes: how sessions ended, by their numbers.
        running: ids of those that run.
        batch_id: the batch's id, kept in `df.attrs["batch"]`.
        waiting: the status of those that have not begun.
    """
    import pandas as pd

    values: dict[str, list[Any]] = {
        name: [item.over[name] for item in plan.items] for name in plan.over
    }
    types = dict.fromkeys(plan.over, "str")
    if plan.repeat > 1:
        values["repeat"], types["repeat"] = [item.repeat for item in plan.items], "Int64"
    known = [_outcome(item.number, outcomes, running, waiting) for item in plan.items]
    values |= {name: [getattr(outcome, name) for outcome in known] for name in COLUMNS}
    index = plan.rows.index.take([item.row for item in plan.items])
    frame = pd.DataFrame(values, index=index, dtype=object).astype(types | COLUMNS)
    frame.attrs["batch"] = batch_id
    return frame


def _outcome(
    number: int, outcomes: Mapping[int, SessionOutcome], running: Mapping[int, str], waiting: str
) -> SessionOutcome:
    if number in outcomes:
        return outcomes[number]
    if number in running:
        return SessionOutcome(session=running[number], status="running")
    return SessionOutcome(status=waiting)
