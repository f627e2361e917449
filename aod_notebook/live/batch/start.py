"""`live.batch`: a session for each row of a table."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from aod_notebook.core import words
from aod_notebook.core.text import clean
from aod_notebook.live.batch import scores
from aod_notebook.live.batch.guards import Limit, check_priced
from aod_notebook.live.batch.journal import BatchJournal
from aod_notebook.live.batch.plan import BatchError, described, plan, whole_number
from aod_notebook.live.batch.progress import shown
from aod_notebook.live.batch.run import Batch, BatchStoppedError
from aod_notebook.live.batch.spending import typical_cost
from aod_notebook.live.connections import connection
from aod_notebook.live.start import SessionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from aod_notebook.live.batch.plan import Plan
    from aod_notebook.live.batch.scores import Score
    from aod_notebook.live.connections import AodConnection

MOST_JOBS = 64


def batch(
    rows: Any,
    prompt: str,
    *,
    agent: str | None = None,
    runtime: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    environment: str | None = None,
    timeout: int | None = None,
    resources: Sequence[Mapping[str, Any]] = (),
    secrets: Mapping[str, str] | None = None,
    recording: str | None = None,
    speed: float | None = None,
    over: Mapping[str, Sequence[str]] | None = None,
    repeat: int = 1,
    jobs: int = 4,
    score: Score | None = None,
    max_cost: float | None = None,
    max_tokens: int | None = None,
    max_repeats: int | None = None,
    reuse: bool = False,
    resume: bool = True,
    dask: Any = None,
    progress: bool | Callable[[Batch], None] = True,
    on: AodConnection | None = None,
) -> pd.DataFrame:
    """Run a session for each row of a table and return the results, aligned with its index.

    A batch that was interrupted, or that a kernel's death broke off, continues when the same batch
    is run again: what has ended is not run again, what runs is followed.

    Args:
        rows: a DataFrame, or another table that pyarrow reads.
        prompt: the prompt; `{{column}}` becomes the text of the row's value. So it does in
            `agent`, `model`, `environment`, `recording` and `resources`.
        agent: id or name of an agent; or `runtime` or `provider` with `model`, as in
            `SessionRequest`.
        runtime: see `SessionRequest`, as for what follows up to `speed`.
        provider: …
        model: …
        environment: …
        timeout: …
        resources: …
        secrets: …
        recording: …
        speed: …
        over: values to vary, such as `{"model": ["opus", "sonnet"]}`: each row is run with each
            combination.
        repeat: how often each of these is run.
        jobs: how many sessions run side by side; a service that takes fewer is waited for.
        score: how good an answer is: a function of a row (a dict of its columns, the input's and
            the result's), the name of a column with the expected text, or `Expected`, `Regex` or
            `Shell` of `aod_notebook.live.batch`; it becomes the column `score`.
        max_cost: US dollars that all sessions may cost together.
        max_tokens: tokens that all sessions may use together.
        max_repeats: how often in a row a session may make the same call.
        reuse: take a stored session that completed the same prompt with the same options and
            version of the agent.
        resume: False begins again, also if the same batch is unfinished.
        dask: a `dask.distributed.Client` with workers that run the sessions.
        progress: whether to show a line of progress; or a function that is called with the
            `Batch` when it has moved on.
        on: the service; None for the current connection.

    Returns:
        A row per session: what is varied, `repeat` if that is above 1, `session` (its id),
        `status`, `text` (the agent's answer), `cost_usd` with `cost_source` (`reported` by the
        agent, or `computed` by the table of prices), `tokens_in` (cached ones included),
        `tokens_out`, `duration_s`, `error` and `is_reused`. Failed sessions are rows, too; what is
        unknown is NA. `df.attrs["batch"]` is the batch's id.

    Raises:
        BatchError: the table, a name or an option is invalid; nothing was started.
        LimitError: a limit is not an amount, or can't be kept.
        BatchStoppedError: interrupted; what ran was terminated, and `error.result` has the
            results so far.

    Example:
        >>> import pandas as pd
        >>> from aod_notebook import live
        >>> sums = pd.DataFrame({"sum": ["1 + 2", "3 + 4"]}, index=["a", "b"])
        >>> done = live.batch(sums, "echo $(({{sum}}))", runtime="shell", progress=False)
        >>> done["text"].to_dict()
        {'a': '3', 'b': '7'}
    """
    whole_number("jobs", jobs)
    if jobs > MOST_JOBS:
        raise BatchError(f"jobs takes at most {MOST_JOBS}, not {jobs}.")
    limits = [Limit(cost_usd=max_cost, tokens=max_tokens, repeats=max_repeats)]
    on = on or connection()
    request = SessionRequest(
        prompt=prompt,
        agent=agent,
        runtime=runtime,
        provider=provider,
        model=model,
        environment=environment,
        timeout=timeout,
        resources=resources,
        secrets=dict(secrets or {}),
        recording=recording,
        speed=speed,
    )
    made = plan(rows, request, on, over=over, repeat=repeat)
    scores.check(score, made.rows, on)
    prepared = prepare(
        made, on, jobs=jobs, limits=limits, reuse=reuse, resume=resume, dask=dask, progress=progress
    )
    return run_scored(prepared, score)


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
