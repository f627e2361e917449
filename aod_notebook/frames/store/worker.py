"""What runs on the workers of a dask cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from aod_notebook.aod import Client, HandOver
from aod_notebook.frames.report import Report
from aod_notebook.frames.store.parts import Staged
from aod_notebook.frames.store.stage import FetchTask, staged

_handed: dict[str, HandOver] = {}
"""What this process was handed over, by the name of the collection."""


class Access(WorkerPlugin):  # type: ignore[misc]
    """Hands all workers of a cluster, also later ones, access to a service for a collection.

    It travels beside the tasks, so no task holds the token, nor does what dask shows of one.
    """

    def __init__(self, name: str, handed: HandOver) -> None:
        self.name = name
        self._handed = handed

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "fields": self._handed.fields()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name = state["name"]
        self._handed = HandOver.from_fields(state["fields"])

    def setup(self, worker: Any) -> None:
        """Keep it in the worker's process."""
        del worker
        _handed[self.name] = self._handed

    def teardown(self, worker: Any) -> None:
        """Forget it."""
        del worker
        _handed.pop(self.name, None)


def stage(
    name: str, store: Path, tasks: Sequence[FetchTask], jobs: int
) -> tuple[list[Staged], Report]:
    """Fetch sessions and write their frames to parts, which the client puts in their place."""
    report = Report()
    with Client.from_hand_over(_handed[name]) as client:
        return list(staged(store, client, tasks, report, jobs=jobs)), report
