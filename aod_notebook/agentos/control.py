"""Declarations of control-plane methods, and the types that they return."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, cast
from uuid import UUID

from aod_notebook.agentos.errors import AgentOSArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")


class _Unset:
    """A parameter that is left out; None is sent, as null."""

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


_TEXT = (str, UUID)
UNSET: Any = _Unset()
"""Stands for a parameter that is left out. An explicit None is sent, and clears the field."""


class CallOptions(TypedDict, total=False):
    """Options of every method besides its parameters."""

    workspace: str | None
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class Method:
    """One remote procedure.

    Attributes:
        rpc: its name on the wire.
        is_read: whether repeating it does no harm.
        is_long: whether it may take minutes.
        signature: of the Python method.
        default_limit: how many rows a list has that no `limit` was given for.
        is_list: whether it answers with a list.
    """

    rpc: str
    is_read: bool
    is_long: bool
    signature: inspect.Signature
    default_limit: int | None
    is_list: bool


class Listing(list[T], Generic[T]):
    """A list from the service that knows whether a limit has cut it.

    Attributes:
        limit: how many rows were asked for (or the service's default); None: no limit.

    Example:
        >>> Listing([1, 2], limit=2).is_cut, Listing([1], limit=2).is_cut
        (True, False)
    """

    def __init__(self, rows: Iterable[T] = (), *, limit: int | None = None) -> None:
        super().__init__(rows)
        self.limit = limit

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows: it is as long as the limit."""
        return self.limit is not None and len(self) >= self.limit

    def __repr__(self) -> str:
        note = f" (cut at limit={self.limit}: there may be more)" if self.is_cut else ""
        return f"{super().__repr__()}{note}"


def read(rpc: str, *, lists: bool = False, limit: int | None = None) -> Callable[[F], F]:
    """Declare a method that reads; `lists`: it returns a list, of `limit` rows by default."""
    return _declare(rpc, is_read=True, is_long=False, is_list=lists, limit=limit)


def write(rpc: str, *, long: bool = False) -> Callable[[F], F]:
    """Declare a method that writes; `long`: it may take minutes."""
    return _declare(rpc, is_read=False, is_long=long, is_list=False, limit=None)


def _declare(
    rpc: str, *, is_read: bool, is_long: bool, is_list: bool, limit: int | None
) -> Callable[[F], F]:
    """Make a method of a signature: it sends the arguments that are given, and no others."""

    def declare(function: F) -> F:
        signature = inspect.signature(function)
        parameters = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        plain = signature.replace(parameters=parameters)
        method = Method(rpc, is_read, is_long, plain, limit, is_list)

        @functools.wraps(function)
        def call(self: Any, *unnamed: object, **arguments: Any) -> Any:
            workspace = arguments.pop("workspace", None)
            seconds = arguments.pop("timeout_seconds", None)
            given = {name: value for name, value in arguments.items() if value is not UNSET}
            name = f"{type(self).__name__.removeprefix('Async').lower()}.{function.__name__}"
            _check(name, plain, (self, *unnamed), given)
            return self._call(method, given, workspace, seconds)

        call.__dict__["method"] = method
        return cast("F", call)

    return declare


def _check(
    name: str, signature: inspect.Signature, unnamed: tuple[object, ...], given: dict[str, Any]
) -> None:
    """Check the arguments of a call by the method's signature.

    Raises:
        AgentOSArgumentError: one is missing, unknown, unnamed or of another type.
    """
    taken = [*signature.parameters.values()][1:]
    try:
        signature.bind(*unnamed, **given)
    except TypeError as error:
        usage = ", ".join(f"{each.name}=…" for each in taken if each.default is each.empty)
        raise AgentOSArgumentError(f"{name}({usage}): {error}", "INVALID_ARGUMENT") from None
    for parameter in taken:
        value = given.get(parameter.name, "")
        if value is None and parameter.default is UNSET:
            continue  # the service decides what None means for what may be left out
        if parameter.annotation in (str, "str") and not isinstance(value, _TEXT):
            raise AgentOSArgumentError(
                f"{name}(): {parameter.name} is text, not {type(value).__name__}.",
                "INVALID_ARGUMENT",
            )


def methods_of(namespace: type) -> dict[str, Method]:
    """List the remote procedures of a namespace by their Python names."""
    return {
        name: value.method
        for name, value in vars(namespace).items()
        if isinstance(getattr(value, "method", None), Method)
    }
