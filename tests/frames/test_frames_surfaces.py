"""Tokens and cost of the same sessions are the same wherever they are shown."""

import json
import math
import re
from contextlib import contextmanager
from types import SimpleNamespace

import pandas as pd
import pytest
from bodies import body_of
from known_sessions import RUNTIMES, known_session

from aod_notebook import frames, plots
from aod_notebook.aod import pretty
from aod_notebook.aod.events import iter_events
from aod_notebook.frames import prepare
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.live import LiveSession
from aod_notebook.viewers.row_feed import RowFeed
from aod_notebook.viewers.static import render_html

SESSIONS = 50
THOUGHTS = 7
"""Tokens of reasoning that every turn of Gemini has beside its output."""


def claude(session, *, is_resumed):
    """Price the models; let half of the sessions report totals, as Claude 2.1.277 and later do."""
    cost, models = 0.0, {}
    for turn in session.turns:
        for index, line in enumerate(turn.lines):
            value = json.loads(line) if line.startswith('{"type": "') else {}
            if value.get("subtype") == "init":
                version = "2.1.300" if is_resumed else "2.1.200"
                value |= {"claude_code_version": version, "session_id": "c"}
            elif value.get("type") == "result":
                if not is_resumed:
                    cost, models = 0.0, {}
                cost += value["total_cost_usd"]
                for number, (name, counts) in enumerate(value["modelUsage"].items()):
                    counts["costUSD"] = 0.0 if number else value["total_cost_usd"]
                    total = models.setdefault(name, dict.fromkeys(counts, 0))
                    for key, count in counts.items():
                        total[key] += count
                totals = {name: dict(counts) for name, counts in models.items()}
                value |= {"total_cost_usd": cost, "modelUsage": totals, "session_id": "c"}
            if value:
                turn.lines[index] = json.dumps(value)
    return session


def thoughtful(session):
    """Let a session of Gemini tell of reasoning by its totals only, as the CLI does."""
    for turn in session.turns:
        if not turn.finished:
            continue
        value = json.loads(turn.lines[-1])
        stats = value["stats"]
        stats["total_tokens"] = stats["input_tokens"] + stats["output_tokens"] + THOUGHTS
        turn.lines[-1] = json.dumps(value)
    return session


def made(number):
    runtime = RUNTIMES[number % len(RUNTIMES)]
    session = known_session(runtime, 500 + number)
    if runtime == "gemini":
        return thoughtful(session)
    every_other = number // len(RUNTIMES) % 2 == 0
    return claude(session, is_resumed=every_other) if runtime == "claude" else session


def truth(session):
    """Tokens read, cached ones included, tokens written, and cost of the turns that reported."""
    turns = [turn for turn in session.turns if turn.finished]
    counted = [turn.tokens for turn in turns if turn.tokens["input_tokens"] is not None]
    told = [turn.cost for turn in turns if turn.cost is not None]
    cost = sum(told) if told else None
    if not counted:
        return None, None, cost
    names = ["input_tokens"]
    if session.runtime in ("claude", "opencode"):
        names += ["cache_read_tokens", "cache_creation_tokens"]
    written = sum(tokens["output_tokens"] for tokens in counted)
    written += THOUGHTS * len(counted) if session.runtime == "gemini" else 0
    return sum(tokens[name] for tokens in counted for name in names), written, cost


class Held(LiveSession):
    """A followed session without a service: its events are at hand."""

    id, is_final, status, model = "s1", True, "completed", None
    title = "session"
    _follower = SimpleNamespace(error=None)

    def __init__(self, session, events):
        self.runtime, self._session, self._events = session.runtime, session, events
        self._tables = {}

    def table(self, name):
        if name not in self._tables:
            self._tables[name] = getattr(frames, f"{name}_df")(self)
        return self._tables[name]

    @property
    def client(self):
        return SimpleNamespace(base_url="http://here", sessions=self, agents=None)

    def received(self, start=0):
        return [(event, 1.7e9 + n) for n, event in enumerate(self._events)][start:]

    def turns(self, session_id):
        at = "2026-01-01T00:0{}:00Z".format
        return [
            {"turn_number": t.number, "started_at": at(t.number), "ended_at": at(t.number + 1)}
            for t in self._session.turns
        ]

    @contextmanager
    def stream(self, session_id, since=None):
        yield iter(self._events)


Held.__abstractmethods__ = frozenset()


def read_and_written(table):
    """Sums of a frame with the flags that say what its counts include."""
    read, written = 0, 0
    for row in table.to_dict("records"):
        if pd.isna(row["input_tokens"]):
            continue
        apart = (
            () if row["input_includes_cache"] else ("cache_read_tokens", "cache_creation_tokens")
        )
        read += row["input_tokens"] + sum(row[name] for name in apart)
        is_apart = row["output_includes_reasoning"] is False
        thoughts = row["reasoning_tokens"] if is_apart else 0
        written += row["output_tokens"] + (0 if pd.isna(thoughts) else thoughts)
    cost = table["cost_usd"].sum(min_count=1)
    known = table["input_tokens"].notna().any()
    return (read if known else None, written if known else None, None if pd.isna(cost) else cost)


