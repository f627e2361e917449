"""Collecting on the workers of a dask cluster, each with a client of its own."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from aod_notebook.aod import Client, Timeouts
from aod_notebook.core.errors import AodNotebookError


@dataclass(frozen=True)
class Service:
    """Makes clients of one service wherever it is sent; the token shows up in no repr."""

    base_url: str
    token: SecretStr
    timeouts: Timeouts

    @classmethod
    def of(cls, client: Any) -> "Service":
        """Take over where a client sends its calls, its limits and its token.

        Raises:
            AodNotebookError: it is not a `Client` of this package.
        """
        if not isinstance(client, Client):
            raise AodNotebookError(
                f"Workers cannot make a client like this {type(client).__name__}: "
                "pass client=Client(…), or leave out dask="
            )
        transport = client._transport  # noqa: SLF001 - a client shows its token to nobody else
        token: SecretStr = transport._auth._token  # noqa: SLF001
        return cls(client.base_url, token, transport.timeouts)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Make a client and close it in the end."""
        with Client(self.base_url, self.token, self.timeouts) as made:
            yield made


def workers(dask: Any) -> Executor:
    """The workers of a `dask.distributed.Client`, as an executor."""
    executor: Executor = dask.get_executor(pure=False)
    return executor
