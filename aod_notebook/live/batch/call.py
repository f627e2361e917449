"""`live.batch`: a session for each row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.live.connections import connection
from aod_notebook.live.start import SessionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from aod_notebook.live.batch.run import Batch
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
    from aod_notebook.live.batch import scores
    from aod_notebook.live.batch.guards import Limit
    from aod_notebook.live.batch.plan import BatchError, plan, whole_number
    from aod_notebook.live.batch.start import prepare, run_scored

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
