"""Checks that frames grow with their input: time in proportion, memory within bounds.

    python tests/benchmarks/bench_scale.py [--quick | --large]

CPU time per row at 10,000, 100,000 and 1,000,000 rows, the best of three runs each, and with
`--large` at 10,000,000 events and 3,000,000 events of runs; the peak
memory of a whole process that decodes a stream of 1,000,000 events (the kernel's `VmHWM`; `ru_maxrss` would
count the parent's memory too). The command
fails when a row of the largest input takes half as long again as one of the smallest, or when
the process takes more than 600 MB.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from bench_frames import SESSION, claude_lines, our_events, our_run, status, write_body, write_run

from aod_notebook import frames

SIZES = (10_000, 100_000, 1_000_000)
LARGEST = {"events": 10_000_000, "run_events": 3_000_000}
MOST_GROWTH = 1.5
MOST_MB = 600
RUNS = 3


def write_transcript(path, count):
    """A replayed session of `count` lines of Claude's."""
    with path.open("wb") as file:
        for number, line in enumerate(claude_lines(count), 1):
            fields = {"type": "output", "id": number, "stream": "stdout", "data": line, "turn": 1}
            file.write(b"id: %d\ndata: %s\n\n" % (number, json.dumps(fields).encode()))


def our_messages(path):
    with path.open("rb") as file:
        return frames.messages_from_events(frames.decode_events(file, SESSION))


CASES = {
    "events": (write_body, our_events),
    "run_events": (write_run, our_run),
    "messages": (write_transcript, our_messages),
}


def seconds(function, path):
    """Least CPU seconds of a call."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        function(path)
        times.append(time.process_time() - start)
    return min(times)


def growth(folder, name, sizes):
    """How much longer a row takes at the largest size than at the smallest."""
    write, make = CASES[name]
    each = []
    for size in sizes:
        path = folder / f"{name}.{size}"
        write(path, size)
        each.append(seconds(make, path) / size * 1e6)
        path.unlink()
    ratio = each[-1] / each[0]
    told = ", ".join(f"{one:.2f}" for one in each)
    label = f"{name}, {sizes[0]:,} to {sizes[-1]:,} rows"
    print(f"{label:<45} {ratio:6.2f}x  (at most {MOST_GROWTH:g}x)  µs a row: {told}", flush=True)
    return ratio


def _peak(path, answer):
    frame = our_events(path)
    answer.put((len(frame), status("VmHWM") * 2**20 / 1e6))


def peak(folder, count):
    """Peak memory in MB of a fresh process that decodes that many events."""
    path = folder / "events"
    write_body(path, count)
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(path, answer))
    process.start()
    rows, megabytes = answer.get(timeout=600)
    process.join()
    label = f"peak memory of a process, {rows:,} events"
    print(f"{label:<45} {megabytes:6.0f} MB (at most {MOST_MB} MB)", flush=True)
    return megabytes


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="up to 100,000 rows; no gates")
    size.add_argument("--large", action="store_true", help="up to 10,000,000 rows")
    options = parser.parse_args()
    sizes = SIZES[:-1] if options.quick else SIZES
    missed = []
    with tempfile.TemporaryDirectory() as name:
        more = LARGEST if options.large else {}
        grown = {
            case: growth(Path(name), case, (*sizes, more[case]) if case in more else sizes)
            for case in CASES
        }
        if options.large:
            print(f"peak memory of this process: {status('VmHWM') / 1024:.1f} GiB", flush=True)
        missed += [f"{case} grow too fast" for case, ratio in grown.items() if ratio > MOST_GROWTH]
        if peak(Path(name), sizes[-1]) > MOST_MB:
            missed.append("a process takes too much memory")
    if missed and not options.quick:
        sys.exit("; ".join(missed))


if __name__ == "__main__":
    main()
