"""Measures what a user calls, by id and by store, against the decoders on the same bytes.

    python tests/benchmarks/bench_store.py [--quick]

The service is a process of its own that has all answers ready. CPU time of this process, the median
of five runs, both sides in turn. Every comparison first checks that both sides hold the same
values. Then a store of 10,000 sessions is filled and asked ten questions by pandas, polars, duckdb,
dask and pyarrow.dataset, which must give the same numbers.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import duckdb
import generated
import pandas as pd
import polars as pl
import pyarrow.compute as pc
from bench_frames import SESSION, claude_lines, write_body, write_run

from aod_notebook import frames
from aod_notebook.agentos import AgentOS
from aod_notebook.aod import Client

GOALS = {"events_df": 1.15, "run_events_df": 1.15, "collect": 2.0}
MOST_CPU_S = 0.5
MOST_FILES = 100
RUNS = 5
RUN = "0192c3d4-0000-4000-8000-00000000aaaa"
"""A whole id: a shorter one would make the client ask for the list of runs first."""
_context = multiprocessing.get_context("fork")


def serve(sessions, runs, answer):
    with generated.Generated(sessions, runs) as service:
        answer.put(service.url)
        while True:
            time.sleep(3600)


class Service:
    """The generated service in a process of its own, which costs this one nothing."""

    def __init__(self, sessions, runs=None):
        self._given = sessions, runs or {}

    def __enter__(self):
        answer = _context.Queue()
        self._process = _context.Process(target=serve, args=(*self._given, answer), daemon=True)
        self._process.start()
        self.url = answer.get(timeout=60)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()


def cpu(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def ratio(ours, decoders, runs):
    """Return how many times the decoders' CPU time ours takes, the median of pairs, and both."""
    times = [(cpu(ours), cpu(decoders)) for _ in range(runs)]
    one, other = (statistics.median(side) for side in zip(*times, strict=True))
    return statistics.median(a / b for a, b in times), one, other


def row(name, value, most, note):
    print(f"{name:<52} {value:7.2f}  (at most {most:g})  {note}", flush=True)
    return name, value, most


