"""The sync and the async client have the same names and arguments."""

import inspect

import pytest

from aod_notebook import aod
from aod_notebook.core import _async, _sync

PAIRS = [
    (aod.AsyncClient, aod.Client),
    (aod.AsyncAgents, aod.Agents),
    (aod.AsyncEnvironments, aod.Environments),
    (aod.AsyncSessions, aod.Sessions),
    (aod.AsyncEventStream, aod.EventStream),
]


def public(kind):
    """Public members and their signatures, with the names of the sync world."""
    members = {}
    for name, member in inspect.getmembers(kind):
        dunder = name in {"__aenter__", "__aexit__", "__aiter__", "__anext__"} or name in {
            "__enter__", "__exit__", "__iter__", "__next__", "__init__", "__repr__",
        }  # fmt: skip
        if dunder or not name.startswith("_"):
            members[sync_name(name)] = signature(member)
    return members


def sync_name(name):
    return name.replace("__a", "__").replace("aclose", "close")


def signature(member):
    if not callable(member):
        return type(member).__name__
    text = str(inspect.signature(member))
    for mark in ("Async", "_async", "AsyncIterator"):
        text = text.replace(mark, mark.replace("Async", "").replace("_async", "_sync"))
    return text


@pytest.mark.parametrize(("async_", "sync"), PAIRS)
def test_both_worlds_have_the_same_members_with_the_same_signatures(async_, sync):
    assert public(async_) == public(sync)


@pytest.mark.parametrize(("async_", "sync"), PAIRS)
def test_awaitables_of_one_client_are_plain_methods_in_the_other(async_, sync):
    waiting = {
        sync_name(name)
        for name, member in inspect.getmembers(async_, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert waiting <= {name for name, _ in inspect.getmembers(sync, inspect.isfunction)}
    assert not any(inspect.iscoroutinefunction(m) for _, m in inspect.getmembers(sync))


@pytest.mark.parametrize("kind", [each for pair in PAIRS for each in pair])
def test_every_public_name_has_a_docstring_with_an_example(kind):
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and not name.endswith("close"):
            assert "Example:" in inspect.getdoc(member), f"{kind.__name__}.{name}"


@pytest.mark.parametrize("name", aod.__all__)
def test_every_exported_name_exists_and_has_a_docstring(name):
    member = getattr(aod, name)
    if inspect.isclass(member) and member.__module__.startswith("aod_notebook"):
        assert inspect.getdoc(member)


def test_the_core_has_both_worlds():
    assert (_async.__name__, _sync.__name__) == (
        "aod_notebook.core._async",
        "aod_notebook.core._sync",
    )
