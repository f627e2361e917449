"""The plan of a batch: a session per row, choice and repeat, each with its filled prompt."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.template import names_in, substitute
from aod_notebook.core.text import counted, one_line
from aod_notebook.live.start import OVER, SessionRequest, creation, reuse_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from aod_notebook.live.connections import AodConnection

_EXCLUSIVE = ("agent", "runtime", "provider")


class BatchError(AodNotebookError):
    """A batch can't be run; nothing was started.

    Fix: Correct the argument or the column that the message names.
    """


@dataclass(frozen=True, kw_only=True)
class Item:
    """One session of a batch.

    Attributes:
        number: its place in the result, from 0.
        row: the place of its row in the input.
        prompt: the filled prompt.
        fields: what else the session is created with; secrets are among it.
        runtime: what runs the agent, if known.
        model: the agent's model.
        over: the values of what is varied.
        repeat: which repetition it is, from 1.
        reuse_key: the same for the same prompt, options and version of the agent.
    """

    number: int
    row: int
    prompt: str
    fields: Mapping[str, Any] = field(repr=False)
    runtime: str | None
    model: str | None
    over: Mapping[str, str]
    repeat: int
    reuse_key: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sessions of a batch, in the order of its result.

    Attributes:
        items: the sessions.
        rows: the input.
        over: the names of what is varied.
        repeat: how often each prompt is sent.
        fingerprint: the same for the same batch on the same service.
    """

    items: Sequence[Item]
    rows: pd.DataFrame
    over: tuple[str, ...]
    repeat: int
    fingerprint: str


def plan(
    rows: object,
    request: SessionRequest,
    on: AodConnection,
    *,
    over: Mapping[str, Sequence[str]] | None = None,
    repeat: int = 1,
    names: Mapping[str, object] | None = None,
    make: bool = True,
) -> Plan:
    """Return the sessions of a batch; missing agents of the notebook are created.

    Args:
        rows: a DataFrame, or another table that pyarrow reads.
        request: what the sessions have in common; `{{column}}` in its texts is filled.
        on: the service.
        over: values of `OVER` to vary: each row is run with each combination.
        repeat: how often each of these is run.
        names: variables that are filled in where there is no such column.
        make: False makes no agents; such a plan can be looked at only.

    Raises:
        BatchError: the table, a name, a value or a number is invalid.
    """
    table = checked_rows(rows)
    grid = _grid(over or {}, request)
    whole_number("repeat", repeat)
    wanted = [
        (number, chosen, _filled(request, row, label, names or {}, chosen))
        for number, (label, row) in enumerate(
            zip(table.index, table.to_dict("records"), strict=True)
        )
        for chosen in grid
    ]
    made = _creations([one for _, _, one in wanted], on, make=make)
    items = _items(wanted, made, on, repeat)
    marks = [(one.prompt, _plain(one.fields), dict(one.over), one.repeat) for one in items]
    labels = [repr(label) for label in table.index]
    return Plan(
        items=items,
        rows=table,
        over=tuple(over or ()),
        repeat=repeat,
        fingerprint=_digest(on.key, labels, marks),
    )


def _items(
    wanted: Sequence[tuple[int, dict[str, str], SessionRequest]],
    made: Sequence[tuple[Any, dict[str, Any]]],
    on: AodConnection,
    repeat: int,
) -> list[Item]:
    """Return the sessions of the rows and choices, each as often as `repeat`."""
    items: list[Item] = []
    for (row_number, chosen, one), (agent, given) in zip(wanted, made, strict=True):
        key = "" if agent is None else reuse_key(on, agent, one.prompt, given)
        runtime, model = one.runtime or one.provider, one.model
        if agent is not None:
            runtime, model = agent.runtime or agent.provider, agent.model
        items += [
            Item(
                number=len(items) + again,
                row=row_number,
                prompt=one.prompt,
                fields=given,
                runtime=runtime,
                model=model,
                over=chosen,
                repeat=again + 1,
                reuse_key=key if repeat == 1 else f"{key}-{again + 1}",
            )
            for again in range(repeat)
        ]
    return items


