"""A process that runs a batch, for tests that kill it as a kernel is killed."""

import multiprocessing
import os

import pandas as pd

from aod_notebook import live

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["aod_notebook.live", "aod_notebook.frames", "pandas"])
ROWS = 200


def table(rows=ROWS):
    return pd.DataFrame({"n": range(rows)}, index=[f"row {n}" for n in range(rows)])


def run(dask=None, rows=ROWS, jobs=8):
    """Run the batch of the tests to its end."""
    return live.batch(
        table(rows), "echo {{n}}", runtime="shell", jobs=jobs, dask=dask, progress=False
    )


def _kernel(variables, with_cluster, rows):
    os.environ.update(variables)
    os.setsid()  # so that its cluster's workers can be found, and killed with it
    if not with_cluster:
        run(rows=rows)
        return
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        run(client, rows=rows, jobs=4)


def kernel(variables, *, with_cluster=False, rows=ROWS):
    """Start the batch in a process of its own."""
    process = _context.Process(target=_kernel, args=(variables, with_cluster, rows))
    process.start()
    return process
