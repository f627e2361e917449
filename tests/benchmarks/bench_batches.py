"""Measures what reads many runs in one pass, against limits on one core.

    python tests/benchmarks/bench_batches.py [--quick]

CPU time, the median of five runs.
"""

import argparse
import json
import statistics
import sys
import time

from aod_notebook import frames, plots

RUNS, EVENTS, DEEP = 5_000, 8, 20_000
MOST_SECONDS = 2.0
MOST_GROWTH = 3.0


def run_events(runs):
    """Short runs: a span around others, and calls that were reported as events."""
    data = []
    for run in range(runs):
        for number in range(1, EVENTS + 1):
            fields = {
                "id": f"e{run}-{number}",
                "run_id": f"r{run}",
                "sequence_number": number,
                "type": "tool.called" if number == 1 else "step",
                "occurred_at": f"2026-01-01T00:00:0{number}Z",
                "payload": {"tool": "search"} if number == 1 else {},
            }
            if number > 1:
                fields |= {"span_id": f"s{number}", "duration_ms": 900}
                fields |= {"parent_span_id": f"s{number // 2}"} if number > 3 else {}
            data.append(fields)
    return frames.decode_run_events(json.dumps({"data": data}).encode())


def chain(depth):
    """A run whose spans stand one within the other."""
    data = [
        {
            "id": f"e{number}",
            "run_id": "r",
            "sequence_number": number,
            "type": "step",
            "span_id": f"s{number}",
            **({"parent_span_id": f"s{number - 1}"} if number > 1 else {}),
        }
        for number in range(1, depth + 1)
    ]
    return frames.decode_run_events(json.dumps({"data": data}).encode())


def cpu(function, argument, runs):
    """Median CPU seconds of a call."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        function(argument)
        times.append(time.process_time() - start)
    return statistics.median(times)


def bench_runs(events, runs):
    """Yield what is too slow."""
    for name, function in (
        ("spans", frames.spans_from_run_events),
        ("tools", plots.tools_df),
        ("latency", plots.latency_df),
    ):
        took = cpu(function, events, runs)
        print(f"{name} of {len(events):,} events: {took:.2f} s (most {MOST_SECONDS} s)", flush=True)
        if took > MOST_SECONDS:
            yield f"{name} of many runs"


def bench_deep(depth, runs):
    """Yield what grows faster than its input."""
    half, whole = (
        cpu(frames.spans_from_run_events, chain(size), runs) for size in (depth // 2, depth)
    )
    print(f"spans {depth:,} deep: {whole:.2f} s, {whole / half:.1f} times those half as deep")
    if whole / half > MOST_GROWTH:
        yield "deep spans"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small inputs, one run; no gates")
    options = parser.parse_args()
    runs, part = (1, 10) if options.quick else (5, 1)
    slow = [*bench_runs(run_events(RUNS // part), runs), *bench_deep(DEEP // part, runs)]
    if slow and not options.quick:
        sys.exit(f"too slow: {', '.join(slow)}")


if __name__ == "__main__":
    main()