def whole_number(name: str, value: object, least: int = 1) -> int:
    """Check a count and return it.

    Raises:
        BatchError: it is not a whole number from `least` on.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BatchError(f"{name} takes a whole number from {least} on, not {value!r}.")
    return value


def checked_rows(rows: Any) -> pd.DataFrame:
    """Return the input as a DataFrame with unique row and column names.

    Raises:
        BatchError: it is not a table, is empty, or names a row or column twice.
    """
    import pandas as pd

    if not isinstance(rows, pd.DataFrame):
        if not hasattr(rows, "__arrow_c_stream__"):
            raise BatchError(f"A batch takes a DataFrame, not {type(rows).__name__}.")
        import pyarrow as pa

        rows = pa.table(rows).to_pandas()
    if not len(rows):
        raise BatchError("The table has no rows, so there is nothing to run.")
    if not rows.columns.is_unique:
        twice = rows.columns[rows.columns.duplicated()][0]
        raise BatchError(f"The table has two columns {twice!r}. Rename one.")
    if not rows.index.is_unique:
        twice = rows.index[rows.index.duplicated()][0]
        raise BatchError(
            f"The table's index has {twice!r} twice, so results can't be aligned with it. "
            "Use table.reset_index(drop=True)."
        )
    checked: pd.DataFrame = rows
    return checked


def _grid(over: Mapping[str, Any], request: SessionRequest) -> list[dict[str, str]]:
    """Return the combinations of the varied options; one empty combination if there are none."""
    for name, values in over.items():
        if name not in OVER:
            raise BatchError(f"over can't vary {name!r}. It varies {', '.join(OVER)}.")
        if isinstance(values, str) or not len(values):
            raise BatchError(f"over needs a list of values for {name!r}, such as ['a', 'b'].")
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise BatchError(f"over has {value!r} for {name!r}. Use text that is not empty.")
        if len(set(values)) < len(values):
            raise BatchError(f"over has a value of {name!r} twice. Use repeat= to repeat.")
        if getattr(request, name) is not None:
            raise BatchError(f"{name} is given and varied, too. Keep one of the two.")
    chosen = [name for name in _EXCLUSIVE if name in over or getattr(request, name)]
    if len(chosen) > 1:
        raise BatchError(f"{' and '.join(chosen)} exclude each other. Keep one.")
    if "agent" in chosen and ("model" in over or request.model):
        raise BatchError("An agent has a model of its own. Leave out either agent or model.")
    return [dict(zip(over, values, strict=True)) for values in itertools.product(*over.values())]


def _filled(
    request: SessionRequest,
    row: Mapping[Any, object],
    label: object,
    names: Mapping[str, object],
    chosen: Mapping[str, str],
) -> SessionRequest:
    """Return the request of one row with its texts filled in."""
    from pandas import isna

    where = f"Row {label!r}"

    def value(name: str) -> object:
        if name not in row:
            if name in names:
                return names[name]
            known = ", ".join(str(column) for column in row)
            raise BatchError(
                f"{{{{{name}}}}} is to be filled in, but the table has no column {name!r}. "
                f"It has {one_line(known)}."
            )
        found = row[name]
        is_missing = isna(found)  # type: ignore[call-overload]
        if isinstance(is_missing, bool) and is_missing:
            raise BatchError(
                f"{where} has no value in the column {name!r}, which is to be filled in. "
                "Fill it, or drop the row."
            )
        return found

    texts: dict[str, Any] = {
        one.name: substitute(text, value)
        for one in fields(request)
        if isinstance(text := getattr(request, one.name), str) and names_in(text)
    }
    resources = [
        {key: substitute(one, value) if isinstance(one, str) else one for key, one in each.items()}
        for each in request.resources
    ]
    made = replace(request, resources=resources, **{**texts, **chosen})
    if not made.prompt.strip():
        raise BatchError(f"{where} has an empty prompt. Fill the column, or drop the row.")
    return made


def _creations(
    requests: Sequence[SessionRequest], on: AodConnection, *, make: bool
) -> list[tuple[Any, dict[str, Any]]]:
    """Return, for each request, its agent and the fields that its session is created with."""
    found: dict[str, tuple[Any, dict[str, Any]]] = {}
    made = []
    for one in requests:
        key = _digest(_plain(vars(one) | {"prompt": ""}), sorted(one.secrets))
        if key not in found:
            found[key] = bridge.call(partial(creation, make=make), one, on)
        made.append(found[key])
    return made


def _plain(fields_: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields without the values of secrets."""
    hidden = ("secrets", "secret_env_vars")
    return {
        name: sorted(value) if name in hidden and value else value
        for name, value in fields_.items()
    }


def _digest(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def described(made: Plan) -> str:
    """Return a line that says how many sessions a batch has, and why."""
    parts = [counted(len(made.rows), "row")]
    if made.over:
        choices = len(made.items) // len(made.rows) // made.repeat
        parts.append(f"{counted(choices, 'choice')} of {', '.join(made.over)}")
    if made.repeat > 1:
        parts.append(counted(made.repeat, "repetition"))
    return f"{counted(len(made.items), 'session')}: {' x '.join(parts)}"
