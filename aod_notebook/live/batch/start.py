"""Prepare a batch, run it and score its answers, or describe it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from aod_notebook.core import words
from aod_notebook.core.text import clean
from aod_notebook.live.batch import scores
from aod_notebook.live.batch.guards import check_priced
from aod_notebook.live.batch.journal import BatchJournal
from aod_notebook.live.batch.plan import BatchError, described
from aod_notebook.live.batch.progress import shown
from aod_notebook.live.batch.run import Batch, BatchStoppedError
from aod_notebook.live.batch.spending import typical_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from aod_notebook.live.batch.guards import Limit
    from aod_notebook.live.batch.plan import Plan
    from aod_notebook.live.batch.scores import Score
    from aod_notebook.live.connections import AodConnection


def run_scored(prepared: Batch, score: Score | None) -> pd.DataFrame:
    """Run a batch and score its answers; also those of an interrupted one.

    Raises:
        BatchStoppedError: it was interrupted.
    """
    try:
        frame = prepared.run()
    except BatchStoppedError as error:
        if score is not None:
            error.result = scores.scored(error.result, prepared.plan, score)
        raise
    return frame if score is None else scores.scored(frame, prepared.plan, score)


def prepare(
    made: Plan,
    on: AodConnection,
    *,
    jobs: int,
    limits: Sequence[Limit],
    reuse: bool = False,
    resume: bool = True,
    dask: Any = None,
    progress: bool | Callable[[Batch], None] = True,
) -> Batch:
    """Return the batch of a plan, new or continued, ready to run.

    Raises:
        BatchError: the journal can't be written.
        LimitError: a limit can't be kept.
    """
    if dask is not None and not hasattr(dask, "get_executor"):
        raise BatchError(f"dask takes a dask.distributed.Client, not {type(dask).__name__}.")
    check_priced(limits, {(item.runtime, item.model) for item in made.items})
    changed = (shown() if progress else None) if isinstance(progress, bool) else progress
    try:
        records = BatchJournal.unfinished(made, on.key) if resume else None
        is_resumed = records is not None
        if records is None:
            records = BatchJournal.begin(made, on.key)
    except (OSError, sqlite3.Error) as error:
        raise BatchError(
            f"The journal in AOD_NOTEBOOK_HOME can't be written ({error}), so the batch could not "
            "be continued after an interruption. Make that folder writable."
        ) from error
    prepared = Batch(
        made,
        on,
        records,
        jobs=min(jobs, len(made.items)),
        limits=limits,
        is_reusing=reuse,
        dask=dask,
        changed=changed,
    )
    prepared.resumed = is_resumed
    return prepared


def dry_run(made: Plan, on: AodConnection, prompts: int = 2) -> str:
    """Describe a batch: the number of sessions, the first prompts, and what it may cost.

    The estimate is the median cost of the newest completed sessions of the same agent.

    Raises:
        AodError: what the service answered.
    """
    lines = [described(made), ""]
    for item in made.items[:prompts]:
        label = made.rows.index[item.row]
        chosen = "".join(f", {name} {value}" for name, value in item.over.items())
        lines += [f"--- row {label!r}{chosen}", clean(item.prompt), ""]
    agents = {item.fields.get("agent_id") for item in made.items}
    typical = typical_cost(on, (one for one in agents if one is not None))
    costs = [typical.get(item.fields.get("agent_id", "")) for item in made.items]
    known = [cost for cost in costs if cost is not None]
    if len(known) == len(costs):
        each = sorted(typical.values())
        span = words.dollars(each[0])
        span += "" if each[0] == each[-1] else f" to {words.dollars(each[-1])}"
        lines.append(
            f"estimate: {words.dollars(sum(known))}, at {span} a session "
            "(median of the agent's completed sessions)"
        )
    else:
        lines.append("estimate: NA, because no like session with a known cost has completed")
    return "\n".join(lines)
