"""Measures the bytes of an event stream to a DataFrame, ours and with the readers of JSON lines.

    python tests/benchmarks/bench_rivals.py [--quick]

What stands behind `data:` is JSON lines, which polars, duckdb and pyarrow read with the columns
given; `json_normalize` takes the decoded lines, and the official SDK's user makes dicts of its events.
CPU time of all threads, the median of the ratios of five pairs, at 1,000,000 events. Every frame first
has to hold the same values, column by column. The gates stand at three quarters of the goals.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from bench_frames import GATE, naive_events, our_events, peak, same, write_body

MANY, FEW = 1_000_000, 100_000
GOALS = {"official SDK": 13.0, "memory": 4.0}
COLUMNS = {
    "type": "type",
    "event_id": "id",
    "turn": "turn",
    "stream": "stream",
    "data": "data",
    "exit_code": "code",
}
NUMBERS = ("id", "turn", "code")
FIELDS = {name: int if name in NUMBERS else str for name in COLUMNS.values()}


def json_lines(path):
    """The JSON of all events, a line each."""
    with path.open("rb") as file:
        return b"".join(line[6:] for line in file if line.startswith(b"data: "))


def with_polars(path):
    schema = {name: pl.Int64 if kind is int else pl.String for name, kind in FIELDS.items()}
    return pl.read_ndjson(io.BytesIO(json_lines(path)), schema=schema).to_pandas()


def with_duckdb(path):
    lines = path.with_suffix(".ndjson")
    lines.write_bytes(json_lines(path))
    kinds = {name: "bigint" if kind is int else "varchar" for name, kind in FIELDS.items()}
    query = f"from read_json('{lines}', format = 'newline_delimited', columns = {kinds})"
    return duckdb.sql(query).df()


def with_pyarrow(path):
    schema = pa.schema(
        (n, pa.int64() if kind is int else pa.string()) for n, kind in FIELDS.items()
    )
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = pj.read_json(io.BytesIO(json_lines(path)), parse_options=options)
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def with_json_normalize(path):
    return pd.json_normalize([json.loads(line) for line in json_lines(path).splitlines()])


def with_the_sdk(path):
    return naive_events(path).rename(columns=lambda name: name.removeprefix("extra."))


RIVALS = {
    "official SDK": with_the_sdk,
    "json_normalize": with_json_normalize,
    "polars.read_ndjson": with_polars,
    "duckdb read_json": with_duckdb,
    "pyarrow.json": with_pyarrow,
}


def cpu(function, path):
    start = time.process_time()
    function(path)
    return time.process_time() - start


def is_equal(ours, theirs):
    return all(same(ours[name], theirs[field]) for name, field in COLUMNS.items())


def bench(path, runs):
    """Yield what is below its goal."""
    frame = our_events(path)
    for name, rival in RIVALS.items():
        if not is_equal(frame, rival(path)):
            sys.exit(f"{name} holds other values")
        pairs = [(cpu(rival, path), cpu(our_events, path)) for _ in range(runs)]
        theirs, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(one / other for one, other in pairs)
        goal = GOALS.get(name, 0)
        note = f"(goal {goal:g}x)" if goal else ""
        print(
            f"{name:<22} {ratio:6.1f}x  {theirs:7.2f} s, ours {ours:.2f} s  {note}",
            flush=True,
        )
        if ratio < GATE * goal:
            yield name


def bench_memory(path):
    """Yield what is below its goal."""
    theirs, ours = peak(naive_events, path), peak(our_events, path)
    print(f"peak memory, official SDK: {theirs / ours:.1f}x  {theirs:.0f} MiB, ours {ours:.0f} MiB")
    if theirs / ours < GATE * GOALS["memory"]:
        yield "memory"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100,000 events, one run; no gates")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "body.sse")
        write_body(path, FEW if options.quick else MANY)
        missed = [*bench(path, 1 if options.quick else 5)]
        missed += [] if options.quick else bench_memory(path)
    if missed and not options.quick:
        sys.exit(f"below the goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
