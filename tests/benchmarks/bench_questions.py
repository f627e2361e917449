"""Fills a store of 10,000 sessions, and asks it ten questions with five libraries.

    python tests/benchmarks/bench_questions.py [--quick]

pandas, polars, duckdb, dask and pyarrow.dataset must give the same numbers. CPU time of this
process; before that, what the store costs: the number of its files, a frame of three columns,
and a collection in which nothing has changed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import dask
import polars as pl
import pyarrow.compute as pc
from bench_store import RUNS, Service, cpu, generated_sessions, row

from aod_notebook import frames
from aod_notebook.aod import Client

MOST_CPU_S = 0.5
MOST_FILES = 100


def filled(path, count, lines):
    """Collect that many generated sessions, twice; return the CPU seconds of both."""
    with (
        Service(generated_sessions(count, lines)) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):

        def collect():
            frames.collect(into=path, client=client)

        return cpu(collect), cpu(collect)


def bench_store(path, count, lines):
    first, again = filled(path, count, lines)
    print(f"collect of {count:,} sessions of {lines} lines: {first:.1f} s", flush=True)
    print(f"collect again, nothing has changed: {again:.2f} s", flush=True)
    files = sum(1 for each in path.rglob("*") if each.is_file())
    yield row(f"files of {count:,} sessions", files, MOST_FILES, "")
    columns = ["session_id", "tool", "is_error"]

    def three_columns():
        frames.scan(path).frame("tool_calls", columns=columns)

    took = statistics.median(cpu(three_columns) for _ in range(RUNS))
    yield row("three columns of tool_calls, CPU s", took, MOST_CPU_S, "")


class Pandas:
    """The ten questions, with whole frames in memory."""

    def __init__(self, path):
        self.store = frames.scan(path)

    def f(self, name, *columns):
        return self.store.frame(name, columns=columns)

    def answers(self):
        calls = self.f("tool_calls", "session_id", "tool", "is_error", "output_chars")
        events = self.f("events", "session_id", "type", "event_id")
        messages = self.f("messages", "session_id", "block", "text")
        own = messages[messages["block"] == "text"]
        yield len(events)
        yield int((events["type"] == "output").sum())
        yield len(calls)
        yield int(calls["is_error"].sum())
        yield int(calls["output_chars"].sum())
        yield int(calls.groupby("session_id").size().max())
        yield int(calls.groupby("tool", observed=True).size()["Bash"])
        yield int(own["text"].str.len().sum())
        yield int(events.groupby("session_id")["event_id"].max().sum())
        yield int(calls.loc[calls["is_error"].fillna(value=False), "session_id"].nunique())


class Polars:
    """The same, lazily."""

    def __init__(self, path):
        self.store = frames.scan(path)

    def one(self, name, expression, *, where=None, by=None):
        lazy = self.store.polars(name)
        if where is not None:
            lazy = lazy.filter(where)
        lazy = (
            lazy.group_by("session_id").agg(by).select(expression)
            if by is not None
            else lazy.select(expression)
        )
        return int(lazy.collect().item())

    def answers(self):
        col = pl.col
        yield self.one("events", pl.len())
        yield self.one("events", (col("type") == "output").sum())
        yield self.one("tool_calls", pl.len())
        yield self.one("tool_calls", col("is_error").sum())
        yield self.one("tool_calls", col("output_chars").sum())
        yield self.one("tool_calls", col("n").max(), by=pl.len().alias("n"))
        yield self.one("tool_calls", (col("tool") == "Bash").sum())
        yield self.one("messages", col("text").str.len_chars().sum(), where=col("block") == "text")
        yield self.one("events", col("m").sum(), by=col("event_id").max().alias("m"))
        yield self.one("tool_calls", col("session_id").n_unique(), where=col("is_error"))


QUESTIONS = (
    "select count(*) from events",
    "select count(*) from events where type = 'output'",
    "select count(*) from tool_calls",
    "select count(*) from tool_calls where is_error",
    "select sum(output_chars) from tool_calls",
    "select max(n) from (select count(*) n from tool_calls group by session_id)",
    "select count(*) from tool_calls where tool = 'Bash'",
    "select sum(length(text)) from messages where block = 'text'",
    "select sum(m) from (select max(event_id) m from events group by session_id)",
    "select count(distinct session_id) from tool_calls where is_error",
)


class DuckDB:
    """The same in SQL."""

    def __init__(self, path):
        self.connection = frames.scan(path).duckdb()

    def answers(self):
        for question in QUESTIONS:
            ((number,),) = self.connection.sql(question).fetchall()
            yield int(number)


class Dask:
    """The same, part by part."""

    def __init__(self, path):
        self.store = frames.scan(path)

    def answers(self):
        calls = self.store.dask(
            "tool_calls", columns=["session_id", "tool", "is_error", "output_chars"]
        )
        events = self.store.dask("events", columns=["session_id", "type", "event_id"])
        messages = self.store.dask("messages", columns=["block", "text"])
        own = messages[messages["block"] == "text"]["text"]
        asked = (
            events["session_id"].size,
            (events["type"] == "output").sum(),
            calls["session_id"].size,
            calls["is_error"].sum(),
            calls["output_chars"].sum(),
            calls.groupby("session_id").size().max(),
            (calls["tool"] == "Bash").sum(),
            own.str.len().sum(),
            events.groupby("session_id")["event_id"].max().sum(),
            calls[calls["is_error"].fillna(value=False)]["session_id"].nunique(),
        )
        return map(int, dask.compute(*asked, scheduler="synchronous"))


class Dataset:
    """The same with pyarrow alone."""

    def __init__(self, path):
        self.store = frames.scan(path)

    def table(self, name, *columns, where=None):
        return self.store.dataset(name).to_table(columns=list(columns), filter=where)

    def answers(self):
        field = pc.field
        calls = self.table("tool_calls", "session_id", "tool", "is_error", "output_chars")
        events = self.table("events", "session_id", "type", "event_id")
        own = self.table("messages", "text", where=field("block") == "text")
        failed = calls.filter(pc.fill_null(calls["is_error"], fill_value=False))
        yield self.store.dataset("events").count_rows()
        yield self.store.dataset("events").count_rows(filter=field("type") == "output")
        yield calls.num_rows
        yield failed.num_rows
        yield pc.sum(calls["output_chars"]).as_py()
        yield pc.max(
            calls.group_by("session_id").aggregate([([], "count_all")])["count_all"]
        ).as_py()
        yield pc.sum(pc.equal(calls["tool"], "Bash")).as_py()
        yield pc.sum(pc.utf8_length(own["text"])).as_py()
        yield pc.sum(
            events.group_by("session_id").aggregate([("event_id", "max")])["event_id_max"]
        ).as_py()
        yield pc.count_distinct(failed["session_id"]).as_py()


ENGINES = (Pandas, Polars, DuckDB, Dask, Dataset)


def ask_all(path):
    """Return, by the name of each library, its ten answers and its seconds: of the CPU, and all."""
    asked = {}
    for engine in ENGINES:
        before, start = time.process_time(), time.perf_counter()
        answers = list(engine(path).answers())
        seconds = time.process_time() - before, time.perf_counter() - start
        asked[engine.__name__] = answers, *seconds
    return asked


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1,000 sessions; no gates")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "store")
        rows = list(bench_store(path, 1_000 if options.quick else 10_000, 40))
        asked = ask_all(path)
    for engine, (_, used, took) in asked.items():
        print(f"ten questions, {engine:<10} {used:6.2f} s CPU, {took:6.2f} s", flush=True)
    first = asked["Pandas"][0]
    wrong = [engine for engine, (answers, *_) in asked.items() if answers != first]
    if wrong:
        sys.exit(f"other answers than those of pandas: {', '.join(wrong)}")
    missed = [name for name, value, most in rows if value > most]
    if missed and not options.quick:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
