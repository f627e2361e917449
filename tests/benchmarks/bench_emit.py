"""Measures reporting to AgentOS against the published SDK: `emit` in a tight loop.

    python tests/benchmarks/bench_emit.py [--quick] [--json FILE]

Each side reports one run in a child process, to a counting service in another; delivery is
counted by the service, from the first event to the last, after the client has closed. The
median of the runs. The floor (`emit_floor`) does the least that still loses nothing, and shows
what one process can deliver at all. The gates stand at three quarters of the goal for `emit`, and
at a quarter of the floor for delivery.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "tools"), str(ROOT / "tests" / "faults")]

from agentos_faults import Row, run_row  # noqa: E402 - found by the path above
from agentos_sdks import NEWEST, folder  # noqa: E402 - found by the path above

GOALS = {"emit p99": 100.0, "delivered per second": 20.0}
GATE, FLOOR_GATE = 0.75, 0.25
FLOOR = Path(__file__).parent / "emit_floor"
THREADS = 2


def measure(sdk, events, runs):
    row = Row("server answering at once", events=events)
    results = [run_row(row, sdk) for _ in range(runs)]
    return {
        "emit p50 µs": statistics.median(each["emit p50 µs"] for each in results),
        "emit p99 µs": statistics.median(each["emit p99 µs"] for each in results),
        "delivered/s": statistics.median(each["delivered/s"] for each in results),
        "lost": max(each["lost"] for each in results),
        "threads": max(each["threads"] for each in results),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one run")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    events, runs = (10_000, 1) if options.quick else (100_000, 5)
    ours = measure(None, events, runs)
    theirs = measure(str(folder(NEWEST)), events, runs)
    floor = measure(str(FLOOR), events, runs)
    ratios = {
        "emit p99": theirs["emit p99 µs"] / ours["emit p99 µs"],
        "delivered per second": ours["delivered/s"] / theirs["delivered/s"],
    }
    floors = {
        "emit p99": theirs["emit p99 µs"] / floor["emit p99 µs"],
        "delivered per second": floor["delivered/s"] / theirs["delivered/s"],
    }
    print(f"{events} events, {runs} run(s)")
    for name in ours:
        sides = {"ours": ours, f"pyagentos {NEWEST}": theirs, "floor": floor}
        print(f"  {name:<14}", *(f"{side} {each[name]:>12,.1f}  " for side, each in sides.items()))
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.1f} times (goal {GOALS[name]:g}, floor {floors[name]:.1f})")
    missed = []
    if ratios["emit p99"] < GOALS["emit p99"] * GATE and not options.quick:
        missed.append("emit p99")
    if ours["delivered/s"] < floor["delivered/s"] * FLOOR_GATE:
        missed.append("a quarter of the floor's delivery")
    if ours["lost"] or ours["threads"] > THREADS:
        missed.append("nothing lost, at most two threads")
    if options.json:
        numbers = {"ours": ours, "theirs": theirs, "floor": floor, "ratios": ratios}
        options.json.write_text(json.dumps(numbers, indent=1))
    if missed:
        print("missed:", ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
