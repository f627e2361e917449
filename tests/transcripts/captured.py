"""The captures: what real CLIs wrote to stdout, turn by turn."""

import json
from pathlib import Path

from aod_notebook.transcripts import Reader

CAPTURES = Path(__file__).parent / "captures"
NAMES = sorted(str(path.relative_to(CAPTURES).with_suffix("")) for path in CAPTURES.glob("*/*"))


def turns_of(name):
    """The lines of each turn: in `bg`, one turn of Claude begins twice."""
    runtime = name.split("/")[0]
    turns, is_over = [], True
    for text in (CAPTURES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        begins = line.get("subtype") == "init" or line["type"] in ("init", "thread.started")
        if is_over if runtime == "opencode" else begins and not (turns and name == "claude/bg"):
            turns.append([])
        turns[-1].append(text)
        is_over = line.get("part", {}).get("reason") == "stop"
    return turns


def read(name, **kwargs):
    """For each turn, its entries."""
    reader = Reader(**kwargs)
    return [reader.feed("\n".join(lines)) + reader.flush() for lines in turns_of(name)]


def results(name):
    """The account of each turn: that of its last result line."""
    found = [[e.result for e in entries if e.result is not None] for entries in read(name)]
    return [of_turn[-1] for of_turn in found if of_turn]
