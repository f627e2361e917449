"""Generate the sync twins of async code: `_sync/` from `_async/`, in the package and tests.

Usage: python tests/tools/unasync.py          write what is out of date
       python tests/tools/unasync.py --check  write nothing, fail when something is out of date
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("aod_notebook/core", "aod_notebook/aod", "aod_notebook/agentos", "tests/aod")

# In order; each is applied to whole words (or to the exact text, where it has blanks).
RULES: tuple[tuple[str, str], ...] = (
    (r"@pytest\.mark\.anyio\n\s*", ""),
    (r"@pytest\.mark\.anyio\b", ""),
    (r"\bawait anyio\.sleep\b", "time.sleep"),
    (r"\bimport anyio\b", "import time"),
    (r" +# noqa: ASYNC\d+ .*", ""),
    (r"\bawait ", ""),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\benter_async_context\b", "enter_context"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bAwaitable\[(\w+(?:\[\w+\])?)\]", r"\1"),
    (r"\bGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\ba(close|connect|connect_sse|iter_bytes|iter_sse|read|next)\b", r"\1"),
    (r"\b_async\b", "_sync"),
    (r"\bhttpx\.AsyncByteStream\b", "httpx.SyncByteStream"),
    (r"\b_?Async([A-Z]\w*)", r"\1"),
    (r"\b(httpx\.|httpcore\.)Async(\w+)", r"\1\2"),
    (r"\bhandle_async_request\b", "handle_request"),
    (r"\bAnyIOBackend\b", "SyncBackend"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\btest_async_", "test_sync_"),
    (r"\banother task\b", "another thread"),
    (r"\b([Aa])n? (?i:async) ", r"\1 sync "),
    (r"\basync\b", "sync"),
    (r"`_sync` is generated from here by `tests/tools/unasync.py`", "generated; see `_async`"),
)
NOTICE = "# Generated from {source} by tests/tools/unasync.py; edit that file instead.\n"


def convert(text: str, source: str) -> str:
    """Return the sync twin of a module's text."""
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return NOTICE.format(source=source) + text


def format_(text: str, target: Path) -> str:
    """Lay the text out, and sort its imports, as ruff does for that file."""
    for command in (["check", "--select", "I,F401", "--fix-only", "--quiet"], ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(target), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        text = done.stdout
    return text


def twins() -> dict[Path, str]:
    """All generated files: their paths and what they should hold."""
    found = {}
    for tree in TREES:
        for source in sorted((ROOT / tree / "_async").glob("*.py")):
            target = ROOT / tree / "_sync" / source.name.replace("test_async_", "test_sync_")
            text = convert(source.read_text("utf-8"), source.relative_to(ROOT).as_posix())
            found[target] = format_(text, target)
    return found


def main(arguments: list[str]) -> int:
    """Write or check the twins; return the exit status."""
    wanted = twins()
    present = {path for tree in TREES for path in (ROOT / tree / "_sync").glob("*.py")}
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    orphans = sorted(present - wanted.keys())
    for path in [*stale, *orphans]:
        print(path.relative_to(ROOT).as_posix())
    if "--check" in arguments:
        if stale or orphans:
            print("out of date: run python tests/tools/unasync.py")
        return bool(stale or orphans)
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], "utf-8")
    for path in orphans:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
