"""Two sessions side by side, as static HTML and as plain text.

The HTML has inline styles only and no coloured text, so that it is readable on light and on dark
pages; on a narrow page the sides stand one below the other. Every text is cleaned and escaped.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aod_notebook.core.look import NO_MATH_CLASSES
from aod_notebook.core.text import clean, clip, counted, one_line
from aod_notebook.core.words import GLYPHS, duration, short_id, state_word
from aod_notebook.frames.compare import Compared, compared, state_of
from aod_notebook.frames.report import Report, warn
from aod_notebook.transcripts.summary import KINDS
from aod_notebook.viewers.compare.facts import (
    MINUS,
    Fact,
    edit_facts,
    facts,
    lines_changed,
    states_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from aod_notebook.frames.compare import Pair
    from aod_notebook.frames.compare.sides import Step

MOST_ROWS: Final = 300
"""More rows are read in the DataFrame."""
DETAIL_CHARS: Final = 2_000
DETAILS_CHARS: Final = 150_000
"""Once the steps are so long, inputs are left out: a notebook keeps all of it."""
WORDS_CHARS: Final = 2_000
TITLE_CHARS: Final = 200
SUMMARY_CHARS: Final = 140
TEXT_CHARS: Final = 60
MOST_CHANGES: Final = 20
"""So many replacements of one edit are shown."""
OPEN_LINES: Final = 24
"""Two edits of so few lines together are shown open."""
CONTEXT_STEPS: Final = 2
"""So few same steps between two differences are shown as they are."""
SIGNS: Final = {"same": "=", "changed": "≠", "only_a": MINUS, "only_b": "+"}
_MEANINGS: Final = {
    "same": "same",
    "changed": "differs",
    "only_a": "only in A",
    "only_b": "only in B",
}


class Comparison:
    """Two sessions compared; in a notebook it shows itself side by side.

    Example:
        >>> compare(b"", b"").first_difference is None
        True
    """

    def __init__(self, found: Compared) -> None:
        self._found = found

    @property
    def df(self) -> pd.DataFrame:
        """A row per aligned step, as `frames.compare_df` returns it."""
        return self._found.steps()

    @property
    def totals(self) -> pd.DataFrame:
        """A row per side, as `frames.compare_totals` returns it."""
        return self._found.totals()

    @property
    def edits(self) -> pd.DataFrame:
        """A row per edited file, as `frames.compare_edits` returns it."""
        return self._found.edits()

    @property
    def first_difference(self) -> int | None:
        """Number of the step at which the sessions part, from 1; None if they do not."""
        return self._found.first_difference

    def _repr_html_(self) -> str:
        return _html(self._found)

    def __repr__(self) -> str:
        return _text(self._found)


def compare(
    a: Any, b: Any, *, source: Any = None, client: Any = None, subagents: bool = False
) -> Comparison:
    """Compare two sessions and show them side by side.

    Args:
        a: one session, as in `frames.compare_df`: an id, a `LiveSession`, a path of a log, …
        b: the other one.
        source: a `Store`, a path of logs or an events frame in which `a` and `b` are ids.
        client: the client to ask; by default the current connection's.
        subagents: whether the calls of subagents are steps too.

    Raises:
        FrameError: a side is not one session.
        AodError: a session could not be read.

    Warns:
        FrameWarning: something of a session is missing.
    """
    found = compared(a, b, source=source, client=client, subagents=subagents)
    warn(Report().join([found.a.report, found.b.report]), "aod.comparison/1", stacklevel=2)
    return Comparison(found)


class _PairRow(NamedTuple):
    """What is shown of one pair, or of equal ones that follow one another."""

    number: int
    pair: Pair
    state: str
    times: int = 1


# -- what both forms show -------------------------------------------------------------------------


def _title(found: Compared) -> str:
    prompts = [side.totals["prompt"] for side in (found.a, found.b)]
    first = (prompts[0] or prompts[1] or "Two sessions").strip().partition("\n")[0]
    return one_line(first, TITLE_CHARS)


def _rows(found: Compared) -> list[_PairRow]:
    """Return the rows; equal steps of one side that follow one another are one row."""
    rows: list[_PairRow] = []
    for number, pair in enumerate(found.pairs, 1):
        state, last = state_of(pair), rows[-1] if rows else None
        if last and state == last.state != "same" and _looks(pair) == _looks(last.pair):
            rows[-1] = last._replace(pair=_longer(last.pair, pair), times=last.times + 1)
        else:
            rows.append(_PairRow(number, pair, state))
    return rows


def _looks(pair: Pair) -> tuple[Any, ...]:
    return tuple(None if step is None else (step.key, step.outcome) for step in pair)


def _longer(first: Pair, second: Pair) -> Pair:
    """Add up the durations of two pairs that look the same."""

    def both(a: Step | None, b: Step | None) -> Step | None:
        if a is None or b is None:
            return a
        known = None if None in (a.duration_s, b.duration_s) else a.duration_s + b.duration_s  # type: ignore[operator]  # both are known
        return replace(a, duration_s=known)

    return both(first[0], second[0]), both(first[1], second[1])


def _is_quiet(row: _PairRow) -> bool:
    """Whether a row can be folded: both sides did the same with the same outcome."""
    a, b = row.pair
    return row.state == "same" and a is not None and b is not None and a.outcome == b.outcome


def _stretches(rows: list[_PairRow]) -> Iterator[tuple[bool, list[_PairRow]]]:
    """Yield stretches of rows, and whether each is folded."""
    groups = [(quiet, list(group)) for quiet, group in groupby(rows, _is_quiet)]
    for at, (quiet, group) in enumerate(groups):
        is_between = 0 < at < len(groups) - 1 and len(group) <= CONTEXT_STEPS
        yield quiet and not is_between, group


def _named(step: Step, chars: int = SUMMARY_CHARS) -> tuple[str, str]:
    return one_line(step.tool or "", 60), one_line(step.summary or "", chars)


def _fold_line(rows: list[_PairRow]) -> str:
    names = [" ".join(filter(None, _named(row.pair[0], 40))) for row in rows if row.pair[0]]
    more = ", …" if len(names) > 4 else ""  # noqa: PLR2004 - what fits on a line
    return f"{counted(len(rows), 'same step')} · {', '.join(names[:4])}{more}"


def _parting(found: Compared, number: int) -> str:
    """Return the next step of each side at the first difference."""
    nexts = []
    for at, side in enumerate("AB"):
        step = next((pair[at] for pair in found.pairs[number - 1 :] if pair[at]), None)
        nexts.append(f"{side} ends" if step is None else f"{side} continues with {_named(step)[0]}")
    return ", ".join(nexts)


def _outcome(step: Step) -> str:
    return {"failed": "✗", "no result": "no result"}.get(step.outcome or "", "")


# -- HTML -----------------------------------------------------------------------------------------

_LINE = "1px solid rgba(128,128,128,0.3)"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px"
_BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;"
    "line-height:20px;border:1px solid rgba(128,128,128,0.45);border-radius:8px;max-width:1120px;"
    "overflow:hidden;text-align:left"
)
_QUIET = "opacity:0.75"
_TAG = (
    "display:inline-block;width:16px;border:1px solid rgba(128,128,128,0.6);border-radius:4px;"
    "font-size:11px;line-height:16px;text-align:center;font-weight:600;margin-right:6px"
)
_CLIP = "overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_SECTION = f"padding:12px 12px 4px;border-bottom:{_LINE};font-size:12px"
_SIDE = "flex:1 1 300px;min-width:0;padding-left:9px;padding-right:12px"
_NO_STEP = "background:rgba(128,128,128,0.08)"
_ROW = "align-items:center;gap:8px;min-height:22px"
_TABLE = "border-collapse:collapse;table-layout:fixed;width:100%;margin:0;border:0;font-size:12px"
_CELL = (
    f"padding:3px 12px;text-align:left;vertical-align:top;border:0;border-bottom:{_LINE};{_CLIP}"
)
_TONES = {"better": ";background:rgba(40,160,90,0.16)", "worse": ";background:rgba(220,60,50,0.15)"}
_EDGES = {
    "command": "#a87000", "read": "#4a86c9", "grep": "#4a86c9", "glob": "#4a86c9", "web": "#4a86c9",
    "search": "#4a86c9", "write": "#2a9484", "edit": "#2a9484", "notebook": "#2a9484",
    "changes": "#2a9484", "task": "#8a63d2",
}  # fmt: skip
_PRE = (
    f"margin:4px 0;padding:6px 12px;border:0;border-radius:6px;background:rgba(128,128,128,0.1);"
    f"white-space:pre-wrap;overflow-wrap:break-word;line-height:18px;{_MONO}"
)


def _html(found: Compared) -> str:
    ids = ", ".join(short_id(side.totals["session_id"]) for side in (found.a, found.b))
    head = (
        f'<div style="padding:8px 12px;display:flex;gap:8px;align-items:baseline">'
        '<span style="border-radius:10px;padding:0 8px;background:rgba(128,128,128,0.18);'
        'font-size:12px;font-weight:600">Compare</span>'
        f'<span style="flex:1 1 0;min-width:0;font-size:14px;font-weight:600;{_CLIP}">{escape(_title(found))}</span>'
        f'<span style="{_MONO};{_QUIET}">{escape(ids.strip(", "))}</span></div>'
    )
    parts = [head, _facts_html(found), _steps_html(found), _edits_html(found), _words_html(found)]
    return f'<div class="{NO_MATH_CLASSES}" style="{_BOX}">{"".join(parts)}</div>'


def _table_html(widths: tuple[str, ...], head: list[str], rows: list[Fact]) -> str:
    columns = "".join(f'<col style="width:{w}">' if w else "<col>" for w in widths)
    cells = "".join(f'<th style="{_CELL};font-weight:600">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr style="background:transparent"><td style="{_CELL};{_QUIET if not row.is_code else _MONO}" title="{escape(row.name)}">{escape(row.name)}</td>'
        + "".join(
            f'<td style="{_CELL}" title="{escape(text)}">{escape(text)}</td>'
            for text in (row.a, row.b)
        )
        + f'<td style="{_CELL};white-space:normal{_TONES.get(row.tone, ";" + _QUIET)}">{escape(row.delta)}</td></tr>'
        for row in rows
    )
    return (
        f'<table style="{_TABLE}"><colgroup>{columns}</colgroup>'
        f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _tag(side: str, text: str) -> str:
    return f'<span style="{_TAG}">{side}</span>{escape(text)}'


def _facts_html(found: Compared) -> str:
    names = [one_line(side.totals["agent"] or "", 60) for side in (found.a, found.b)]
    head = [
        "",
        _tag("A", names[0]),
        _tag("B", names[1]),
        f'<span style="{_QUIET}">B against A</span>',
    ]
    return _table_html(("92px", "", "", "26%"), head, facts(found))


def _steps_html(found: Compared) -> str:
    rows = _rows(found)
    head = f'<div style="{_SECTION}"><b>Steps</b> &nbsp;<span style="{_QUIET}">{states_line(found)}</span></div>'
    parts, first, left = [head], found.first_difference, MOST_ROWS
    for is_folded, group in _stretches(rows):
        shown = group[: max(0, left)]
        left -= len(shown)
        lines = ""
        for row in shown:
            has_room = sum(map(len, parts)) + len(lines) < DETAILS_CHARS
            lines += _mark_html(found, row, first) + _pair_html(row, has_room=has_room)
        if is_folded and shown:
            lines = (
                f'<details style="border-bottom:{_LINE};background:rgba(128,128,128,0.08);font-size:12px">'
                f'<summary style="cursor:pointer;padding:4px 12px;{_CLIP}">{escape(_fold_line(group))}'
                f"</summary>{lines}</details>"
            )
        parts.append(lines)
    if len(rows) > MOST_ROWS:
        parts.append(
            f'<div style="padding:4px 12px;{_QUIET}">{len(rows) - MOST_ROWS:,} more rows are in .df</div>'
        )
    return "".join(parts)


def _mark_html(found: Compared, row: _PairRow, first: int | None) -> str:
    if row.number != first:
        return ""
    return (
        '<div style="padding:4px 12px;border-top:2px solid #2f7fd6;font-size:12px;'
        f'background:rgba(33,130,230,0.13)"><b>◆ First difference · step {first}</b> &nbsp;'
        f'<span style="{_QUIET}">{escape(_parting(found, row.number))}</span></div>'
    )


def _pair_html(row: _PairRow, *, has_room: bool) -> str:
    tint = "" if row.state == "same" else "background:rgba(200,140,30,0.14);"
    is_open = row.state == "changed" and sum(map(_length, row.pair)) <= OPEN_LINES
    details = [_detail(step) if step and has_room else "" for step in row.pair]
    sides = "".join(
        _step_html(step, row.times, tint, inside, is_open=is_open)
        for step, inside in zip(row.pair, details, strict=True)
    )
    return (
        f'<div style="display:flex;align-items:stretch;border-bottom:{_LINE};font-size:12px">'
        '<div style="flex:0 0 24px;display:flex;align-items:center;justify-content:center;'
        f'background:rgba(128,128,128,0.1);font-weight:600" title="{_MEANINGS[row.state]}">{SIGNS[row.state]}</div>'
        '<div style="flex:1 1 0;min-width:0;display:flex;flex-wrap:wrap;gap:0 1px">'
        f"{sides}</div></div>"
    )


def _step_html(step: Step | None, times: int, tint: str, details: str, *, is_open: bool) -> str:
    if step is None:
        return f'<div style="{_SIDE};border-left:3px solid transparent;{_NO_STEP}"></div>'
    edge = _EDGES.get(KINDS.get(step.tool or "", ""), "rgba(128,128,128,0.5)")
    line = _line_html(step, times)
    if details:  # a summary that is itself flex would lose its fold mark
        inner = (
            f'<details{" open" if is_open else ""}><summary style="cursor:pointer">'
            f'<span style="display:inline-flex;width:95%;vertical-align:middle;{_ROW}">{line}</span>'
            f"</summary>{details}</details>"
        )
    else:
        inner = f'<div style="display:flex;{_ROW}">{line}</div>'
    return (
        f'<div style="{_SIDE};padding-top:3px;padding-bottom:3px;border-left:3px solid {edge};'
        f'{tint}">{inner}</div>'
    )


def _line_html(step: Step, times: int) -> str:
    name, text = _named(step)
    more = [f"<span>· {times} times</span>"] if times > 1 else []
    signs = (lines_changed(*step.lines), _outcome(step))
    more += [f'<b style="white-space:nowrap">{sign}</b>' for sign in signs if sign]
    return (
        f'<b style="font-size:13px">{escape(name)}</b>'
        f'<span style="{_MONO};min-width:0;{_CLIP}" title="{escape(text)}">{escape(text)}</span>'
        f'{"".join(more)}<span style="margin-left:auto;padding-left:8px;white-space:nowrap;{_QUIET}">'
        f"{duration(step.duration_s)}</span>"
    )


def _detail(step: Step) -> str:
    """Return the input of a step, an edit as its lines; empty where the line says it all."""
    if changes := _changes(step.given):
        lines = "".join(_lines(a, MINUS, "worse") + _lines(b, "+", "better") for a, b in changes)
        return f'<pre style="{_PRE}">{lines}</pre>'
    given = step.given if isinstance(step.given, dict) else {}
    plain = (each for each in given.items() if isinstance(each[1], str | int | float))
    texts = [f"{key}: {value}" for key, value in plain]
    is_shown = len(texts) == 1 and len(texts[0]) < SUMMARY_CHARS
    if is_shown or not texts:
        return ""
    return f'<pre style="{_PRE}">{escape(clean(clip(chr(10).join(texts), DETAIL_CHARS)))}</pre>'


def _changes(given: Any) -> list[tuple[str, str]]:
    """Return the old and new texts of an edit; empty where the input does not show them."""
    edits = given.get("edits", [given]) if isinstance(given, dict) else []
    each = [one for one in (edits if isinstance(edits, list) else []) if isinstance(one, dict)]
    texts = [(one.get("old_string"), one.get("new_string")) for one in each[:MOST_CHANGES]]
    return [(a, b) for a, b in texts if isinstance(a, str) and isinstance(b, str)]


def _length(step: Step | None) -> int:
    """Return how many lines an edit shows; one that shows none is never opened."""
    changes = [] if step is None else _changes(step.given)
    return sum(f"{old}\n{new}".count("\n") + 1 for old, new in changes) or OPEN_LINES + 1


def _lines(text: str, sign: str, tone: str) -> str:
    return "".join(
        f'<div style="{_TONES[tone][1:]}">{sign} {escape(line)}</div>'
        for line in clean(clip(text, DETAIL_CHARS)).splitlines()
    )


def _edits_html(found: Compared) -> str:
    rows, summary = edit_facts(found)
    if not rows:
        return ""
    head = f'<div style="{_SECTION}"><b>Edits by file</b> &nbsp;<span style="{_QUIET}">{summary}</span></div>'
    return head + _table_html(("34%", "", "", "22%"), ["File", "A", "B", ""], rows[:MOST_ROWS])


def _words_html(found: Compared) -> str:
    if found.a.last_words is None and found.b.last_words is None:
        return ""
    sides = "".join(
        '<div style="flex:1 1 300px;min-width:0;padding:8px 12px">'
        f'<div style="font-size:12px;{_QUIET}">{_tag(name, _ended(side.totals))}</div>'
        '<div style="padding:4px 0;font-size:14px;line-height:22px;white-space:pre-wrap;'
        f'overflow-wrap:break-word">{escape(clean(clip(side.last_words or "", WORDS_CHARS)))}</div></div>'
        for name, side in (("A", found.a), ("B", found.b))
    )
    return (
        f'<div style="{_SECTION}"><b>Last words</b></div>'
        f'<div style="display:flex;flex-wrap:wrap">{sides}</div>'
    )


def _ended(totals: dict[str, Any]) -> str:
    status, code = totals["status"], totals["exit_code"]
    parts = [f"{GLYPHS.get(str(status), '')} {state_word(status)}".strip()] if status else []
    return " · ".join([*parts, *([f"exit code {code}"] if code else [])])


# -- plain text -----------------------------------------------------------------------------------


def _text(found: Compared) -> str:
    ids = [short_id(side.totals["session_id"]) for side in (found.a, found.b)]
    heads = [
        " ".join(filter(None, (name, one_line(side.totals["agent"] or "", 24), one)))
        for name, side, one in zip("AB", (found.a, found.b), ids, strict=True)
    ]
    table = [Fact("", heads[0], heads[1], "B against A"), *facts(found)]
    lines = [f"Compare · {_title(found)}", *_columns(table)]
    lines += ["", f"Steps · {states_line(found)}"]
    lines += list(_step_lines(found))
    rows, summary = edit_facts(found)
    if rows:
        lines += ["", f"Edits by file · {summary}", *_columns(rows[:MOST_ROWS])]
    return "\n".join(lines)


def _columns(rows: list[Fact]) -> list[str]:
    cells = [
        [clip(text, TEXT_CHARS) for text in (row.name, row.a, row.b, row.delta)] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _step_lines(found: Compared) -> Iterator[str]:
    rows = _rows(found)
    first, left = found.first_difference, MOST_ROWS
    for is_folded, group in _stretches(rows):
        if is_folded:
            yield f"  = {clip(_fold_line(group), 2 * TEXT_CHARS)}"
            continue
        for row in group[: max(0, left)]:
            if row.number == first:
                yield f"◆ First difference · step {first} · {_parting(found, first)}"
            yield f"  {SIGNS[row.state]} {_pair_text(row)}"
        left -= len(group)
    if left < 0:
        yield f"  {-left:,} more rows are in .df"


def _pair_text(row: _PairRow) -> str:
    texts = [_step_text(step, row.times) for step in row.pair if step is not None]
    return texts[0] if len(texts) == 1 or texts[0] == texts[1] else " | ".join(texts)


def _step_text(step: Step, times: int) -> str:
    name, text = _named(step, TEXT_CHARS)
    changed = lines_changed(*step.lines)
    repeated = f"· {times} times" if times > 1 else ""
    return " ".join(filter(None, (name, text, changed, repeated, _outcome(step))))
