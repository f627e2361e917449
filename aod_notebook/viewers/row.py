"""A row, and the summary of all rows: the common model of all views of a session or a run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from aod_notebook.core.text import is_plain
from aod_notebook.viewers.diffs import Diff  # noqa: TC001 - a struct needs its types
from aod_notebook.viewers.styles import styled

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE_CHARS = 160
MAX_DEPTH = 8
"""Subagents of subagents are indented so far and no further."""


class Kind(enum.StrEnum):
    """What a row is."""

    STAGES = "stages"
    STAGE = "stage"
    TURN = "turn"
    SYSTEM = "system"
    TEXT = "text"
    THINKING = "thinking"
    TOOL = "tool"
    TOOL_RESULT = "tool result"
    OUTPUT = "output"
    STDERR = "stderr"
    RESULT = "result"
    END = "end"
    MODEL = "model"
    STEP = "step"
    EVENT = "event"
    QUESTION = "question"
    PROMPT = "prompt"


FOLDED = (Kind.THINKING, Kind.TOOL_RESULT, Kind.MODEL, Kind.STEP, Kind.EVENT)
"""What a reader wants to see the beginning of; the page has the same list."""
INLINE = (Kind.TOOL, Kind.MODEL, Kind.STEP, Kind.EVENT)
"""A short text of these stands on the line of the title."""


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a row shows beside its text.

    Attributes:
        note: a few words behind the text: `3 matches`, what a turn used.
        last: the agent's last words in a turn, which count while it is folded.
        bad: how it failed, in a few words: `exit code 1`.
        took: seconds that a call took; None if that is unknown.
        diff: what a call changes in files.
        todo: the state (`done`, `now`, `open`) and the text of each item of a list.
        image: a picture as a data URL.
        short: the lines that say most, where the text is long.
        words: whether the text is Markdown.
        folds: whether what is below it is folded at first.
    """

    note: str = ""
    last: str = ""
    bad: str = ""
    took: float | None = None
    diff: Diff | None = None
    todo: tuple[tuple[str, str], ...] = ()
    image: str = ""
    short: str = ""
    words: bool = False
    folds: bool = False


class Row(msgspec.Struct, frozen=True, gc=False):
    """One thing to show.

    Attributes:
        kind: what it is.
        title: a short name on one line: the stage, the tool, the result.
        text: the rest, over as many lines as it has.
        depth: 0 for the agent itself, 1 for its subagents, and so on.
        is_error: whether it reports a failure.
        is_minor: whether only somebody who unfolds it wants to see it.
        parent: the number of the row that it folds under, counted from 0; None for the turn
            that it came in.
        marks: which parts of the text are coloured (`clean.styled`).
        replaces: the number of the row that this one is a later state of and replaces on the
            page; None for a row of its own.
        extra: what it shows beside its text.
    """

    kind: Kind
    title: str = ""
    text: str = ""
    depth: int = 0
    is_error: bool = False
    is_minor: bool = False
    parent: int | None = None
    marks: tuple[int, ...] = ()
    replaces: int | None = None
    extra: Extra | None = None


class Question(msgspec.Struct, frozen=True):
    """What a run waits for.

    Attributes:
        key: the id of the request or of the approval.
        text: what is asked, cleaned.
        choices: what can be answered; any text if there are none.
        is_approval: whether it is to be approved or rejected.
    """

    key: str
    text: str
    choices: tuple[str, ...] = ()
    is_approval: bool = False


@dataclass(slots=True)
class Summary:
    """What is known of the whole session or run so far.

    Attributes:
        status: `pending`, `running`, what it waits for, or how it ended.
        stage: the stage of provisioning that is under way; empty when there is none.
        model: the model that the agent reports.
        exit_code: of the last turn; None while it runs or if it was killed.
        turns: how many turns were seen.
        turn: the number of the last turn, those before what is shown included.
        tool_calls: how many calls of tools were seen.
        tokens_in: tokens read, cached ones included; None if the runtime reports none.
        tokens_cached: those of them that came out of the cache.
        tokens_out: tokens written.
        cost_usd: sum over the turns; None if the runtime reports none.
        answer: the agent's last words.
        questions: what a run waits for.
        failed_calls: how many calls of tools failed.
        notice: why nothing comes at the moment: a retry; empty if something came since.
    """

    status: str = "pending"
    stage: str = ""
    model: str = ""
    exit_code: int | None = None
    turns: int = 0
    turn: int = 0
    tool_calls: int = 0
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    answer: str = ""
    questions: tuple[Question, ...] = ()
    failed_calls: int = 0
    notice: str = ""


def text_rows(kind: Kind, lines: list[str]) -> list[Row]:
    """Make a row of each line of output, with the colours that a terminal would show."""
    rows, is_error = [], kind is Kind.STDERR
    if is_plain("".join(lines)):
        return [Row(kind, "", line, 0, is_error) for line in lines]
    for line in lines:
        if is_plain(line):
            rows.append(Row(kind, "", line, 0, is_error))
        else:
            text, marks = styled(line)
            rows.append(Row(kind, "", text, 0, is_error, marks=marks))
    return rows


class SettledRows:
    """The rows of a list that grows, each in its last state; looks at each row once.

    Args:
        rows: the list.

    Example:
        >>> rows = [Row(Kind.TOOL, "Bash"), Row(Kind.TEXT), Row(Kind.TOOL, "Bash", "ls", replaces=0)]
        >>> [(number, row.text) for number, row in SettledRows(rows).ends(10)[0]]
        [(0, 'ls'), (1, '')]
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._taken = 0
        self._numbers: list[int] = []  # of the rows that replace no other
        self._states: dict[int, Row] = {}

    def ends(self, most: int) -> tuple[list[tuple[int, Row]], int]:
        """Return the first and the last rows with their numbers, and how many are between them.

        There are at most `most` of either. What only a live page can unfold is left out.
        """
        for number, row in enumerate(self._rows[self._taken :], self._taken):
            if row.replaces is not None:
                self._states[row.replaces] = row
            elif not row.is_minor or row.kind is not Kind.SYSTEM:
                self._numbers.append(number)
        self._taken = len(self._rows)
        numbers, between = self._numbers, max(0, len(self._numbers) - 2 * most)
        if between:
            numbers = [*numbers[:most], *numbers[-most:]]
        return [
            (number, self._states.get(number, self._rows[number])) for number in numbers
        ], between
