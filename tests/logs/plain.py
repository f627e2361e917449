"""The sum that anybody would write first: every count of input tokens in every line or row."""

import json
import sqlite3
from contextlib import closing


def plain_input(home):
    """Add up what all lines and rows below a home say of input tokens."""
    found = 0
    for path in home.rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            found += sum(_counts(json.loads(line)))
    for path in home.rglob("opencode*.db"):
        with closing(sqlite3.connect(path)) as database:
            for table in ("message", "part"):
                rows = database.execute(f"SELECT data FROM {table}")
                found += sum(sum(_counts(json.loads(data))) for (data,) in rows)
    return found


def _counts(value):
    """Yield each count of input tokens in a value, however deep it stands."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("input_tokens", "inputTokens", "input") and isinstance(one, int):
                yield one
            else:
                yield from _counts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _counts(one)
