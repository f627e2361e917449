"""Write sessions into a folder: `index.html` with search and filters, and a page for each."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from aod_notebook._version import __version__
from aod_notebook.core.files import file_name, write_whole
from aod_notebook.core.text import clean, counted, one_line
from aod_notebook.core.words import dollars, state_word
from aod_notebook.viewers.bundle.page import document, part
from aod_notebook.viewers.bundle.shown import Shown, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aod_notebook.core.redactor import Redactor
    from aod_notebook.viewers.static import Transcript

SEARCHED_CHARS = 40_000
"""So much of a session's text can be searched in the index."""
_PROMPT_CHARS = 300
_INDEX = "index"
_GLYPHS = {"completed": "✓", "failed": "✗", "terminated": "■", "running": "◔", "pending": "○"}
_PAGE_ROWS, _PAGE_BYTES = 20_000, 8_000_000
"""A page of its own may be longer than the output of a cell."""


def write_bundle(folder: Path, sessions: Iterable[Shown], redactor: Redactor | None) -> list[Path]:
    """Write the pages of sessions and their index; return the files, the index first.

    Args:
        folder: where the files go; it is made. Pages of the same sessions are replaced.
        sessions: one or more sessions.
        redactor: what hides secrets, and counts; None writes them as they are, and says so.

    Raises:
        OSError: the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = datetime.now(UTC)
    files, rows = [], []
    for session in sessions:
        before = dict(redactor.counts) if redactor else {}
        shown = session if redactor is None else redacted(session, redactor)
        transcript = shown.transcript()
        note = _note(redactor, before)
        path = folder / f"{_page_name(shown.id)}.html"
        page = document(shown.title, _session_body(shown, transcript, note, made))
        _write(path, page if redactor is None else redactor.known(page))
        rows.append(_row(shown, transcript, path.name))
        files.append(path)
    index = document("Sessions", _index_body(rows, _note(redactor, {}), made), part("index.js"))
    _write(folder / f"{_INDEX}.html", index)
    return [folder / f"{_INDEX}.html", *files]


def _write(path: Path, text: str) -> None:
    # what no file can hold, such as half of a surrogate pair, is shown as a question mark
    write_whole(path, text.encode("utf-8", "replace"))


def _page_name(session_id: str) -> str:
    return file_name(session_id if session_id != _INDEX else f"{_INDEX}.")


def _note(redactor: Redactor | None, before: dict[str, int]) -> str:
    if redactor is None:
        return "Not redacted: secrets and paths stand here as they were recorded."
    new = redactor.counts - type(redactor.counts)(before)
    found = ", ".join(
        counted(count, kind) if count != 1 else f"1 {kind}" for kind, count in sorted(new.items())
    )
    return f"Redacted: {found or 'nothing was found to be replaced'}."


def _session_body(shown: Shown, transcript: Transcript, note: str, made: datetime) -> str:
    return (
        f'<header class="top"><a href="index.html">All sessions</a> {_facts(shown)}</header><main>'
        f'<h1 class="unseen">{_escaped(one_line(shown.title, _PROMPT_CHARS))}</h1>'
        f"{transcript.html(_PAGE_ROWS, _PAGE_BYTES)}</main>"
        f"{_footer(note, made)}"
    )


def _facts(shown: Shown) -> str:
    """Return what the transcript's own header leaves out; unknown facts are left out here too."""
    replay = "replay of a recording" if shown.is_replay else None
    named = None if shown.is_replay and shown.agent == "replay" else shown.agent
    facts = [f"<span>{_escaped(fact)}</span>" for fact in (named, replay) if fact]
    if shown.created_at is not None:
        facts.append(_time(shown.created_at))
    return f'<span class="facts">{" ".join(facts)} <code>{_escaped(shown.id)}</code></span>'


def _row(shown: Shown, transcript: Transcript, name: str) -> str:
    """Return a session's row of the index; `data-text` is what the search looks through."""
    words = "\n".join(f"{row.title} {row.text}" for row in transcript.rows)
    cost = dollars(shown.cost_usd)
    known = " ".join(filter(None, (shown.id, shown.agent, shown.model, shown.runtime)))
    replay = ' <span class="quiet">replay</span>' if shown.is_replay else ""
    made = "" if shown.created_at is None else _time(shown.created_at)
    return (
        f'<tr data-status="{escape(shown.status)}" data-agent="{_escaped(shown.agent or "")}" '
        f'data-model="{_escaped(shown.model or "")}" '
        f'data-text="{_escaped(f"{known} {words}"[:SEARCHED_CHARS].lower())}">'
        f'<td><span class="status {escape(shown.status)}">{_status(shown.status)}</span></td>'
        f'<td class="wide"><a href="{name}">'
        f"{_escaped(one_line(shown.title, _PROMPT_CHARS))}</a>{replay}</td>"
        f"<td>{_escaped(shown.agent or '')}</td><td>{_escaped(shown.model or '')}</td>"
        f'<td class="number">{cost}</td><td>{made}</td><td><code>{_escaped(shown.id[:8])}</code></td></tr>'
    )


def _index_body(rows: list[str], note: str, made: datetime) -> str:
    head = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in (
            ("Status", ""),
            ("Prompt", ""),
            ("Agent", ""),
            ("Model", ""),
            ("Cost", ' class="number"'),
            ("Started", ""),
            ("Id", ""),
        )
    )
    return (
        f'<main><h1>{counted(len(rows), "session")}</h1><form role="search" class="tools">'
        '<input type="search" id="search" placeholder="Search prompts, words, tools" '
        'aria-label="Search the sessions" autocomplete="off">'
        '<select id="status" aria-label="Status"><option value="">Any status</option></select>'
        '<select id="agent" aria-label="Agent"><option value="">Any agent</option></select>'
        '<select id="model" aria-label="Model"><option value="">Any model</option></select>'
        '<span id="count" role="status" class="quiet"></span></form>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f'<tbody id="rows">{"".join(rows)}</tbody></table></div>'
        '<p id="none" class="quiet" hidden>No session matches. Clear the search or a filter.</p>'
        f"</main>{_footer(note, made)}"
    )


def _footer(note: str, made: datetime) -> str:
    return (
        f"<footer><p>{_escaped(note)}</p><p>Written by aod-notebook {__version__} on "
        f"{_time(made)}. These pages load nothing and send nothing.</p></footer>"
    )


def _status(status: str) -> str:
    return f"{_GLYPHS.get(status, '○')} {escape(state_word(status))}"


def _time(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f'<time datetime="{utc.isoformat()}">{utc:%Y-%m-%d %H:%M} UTC</time>'


def _escaped(text: str) -> str:
    return escape(clean(text))
