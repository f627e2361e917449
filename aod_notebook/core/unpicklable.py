"""Objects tied to their process: pickling and copying them is a one-line error."""

from __future__ import annotations

from typing import Any, NoReturn

from aod_notebook.core.errors import AodNotebookError


class NotPicklableError(AodNotebookError, TypeError):
    """A live object cannot be pickled, copied or stored.

    Fix: Store or send its `id`, and open it again where it is needed.
    """


class Unpicklable:
    """Base of objects with connections and threads, which cannot be copied.

    A copy would share them, and a pickle would hold the token.

    Example:
        >>> import pickle
        >>> class Live(Unpicklable):
        ...     pass
        >>> pickle.dumps(Live())
        Traceback (most recent call last):
        ...
        aod_notebook.core.unpicklable.NotPicklableError: Live objects belong to their process and \
can't be pickled, copied or stored.
    """

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse (`pickle`, `copy`, `%store`, `joblib`)."""
        advice = self._instead_of_a_copy()
        raise NotPicklableError(
            f"{type(self).__name__} objects belong to their process and can't be pickled, copied "
            f"or stored.{f' {advice}' if advice else ''}"
        )

    def _instead_of_a_copy(self) -> str:
        """Return a sentence that says what to keep instead."""
        return ""

    def __copy__(self) -> NoReturn:
        """Refuse, also where a base class has a copy of its own."""
        self.__reduce_ex__(4)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        """Refuse."""
        self.__reduce_ex__(4)
