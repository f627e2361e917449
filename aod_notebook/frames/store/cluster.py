"""Collecting on the workers of a dask cluster, each with a client of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from aod_notebook.aod import Client
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.report import Report
from aod_notebook.frames.store.parts import Staged
from aod_notebook.frames.store.stage import FetchTask

_AT_ONCE: Final = 200
"""Most sessions of one task: a lost worker costs no more than these, which another one fetches."""
_VALID_S: Final = 6 * 3600.0
_RETRIES: Final = 2


def staged_there(
    dask: Any, store: Path, client: Any, tasks: Sequence[FetchTask], report: Report, *, jobs: int
) -> Iterator[Staged]:
    """Let workers fetch sessions and write their frames; return the parts as they are done.

    Raises:
        AodNotebookError: not one of them could be read, or workers cannot make such a client.
    """
    from distributed import as_completed

    from aod_notebook.frames.store import worker

    if not isinstance(client, Client):
        raise AodNotebookError(
            f"Workers cannot make a client like this {type(client).__name__}: "
            "pass client=Client(…), or leave out dask="
        )
    name = f"aod-notebook-{uuid4().hex}"
    dask.register_plugin(worker.Access(name, client.hand_over(valid_s=_VALID_S)), name=name)
    failures: list[AodNotebookError] = []
    futures: list[Any] = []
    try:
        futures += [
            dask.submit(worker.stage, name, store, some, jobs, pure=False, retries=_RETRIES)
            for some in _spread(tasks, len(dask.nthreads()))
        ]
        for future in as_completed(futures):
            try:
                parts, found = future.result()
            except AodNotebookError as error:
                failures.append(error)
                continue
            report.join([found])
            yield from parts
    finally:
        dask.cancel(futures)
        dask.unregister_worker_plugin(name)
    if failures and len(failures) == len(futures):
        raise failures[0]
    for failure in failures:
        report.cut("a session could not be read", str(failure))


def _spread(tasks: Sequence[FetchTask], workers: int) -> Iterator[Sequence[FetchTask]]:
    """Part the sessions so that each worker has some, and no task has many."""
    at_once = max(1, min(_AT_ONCE, -(-len(tasks) // max(1, workers))))
    for start in range(0, len(tasks), at_once):
        yield tasks[start : start + at_once]
