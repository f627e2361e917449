"""A user's code over the frames, for mypy only: what the public surface gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import pandas as pd

from aod_notebook import frames
from aod_notebook.frames import aio, prepare

if TYPE_CHECKING:
    from aod_notebook.aod import AsyncClient, Client

Pair = tuple[pd.DataFrame, list[frames.Problem]]


def sync(client: Client) -> None:
    """A frame; with `strict=False`, the problems too."""
    assert_type(frames.messages_df(client=client), pd.DataFrame)
    assert_type(frames.messages_df(client=client, strict=False), Pair)
    assert_type(frames.turns_df(client, results=True), pd.DataFrame)
    assert_type(frames.decode_events(b""), pd.DataFrame)
    assert_type(frames.results_from_events(b"", strict=False), Pair)
    assert_type(frames.collect(client, into="sessions"), frames.Store)


async def awaited(client: AsyncClient) -> None:
    """The same, awaited."""
    assert_type(await aio.messages_df(client=client, exclude=["raw"]), pd.DataFrame)
    assert_type(await aio.turns_df(client, strict=False), Pair)


def prepared(calls: pd.DataFrame) -> None:
    """What came in comes out."""
    assert_type(prepare.tool_stats(calls), pd.DataFrame)
