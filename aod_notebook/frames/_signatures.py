"""The types of the public functions, with and without `strict=False`, sync and async."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, Protocol, TypeVar, cast, overload

import pandas as pd

from aod_notebook.frames.report import Framed, Problem, delivering

Plain_co = TypeVar("Plain_co", covariant=True)
"""What a call gives: a frame, or an awaitable of one."""
Told_co = TypeVar("Told_co", covariant=True)
"""What it gives with `strict=False`: a frame and the problems, or an awaitable of both."""


class TableFunction(Protocol[Plain_co, Told_co]):
    """A function from sessions to one frame of them."""

    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
        strict: Literal[True] = True,
    ) -> Plain_co: ...
    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
        strict: Literal[False],
    ) -> Told_co: ...


class TurnsFunction(Protocol[Plain_co, Told_co]):
    """A function from sessions to their turns, if wanted with what the transcripts tell."""

    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        jobs: int = 8,
        progress: bool = False,
        results: bool = False,
        strict: Literal[True] = True,
    ) -> Plain_co: ...
    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        jobs: int = 8,
        progress: bool = False,
        results: bool = False,
        strict: Literal[False],
    ) -> Told_co: ...


class SessionsFunction(Protocol[Plain_co, Told_co]):
    """A function from sessions to a row of each, if wanted with their details."""

    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
        details: bool = False,
        strict: Literal[True] = True,
    ) -> Plain_co: ...
    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        since: int | None = None,
        jobs: int = 8,
        progress: bool = False,
        details: bool = False,
        strict: Literal[False],
    ) -> Told_co: ...


class RunsFunction(Protocol[Plain_co, Told_co]):
    """A function from runs to one frame of them."""

    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        jobs: int = 8,
        progress: bool = False,
        strict: Literal[True] = True,
    ) -> Plain_co: ...
    @overload
    def __call__(
        self,
        source: Any = None,
        *,
        client: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        jobs: int = 8,
        progress: bool = False,
        strict: Literal[False],
    ) -> Told_co: ...


class DecodeFunction(Protocol):
    """A function from the bytes of a session's stream to a frame."""

    @overload
    def __call__(
        self,
        chunks: Iterable[bytes] | bytes,
        session_id: str | None = None,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[True] = True,
    ) -> pd.DataFrame: ...
    @overload
    def __call__(
        self,
        chunks: Iterable[bytes] | bytes,
        session_id: str | None = None,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[False],
    ) -> tuple[pd.DataFrame, list[Problem]]: ...


class DecodeRunFunction(Protocol):
    """A function from the bytes of a run's events to a frame."""

    @overload
    def __call__(
        self,
        body: bytes | str | Iterable[bytes],
        run_id: str | None = None,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[True] = True,
    ) -> pd.DataFrame: ...
    @overload
    def __call__(
        self,
        body: bytes | str | Iterable[bytes],
        run_id: str | None = None,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[False],
    ) -> tuple[pd.DataFrame, list[Problem]]: ...


class DeriveFunction(Protocol):
    """A function from one frame to another."""

    @overload
    def __call__(
        self,
        events: Any,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[True] = True,
    ) -> pd.DataFrame: ...
    @overload
    def __call__(
        self,
        events: Any,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[False],
    ) -> tuple[pd.DataFrame, list[Problem]]: ...


class TranscriptFunction(Protocol):
    """A function from events to a frame that names models."""

    @overload
    def __call__(
        self,
        events: Any,
        *,
        models: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[True] = True,
    ) -> pd.DataFrame: ...
    @overload
    def __call__(
        self,
        events: Any,
        *,
        models: Any = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        strict: Literal[False],
    ) -> tuple[pd.DataFrame, list[Problem]]: ...


_Frame = pd.DataFrame
_Pair = tuple[pd.DataFrame, list[Problem]]
Table = TableFunction[_Frame, _Pair]
Turns = TurnsFunction[_Frame, _Pair]
Sessions = SessionsFunction[_Frame, _Pair]
Runs = RunsFunction[_Frame, _Pair]
AsyncTable = TableFunction[Awaitable[_Frame], Awaitable[_Pair]]
AsyncSessions = SessionsFunction[Awaitable[_Frame], Awaitable[_Pair]]
AsyncTurns = TurnsFunction[Awaitable[_Frame], Awaitable[_Pair]]
AsyncRuns = RunsFunction[Awaitable[_Frame], Awaitable[_Pair]]


def table_function(function: Callable[..., Framed]) -> Table:
    """Make a `TableFunction` of a function that gives a frame and a report."""
    return cast("Table", delivering(function))


def sessions_function(function: Callable[..., Framed]) -> Sessions:
    """Make a `SessionsFunction` of a function that returns a frame and a report."""
    return cast("Sessions", delivering(function))


def turns_function(function: Callable[..., Framed]) -> Turns:
    """Make a `TurnsFunction` of a function that gives a frame and a report."""
    return cast("Turns", delivering(function))


def runs_function(function: Callable[..., Framed]) -> Runs:
    """Make a `RunsFunction` of a function that gives a frame and a report."""
    return cast("Runs", delivering(function))


def decode_function(function: Callable[..., Framed]) -> DecodeFunction:
    """Make a `DecodeFunction` of a function that gives a frame and a report."""
    return cast("DecodeFunction", delivering(function))


def decode_run_function(function: Callable[..., Framed]) -> DecodeRunFunction:
    """Make a `DecodeRunFunction` of a function that gives a frame and a report."""
    return cast("DecodeRunFunction", delivering(function))


def derive_function(function: Callable[..., Framed]) -> DeriveFunction:
    """Make a `DeriveFunction` of a function that gives a frame and a report."""
    return cast("DeriveFunction", delivering(function))


def transcript_function(function: Callable[..., Framed]) -> TranscriptFunction:
    """Make a `TranscriptFunction` of a function that returns a frame and a report."""
    return cast("TranscriptFunction", delivering(function))
