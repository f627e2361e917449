"""A process that collects, for tests that kill it."""

import multiprocessing

from aod_notebook import frames
from aod_notebook.aod import Client

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["aod_notebook.frames", "aod_notebook.aod"])


def _collect(url, token, ids, folder):
    with Client(base_url=url, token=token) as client:
        frames.collect(ids, into=folder, client=client, jobs=2)


def collecting(service, ids, folder):
    """Start to collect in a process of its own; importing has happened before its start."""
    arguments = (service.url, service.aod_token, ids, folder)
    process = _context.Process(target=_collect, args=arguments, daemon=True)
    process.start()
    return process