def of_frames(held):
    results = held.table("results")
    flags = results[["turn", "input_includes_cache", "output_includes_reasoning"]]
    usage = held.table("model_usage").merge(flags, on="turn")
    turns = frames.turns_df(held, results=True)
    return {
        "results": read_and_written(results),
        "model_usage": read_and_written(usage),
        "turns": read_and_written(turns),
    }


def of_live(held):
    usage, apart = held.usage, held.runtime in ("claude", "opencode")
    if "input_tokens" not in usage:
        return None, None, held.cost
    cached = ("cache_read_tokens", "cache_creation_tokens") if apart else ()
    read = usage["input_tokens"] + sum(usage[name] for name in cached)
    thoughts = usage.get("reasoning_tokens", 0) if held.runtime in ("gemini", "opencode") else 0
    return read, usage["output_tokens"] + thoughts, held.cost


def of_plots(held):
    tokens = plots.tokens_df(held.table("results"))
    kinds = tokens.groupby("kind", observed=False)["tokens"].sum()
    cost = plots.cost_df(held.table("results"))["cost_usd"].sum(min_count=1)
    cost = None if pd.isna(cost) else cost
    if not len(tokens):
        return None, None, cost
    return int(kinds.drop("output").sum()), int(kinds["output"]), cost


def of_otlp(held):
    at = "2026-01-01T00:00:00Z"
    told = {"id": "s1", "agent_id": "a", "status": "completed", "created_at": at, "updated_at": at}
    tables = [held.table("turns"), None, held.table("results"), held.table("model_usage")]
    [resource] = frames.sessions_to_otlp(sessions_of([told]), *tables)["resourceSpans"]
    counts = {}
    for span in resource["scopeSpans"][0]["spans"]:
        for attribute in span["attributes"]:
            is_turn = span["name"] == "invoke_agent"
            is_usage = attribute["key"].startswith("gen_ai.usage")
            if is_usage or (is_turn and attribute["key"] == "aod.cost_usd"):
                [value] = attribute["value"].values()
                counts.setdefault(attribute["key"], []).append(float(value))
    keys = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "aod.cost_usd")
    return tuple(sum(counts[key]) if key in counts else None for key in keys)


def of_prepare(held):
    joined = prepare.turns_with_results(held.table("turns"), held.table("results"))
    days = prepare.cost_per_agent_and_day(joined.assign(agent_id="a"))
    flags = held.table("results")
    if not len(flags):
        return None, None, None
    row = days.assign(
        input_includes_cache=bool(flags["input_includes_cache"].iloc[0]),
        output_includes_reasoning=True,
        reasoning_tokens=0,
    )
    read, _, cost = read_and_written(row)
    return read, None, cost


def short(number):
    """A count in a few characters, as headers have it."""
    if number < 1000:
        return str(number)
    thousands = number / 1000
    return f"{thousands:.1f}k" if thousands < 9.95 else f"{thousands:.0f}k"


def header(read, written, cost):
    """The words that a header has of these numbers."""
    words = []
    if read is not None:
        words += [f"{short(read)} tokens in", f"{short(written)} out"]
    return words + ([f"${cost:.2f}"] if cost is not None else [])


def printed(session, events):
    """What the printer says of each turn."""
    printer = pretty.Formatter()
    lines = [line for event in events for line in printer.consume(event)]
    lines += printer.flush()
    return [line for text in lines for line in text.split("\n") if "Done · " in line]


def assert_same(got, expected, where):
    for one, other in zip(got, expected, strict=True):
        is_same = one is other if None in (one, other) else math.isclose(one, other, abs_tol=1e-9)
        assert is_same, f"{where}: {got}, expected {expected}"


@pytest.mark.parametrize("number", range(SESSIONS))
def test_every_surface_shows_the_same_tokens_and_cost(number):
    session = made(number)
    events = list(iter_events(body_of(session, "s1", number)))
    held, expected = Held(session, events), truth(session)
    read, _, cost = expected

    for name, got in of_frames(held).items():
        assert_same(got, expected, name)
    for surface in (of_live, of_plots, of_otlp):
        assert_same(surface(held), expected, surface.__name__)
    assert_same(of_prepare(held), (read, None, cost), "prepare")

    feed = RowFeed(held)
    feed.read()
    summary = feed.transcript.summary
    shown = (summary.tokens_in, summary.tokens_out, summary.cost_usd)
    assert_same(shown, expected, "the viewer's account")
    about = feed.facts()["about"]
    page = re.sub(r"<[^>]*>", "", render_html(events, "t", session.runtime))
    head = page.partition("Turn 1")[0]  # what stands above the first turn
    for words in header(*expected):
        assert words in about
        assert words in head

    lines = iter(printed(session, events))
    for turn in session.turns:
        if turn.finished and turn.cost is not None:
            assert f"tokens ${turn.cost:.4f}" in next(lines)
        elif turn.finished and turn.tokens["input_tokens"] is not None:
            thoughts = THOUGHTS if session.runtime == "gemini" else 0
            counts = turn.tokens["input_tokens"], turn.tokens["output_tokens"] + thoughts
            assert "tokens {} in, {} out".format(*counts) in next(lines)