def bench_by_id(folder, count, runs):
    """`events_df(id)` and `run_events_df(id)` against the decoders."""
    body, run = folder / "body", folder / "run"
    write_body(body, count)
    write_run(run, count // 5)
    sessions = {SESSION: (generated.session_of(SESSION), generated.turns_of(1), body.read_bytes())}
    data, run_data = body.read_bytes(), run.read_bytes()
    with Service(sessions, {RUN: run_data}) as service:
        with Client(base_url=service.url, token="of-no-use") as client:
            pd.testing.assert_frame_equal(
                frames.events_df(SESSION, client=client), frames.decode_events(data, SESSION)
            )
            times = ratio(
                lambda: frames.events_df(SESSION, client=client),
                lambda: frames.decode_events(data, SESSION),
                runs,
            )
            yield row(f"events_df(id) ÷ decode_events, {count:,}", times[0], 1.15, seconds(times))
        with AgentOS(api_key="of-no-use", agent_id="a", base_url=service.url) as client:
            pd.testing.assert_frame_equal(
                frames.run_events_df(RUN, client=client),
                frames.decode_run_events(run_data, RUN),
            )
            times = ratio(
                lambda: frames.run_events_df(RUN, client=client),
                lambda: frames.decode_run_events(run_data, RUN),
                runs,
            )
            name = f"run_events_df(id) ÷ decode_run_events, {count // 5:,}"
            yield row(name, times[0], 1.15, seconds(times))


def seconds(times):
    return f"{times[1]:.3f} s instead of {times[2]:.3f} s"


def claude_session(one, lines):
    events = [
        {"type": "start", "runtime": "claude", "session_id": one},
        {"type": "turn_start", "id": 1, "turn": 1},
    ]
    parts = [b"data: %s\n\n" % json.dumps(event).encode() for event in events]
    for number, line in enumerate(lines, 1):
        fields = {"type": "output", "id": number, "stream": "stdout", "data": line, "turn": 1}
        parts.append(b"id: %d\ndata: %s\n\n" % (number, json.dumps(fields).encode()))
    end = {"type": "exit", "id": len(lines), "code": 0}
    parts.append(b"id: %d\ndata: %s\n\n" % (len(lines), json.dumps(end).encode()))
    return generated.session_of(one), generated.turns_of(1), b"".join(parts)


def generated_sessions(count, lines):
    """Return sessions of about so many lines each, some with tools that failed."""
    pool = claude_lines(lines * 40)
    made = {}
    for number in range(count):
        one, start = generated.session_id(number), number * 7 % 39 * lines
        own = pool[start : start + lines - number % 3 * 4]
        if number % 5 == 0:
            own = [line.replace('"tool_use_id"', '"is_error":true,"tool_use_id"') for line in own]
        made[one] = claude_session(one, own)
    return made


def decoders(bodies):
    """Everything that a store holds, by the public pure functions on the same bytes."""
    events = frames.decode_events(bodies)
    frames.messages_from_events(events)
    frames.tool_calls_from_events(events)
    frames.results_from_events(events)
    frames.model_usage_from_events(events)


def bench_collect(folder, count, lines, runs):
    sessions = generated_sessions(count, lines)
    bodies = [body for _, _, body in sessions.values()]
    numbers = iter(range(runs))
    with (
        Service(sessions) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):

        def ours():
            frames.collect(into=folder / f"collect-{lines}-{next(numbers)}", client=client)

        times = ratio(ours, lambda: decoders(bodies), runs)
    name = f"collect ÷ decoders, {count:,} sessions of {lines:,} lines"
    yield row(name, times[0], GOALS["collect"], seconds(times))


def bench_store(folder, count, lines):
    sessions = generated_sessions(count, lines)
    path = folder / "store"
    with (
        Service(sessions) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):
        took = cpu(lambda: frames.collect(into=path, client=client))
        print(f"collect of {count:,} sessions of {lines} lines: {took:.1f} s", flush=True)
        again = cpu(lambda: frames.collect(into=path, client=client))
        print(f"collect again, nothing has changed: {again:.2f} s", flush=True)
    files = sum(1 for each in path.rglob("*") if each.is_file())
    yield row(f"files of {count:,} sessions", files, MOST_FILES, "")
    columns = ["session_id", "tool", "is_error"]

    def three_columns():
        frames.scan(path).frame("tool_calls", columns=columns)

    took = statistics.median(cpu(three_columns) for _ in range(RUNS))
    yield row("three columns of tool_calls, CPU s", took, MOST_CPU_S, "")
    ask_all(path)


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
        import dask

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


def ask_all(path):
    """Let each engine answer the ten questions; they must agree."""
    told = {}
    for engine in (Pandas, Polars, DuckDB, Dask, Dataset):
        before, start = time.process_time(), time.perf_counter()
        told[engine.__name__] = list(engine(path).answers())
        took = time.process_time() - before
        print(
            f"ten questions, {engine.__name__:<10} {took:6.2f} s CPU, "
            f"{time.perf_counter() - start:6.2f} s",
            flush=True,
        )
    for name, numbers in told.items():
        if numbers != told["Pandas"]:
            sys.exit(f"{name} answers {numbers}, pandas {told['Pandas']}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, one run; no gates")
    options = parser.parse_args()
    runs = 1 if options.quick else RUNS
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows += bench_by_id(folder, 100_000 if options.quick else 1_000_000, runs)
        rows += bench_collect(folder, 20 if options.quick else 200, 2_000, runs)
        rows += bench_store(folder, 1_000 if options.quick else 10_000, 40)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MiB, duckdb {duckdb.__version__}")
    missed = [name for name, value, most in rows if value > most]
    if missed and not options.quick:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
