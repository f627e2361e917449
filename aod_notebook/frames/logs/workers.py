"""Processes that share the work of an import, each with files of its own.

They are started as programs, not forked and not spawned by `multiprocessing`: a kernel has threads
that a fork would break, and a script without `if __name__ == "__main__"` would run again.
"""

import os
import pickle
import subprocess
import sys
from importlib import import_module
from typing import Any, BinaryIO, Final, Self

_START: Final = (
    "import sys; target = sys.argv[1]; sys.path[:] = sys.argv[2:]; "
    "from aod_notebook.frames.logs.workers import serve; serve(target)"
)


class Failed:
    """The answer of a worker after a failure."""

    def __init__(self, error: BaseException) -> None:
        self.text = f"{type(error).__name__}: {error}"
        self.strerror = error.strerror if isinstance(error, OSError) else None


class WorkerPipe:
    """Two streams of pickled objects; only processes of this package are at their ends."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def send(self, value: Any) -> None:
        """Hand an object over."""
        pickle.dump(value, self._outgoing, pickle.HIGHEST_PROTOCOL)
        self._outgoing.flush()

    def receive(self) -> Any:
        """Wait for an object.

        Raises:
            OSError: the other side has ended, or its work has failed.
        """
        try:
            value = pickle.load(self._incoming)  # noqa: S301 - written by our own process
        except (EOFError, pickle.UnpicklingError) as error:
            raise OSError("a process of the import has ended early") from error
        if isinstance(value, Failed):
            raise OSError(value.strerror or value.text)
        return value


class Worker(WorkerPipe):
    """A process that runs `function(pipe)`.

    Args:
        target: the function, as `module:name`.
    """

    def __init__(self, target: str) -> None:
        argv = [sys.executable, "-c", _START, target, *sys.path]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101
        super().__init__(self._process.stdout, self._process.stdin)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process; its current work is lost."""
        self._process.kill()
        self._process.communicate()


def serve(target: str) -> None:
    """Run the function of a worker, in its process."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between the objects
    pipe = WorkerPipe(sys.stdin.buffer, outgoing)
    module, _, name = target.partition(":")
    try:
        getattr(import_module(module), name)(pipe)
    except BaseException as error:
        pipe.send(Failed(error))
        raise


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
