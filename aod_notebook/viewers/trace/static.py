"""A trace as static HTML and as plain text, which need no kernel."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from aod_notebook.core import words
from aod_notebook.core.text import clip, counted
from aod_notebook.viewers.markup import MONO, QUIET, code, text_html
from aod_notebook.viewers.plain import status_word
from aod_notebook.viewers.trace.tree import output_of

if TYPE_CHECKING:
    from aod_notebook.core.card import Fact
    from aod_notebook.viewers.trace.model import Trace
    from aod_notebook.viewers.trace.tree import TraceSpan

MAX_SPANS = 400
"""So many are read; the live view has all."""
MAX_NESTED = 40
"""Deeper spans are not nested further: browsers and sanitisers give up on very deep pages."""
OPEN_DEPTH = 2
DETAIL_CHARS = 300
ERROR_CHARS = 1_200
PLAIN_LINES = 40
PLAIN_CHARS = 110
TEXT_CHARS = 120
# By which MathJax passes over an element, of version 3 and 4 (JupyterLab) and of 2 (nbconvert).
_NO_MATH = "mathjax_ignore tex2jax_ignore"
_BOX = (
    "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px;"
    "line-height:20px;border:1px solid rgba(128,128,128,0.45);border-radius:8px;max-width:1120px;"
    "overflow:hidden;text-align:left"
)
_LINE = "rgba(128,128,128,0.3)"
_CELL = "display:inline-block;vertical-align:bottom;overflow:hidden"
_NAME = f"{_CELL};width:56%;white-space:nowrap;text-overflow:ellipsis"
_TRACK = f"{_CELL};width:40%;height:20px;border-left:1px solid {_LINE}"
_BLOCK = (
    f"{MONO};white-space:pre-wrap;overflow-wrap:break-word;margin:2px 12px 4px 40px;padding:6px 12px;"
    "background-color:rgba(128,128,128,0.1);border-radius:6px"
)
_HUES = {
    "turn": "#868e97", "run": "#868e97", "message": "#6b7480", "model": "#6b7480",
    "agent": "#8a6fd1", "task": "#868e97", "step": "#868e97", "tool": "#3f86cf",
}  # fmt: skip
_BAD = "#d0453b"
CHIPS = {
    "completed": ("#1a7340", "✓"),
    "failed": ("#b3261e", "✗"),
    "terminated": ("#855000", "■"),
    "cancelled": ("#855000", "■"),
    "running": ("#1f5fbf", "●"),
    "pending": ("#5f6368", "○"),
    "awaiting_input": ("#6a45b8", "?"),
    "awaiting_approval": ("#6a45b8", "?"),
}


def facts_of(trace: Trace) -> list[Fact]:
    """Return what is known of the whole, in the order of headers: a few words and their tone."""
    whole = trace.totals
    times = [("model", whole.model_us), ("tools", whole.tools_us)]
    shares = [f"{name} {words.duration(us / 1e6)}" for name, us in times if us]
    tokens = words.tokens(whole.tokens)
    facts: list[Fact] = [
        (trace.runtime or ("run" if trace.is_run else ""), "strong"),
        (words.model_name(trace.model), ""),
        (counted(whole.spans, "span"), ""),
        (counted(whole.calls, "tool") if whole.calls else "", ""),
        (f"({whole.failed:,} failed)" if whole.failed else "", "bad"),
        (", ".join(shares), ""),
        (f"{tokens} tokens" if tokens else "", ""),
        (words.dollars(whole.cost), "strong"),
        (words.duration(None if whole.took_us is None else whole.took_us / 1e6), ""),
    ]
    return [fact for fact in facts if fact[0]]


def facts_line(trace: Trace) -> list[str]:
    """Return the same for text: how many calls failed stands with their number."""
    grouped: list[str] = []
    for fact, tone in facts_of(trace):
        if tone == "bad" and grouped:
            grouped[-1] += f" {fact}"
        else:
            grouped.append(fact)
    return grouped


def span_facts(span: TraceSpan) -> list[str]:
    """Return how a span went: failure, time, cost; unknown facts are left out."""
    took = span.duration
    return [
        fact
        for fact in (
            f"✗ {span.bad or 'failed'}" if span.is_error else span.bad,
            "running" if span.is_open else words.duration(None if took is None else took / 1e6),
            words.dollars(span.cost),
        )
        if fact
    ]


# -- HTML -----------------------------------------------------------------------------------------


def trace_html(trace: Trace) -> str:
    """Return a trace as one `<div>`: nested `<details>`, a bar for each span that has times."""
    chosen = _chosen(trace)
    cut = len(trace.spans) - len(chosen)
    note = f"{counted(cut, 'shorter span')} are not shown here; the live view has all of them."
    hidden = f'<div style="{QUIET};padding:4px 12px">{note}</div>' if cut else ""
    return (
        f'<div class="{_NO_MATH}" style="{_BOX}">{_header(trace)}{hidden}'
        f'<div style="padding:4px 0">{_rows(trace, chosen)}</div>{_footer(trace)}</div>'
    )


def _header(trace: Trace) -> str:
    colour, sign = CHIPS.get(trace.status, CHIPS["pending"])
    word = status_word(trace.status).capitalize()
    facts = " · ".join(map(text_html, facts_line(trace)))
    return (
        f'<div style="padding:8px 12px;border-bottom:1px solid {_LINE}">'
        '<div style="font-size:14px;font-weight:600"><span style="display:inline-block;'
        f"border-radius:10px;padding:0 8px;margin-right:8px;background-color:{colour};"
        f'color:#ffffff;font-size:12px">{sign} {text_html(word)}</span>{text_html(trace.title)}</div>'
        f'<div style="margin-top:4px;font-size:12px;{QUIET}">{facts} · '
        f"{code(words.short_id(trace.id), MONO)}</div></div>"
    )


def _footer(trace: Trace) -> str:
    if not trace.again:
        return ""
    lead = "It was running when this was saved. " if trace.status == "running" else ""
    return (
        f'<div style="padding:6px 12px;font-size:12px;border-top:1px solid {_LINE};{QUIET}">'
        f"{lead}Reopen the live view: {code(trace.again, MONO)}</div>"
    )


def _chosen(trace: Trace) -> set[int]:
    """Return the spans that are shown: those that failed, then outer and long ones first."""
    spans, tree = trace.spans, trace.tree
    if len(spans) <= MAX_SPANS:
        return set(range(len(spans)))
    by_weight = heapq.nsmallest(
        MAX_SPANS,
        range(len(spans)),
        key=lambda one: (
            not spans[one].is_error,
            min(tree.depths[one], OPEN_DEPTH),
            -(spans[one].duration or 0),
        ),
    )
    chosen: set[int] = set()
    for one in by_weight:
        above: list[int] = []
        while one >= 0 and one not in chosen and len(above) <= MAX_SPANS:
            above.append(one)
            one = tree.parents[one]  # noqa: PLW2901 - the walk upwards
        if len(chosen) + len(above) > MAX_SPANS:
            break
        chosen.update(above)
    return chosen


def _rows(trace: Trace, chosen: set[int]) -> str:
    """Return the spans as nested elements; without recursion, for a chain may be deep."""
    tree, spans = trace.tree, trace.spans
    shown = [one for one in tree.order if one in chosen]
    has_more = [False] * len(shown)
    for place in range(len(shown) - 1):
        depth, after = tree.depths[shown[place]], tree.depths[shown[place + 1]]
        has_more[place] = depth < after and depth < MAX_NESTED
    parts: list[str] = []
    is_open: list[int] = []  # the depths of the elements around
    for one, folds in zip(shown, has_more, strict=True):
        depth = tree.depths[one]
        while is_open and is_open[-1] >= depth:
            is_open.pop()
            parts.append("</details>")
        line, inner = _line(trace, one), _detail(spans[one])
        if not folds and not inner:
            parts.append(f'<div style="padding:1px 12px">{_space(16)}{line}</div>')
            continue
        opens = " open" if folds and depth < OPEN_DEPTH else ""
        parts.append(
            f'<details{opens}><summary style="padding:1px 12px;cursor:pointer">{line}</summary>{inner}'
        )
        if folds:
            is_open.append(depth)
        else:
            parts.append("</details>")
    return "".join(parts) + "</details>" * len(is_open)


def _space(width: int) -> str:
    return f'<span style="display:inline-block;width:{width}px"></span>'


def _line(trace: Trace, one: int) -> str:
    span, depth = trace.spans[one], min(trace.tree.depths[one], MAX_NESTED)
    facts = " · ".join(map(text_html, span_facts(span)))
    text = clip(span.text, TEXT_CHARS)
    about = code(text, MONO) if span.kind == "tool" else text_html(text)
    return (
        f'<span style="{_NAME}">{_space(14 * depth) if depth else ""}<b>{text_html(span.name)}</b> '
        f'<span style="font-size:12px">{facts}</span> '
        f'<span style="font-size:12px;{QUIET}">{about}</span></span>'
        f'<span style="{_TRACK}">{_bar(trace, span)}</span>'
    )


def _bar(trace: Trace, span: TraceSpan) -> str:
    began, ended = trace.began, trace.ended
    if span.start is None or began is None or ended is None or ended <= began:
        return ""
    end = ended if span.is_open else span.start if span.end is None else span.end
    whole = ended - began
    left = min(max((span.start - began) / whole, 0.0), 0.995)
    width = min(max((end - span.start) / whole, 0.0), 1 - left)
    hue = _BAD if span.is_error else _HUES.get(span.kind, "#868e97")
    return (
        f'<div style="margin:5px 0 0 {left:.2%};width:{width:.2%};min-width:3px;height:10px;'
        f'border-radius:2px;background-color:{hue}"></div>'
    )


def _detail(span: TraceSpan) -> str:
    """Return the output of a failed call, and of a short one."""
    if span.kind not in ("tool", "task", "step") or not span.gave:
        return ""
    text = output_of(span).strip()
    if not text:
        return ""
    limit = ERROR_CHARS if span.is_error else DETAIL_CHARS
    text = text if len(text) <= limit else f"…{text[-limit:]}"  # the end says most
    return f'<div style="{_BLOCK}">{text_html(text)}</div>'


# -- plain text -----------------------------------------------------------------------------------


def trace_plain(trace: Trace) -> str:
    """Return the header and the outer spans as lines of text."""
    head = " · ".join(
        [
            status_word(trace.status),
            clip(trace.title, PLAIN_CHARS),
            *facts_line(trace),
        ]
    )
    lines = [head]
    tree = trace.tree
    for one in tree.order[:PLAIN_LINES]:
        span = trace.spans[one]
        facts = " · ".join(span_facts(span))
        line = f"{'  ' * min(tree.depths[one], 10)}{span.name}  {facts}  {span.text}"
        lines.append(clip(line.rstrip(), PLAIN_CHARS))
    if len(tree.order) > PLAIN_LINES:
        lines.append(f"… {counted(len(tree.order) - PLAIN_LINES, 'more span')}")
    return "\n".join(lines)
