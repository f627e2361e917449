"""Display of a table of checks: problems first, each finding in full."""

from __future__ import annotations

import html
import shutil
import textwrap
from typing import TYPE_CHECKING, Final

from aod_notebook.core.look import code_parts, styled
from aod_notebook.core.text import clean, counted
from aod_notebook.core.words import GLYPHS, STATE_TONES

if TYPE_CHECKING:
    import pandas as pd


SCHEMA: Final = "aod.findings"
_ORDER: Final = {"problem": 0, "note": 1, "ok": 2}
_Found = tuple[str, str, str]
_SUMMARY: Final = "summary"
"""The check for what can run, which is shown in the headline."""
_VERSIONS: Final = "version"
"""The check of which good findings are folded."""


def findings_text(frame: pd.DataFrame) -> str:
    """Return the findings as lines that end at words."""
    width = max(40, shutil.get_terminal_size((100, 24)).columns)
    shown, versions = _parted(frame)
    lines = [
        textwrap.fill(
            f"{GLYPHS.get(state, ' ')} {check:<12} {finding}", width,
            subsequent_indent=" " * 15, break_long_words=False, break_on_hyphens=False,
        )
        for check, state, finding in shown
    ]  # fmt: skip
    head, rest = _headline(frame)
    return "\n".join(
        [f"{head} · {rest}", *lines, *([_versions_line(versions)] if versions else [])]
    )


def findings_html(frame: pd.DataFrame) -> str:
    """Return the findings as a table with lines that a page wraps."""
    shown, versions = _parted(frame)
    head, rest = _headline(frame)
    tone = STATE_TONES.get(head[0], "")
    rows = "".join(map(_row, shown))
    folded = (
        f'<details class="aod-quiet" style="padding:4px 0;font-size:12px"><summary>{_versions_line(versions)}</summary>'
        f"{html.escape(', '.join(finding for _, _, finding in versions))}</details>"
        if versions
        else ""
    )
    return styled(
        f'<div style="padding:4px 0"><b class="aod-{tone}">{html.escape(head)}</b> '
        f'<span class="aod-quiet" style="font-size:12px">{html.escape(rest)}</span></div>'
        '<table style="border-collapse:collapse;width:100%;margin:0;border:0;font-size:12px">'
        f"<tbody>{rows}</tbody></table>{folded}"
    )


def _row(found: _Found) -> str:
    check, state, finding = found
    sign = GLYPHS.get(state, "")
    cell = "padding:3px 12px 3px 0;text-align:left;vertical-align:top;line-height:20px"
    strong = "" if state == "ok" else ' class="aod-strong"'
    return (
        f'<tr><td class="aod-{STATE_TONES.get(sign, "")}" style="{cell};width:8px" '
        f'title="{html.escape(state)}">{sign}</td>'
        f'<td{strong} style="{cell};width:96px;white-space:nowrap">{html.escape(check)}</td>'
        f'<td style="{cell};white-space:normal">{code_parts(finding)}</td></tr>'
    )


def _headline(frame: pd.DataFrame) -> tuple[str, str]:
    """Return the number of problems, what can run, and the number of good checks."""
    checks = frame[frame["check"].ne(_SUMMARY)]
    problems, notes, good = (int(checks["state"].eq(state).sum()) for state in _ORDER)
    if problems:
        head = f"✗ {counted(problems, 'problem')}"
    elif notes:
        head = f"! {counted(notes, 'thing')} to look at"
    else:
        head = "✓ everything is good"
    parts = [counted(notes, "note")] if problems and notes else []
    parts += [
        clean(str(text)).partition(";")[0]
        for text in frame.loc[~frame.index.isin(checks.index), "finding"]
    ]
    return head, " · ".join([*parts, f"{good} of {counted(len(checks), 'check')} good"])


def _parted(frame: pd.DataFrame) -> tuple[list[_Found], list[_Found]]:
    """Return the findings, problems first, and separately the good ones about versions."""
    columns = (frame[name] for name in ("check", "state", "finding"))
    rows = [
        (clean(str(check)), clean(str(state)), clean(str(text)))
        for check, state, text in zip(*columns, strict=True)
    ]
    rows = sorted(
        (row for row in rows if row[0] != _SUMMARY), key=lambda row: _ORDER.get(row[1], 0)
    )
    versions = [row for row in rows if row[0] == _VERSIONS and row[1] == "ok"]
    return [row for row in rows if row not in versions], versions


def _versions_line(versions: list[_Found]) -> str:
    first = ", ".join(finding for _, _, finding in versions[:3])
    more = ", …" if len(versions) > 3 else ""  # noqa: PLR2004 - those that fit on a line
    return html.escape(f"{counted(len(versions), 'version')}: {first}{more}", quote=False)
