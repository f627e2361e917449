"""Measures keeping an events frame with `frames.to_parquet` against the plain pandas ways.

    python tests/benchmarks/bench_parquet.py [--quick]

CPU time, the median of five runs, and the size of the files, for one frame of a million events:
as CSV, read back with its dtypes given again, and with `DataFrame.to_parquet()`. Ours has to
give the frame back exactly, the others the same values column by column. The command fails where
a ratio is below three quarters of its goal: against plain Parquet the goal is not to be slower
by more than the better compression costs.
"""

import argparse
import hashlib
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from bench_frames import GATE, chunks_of, row, same

from aod_notebook import frames

MANY, FEW = 1_000_000, 100_000
GOALS = {
    "CSV": {"write": 4.0, "read": 3.0, "size": 2.5},
    "plain Parquet": {"write": 0.7, "read": 0.8, "size": 1.5},
}


def write_body(path, count):
    """A replayed session of `count` outputs of 126 bytes, in words of many kinds."""
    words = [hashlib.sha256(b"%d" % n).hexdigest()[: 2 + n % 8] for n in range(5000)]
    dice = random.Random(1)
    with path.open("wb") as file:
        for number in range(1, count + 1):
            data = f"{number:07d} {' '.join(dice.choices(words, k=22))}"[:125] + "\n"
            fields = {"type": "output", "id": number, "stream": "stdout", "data": data, "turn": 1}
            file.write(b"id: %d\ndata: %s\n\n" % (number, json.dumps(fields).encode()))


def read_csv(path):
    """The usual way back: the dtypes have to be known, and times are parsed on their own."""
    schema = frames.SCHEMAS["events"]
    times = [column.name for column in schema.columns if column.dtype == "datetime"]
    dtypes = {c.name: c.pandas_dtype for c in schema.columns if c.name not in times}
    frame = pd.read_csv(path, dtype=dtypes)
    for name in times:
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame


WAYS = {
    "ours": (frames.to_parquet, frames.read_parquet),
    "CSV": (lambda frame, path: frame.to_csv(path, index=False), read_csv),
    "plain Parquet": (lambda frame, path: frame.to_parquet(path), pd.read_parquet),
}


def cpu(function, *arguments):
    """CPU seconds of a call."""
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def measure(frame, folder, runs):
    """Seconds to write and to read, and the size, of every way; run in turn."""
    times = {way: {"write": [], "read": []} for way in WAYS}
    for _ in range(runs):
        for way, (write, read) in WAYS.items():
            times[way]["write"].append(cpu(write, frame, folder / way))
            times[way]["read"].append(cpu(read, folder / way))
    told = {
        way: {what: statistics.median(t) for what, t in of.items()} for way, of in times.items()
    }
    for way, of in told.items():
        of["size"] = (folder / way).stat().st_size / 1e6
    return told


def check(frame, folder):
    """Every way holds the frame's values, and ours the frame itself."""
    back = frames.read_parquet(folder / "ours")
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    if back.attrs != frame.attrs:
        sys.exit("ours lost the attributes")
    for way, (_, read) in WAYS.items():
        other = read(folder / way)
        if not all(same(frame[name], other[name]) for name in frame.columns):
            sys.exit(f"{way} holds other values")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100k events, one run; no gates")
    options = parser.parse_args()
    count, runs = (FEW, 1) if options.quick else (MANY, 5)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        body = Path(name, "body.sse")
        write_body(body, count)
        frame = frames.decode_events(chunks_of(body))
        told = measure(frame, Path(name), runs)
        check(frame, Path(name))
    for way, goals in GOALS.items():
        for what, goal in goals.items():
            ours, other = told["ours"][what], told[way][what]
            note = f"{ours:.2f} instead of {other:.2f} {'MB' if what == 'size' else 's'}"
            rows.append(row(f"{what}, against {way}, {count:,} events", other / ours, goal, note))
    missed = [r["name"] for r in rows if r["ratio"] < GATE * r["goal"]]
    if missed and not options.quick:
        sys.exit(f"below three quarters of the goal: {', '.join(missed)}")


if __name__ == "__main__":
    main()
