"""A user's code over the frames, for mypy only: what the public surface returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import pandas as pd

from aod_notebook import frames
from aod_notebook.frames import prepare

if TYPE_CHECKING:
    from aod_notebook.aod import Client


def fetched(client: Client) -> None:
    """Frames of a service."""
    assert_type(frames.messages_df(client=client, exclude=["raw"]), pd.DataFrame)
    assert_type(frames.turns_df(client, results=True), pd.DataFrame)
    assert_type(frames.sessions_df(client, details=True), pd.DataFrame)
    assert_type(frames.collect(client, into="sessions"), frames.Store)


def decoded() -> None:
    """Frames of bytes."""
    assert_type(frames.decode_events(b""), pd.DataFrame)
    assert_type(frames.results_from_events(b"", models="m"), pd.DataFrame)


def prepared(calls: pd.DataFrame) -> None:
    """Answers."""
    assert_type(prepare.tool_stats(calls), pd.DataFrame)
