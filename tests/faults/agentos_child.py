"""One process that reports a run by one SDK, measures itself, and ends in some way.

It prints one JSON object. How many events it has emitted is in a file that survives its
death, so that the parent knows what should have arrived.
"""

# ruff: noqa: BLE001, T201 - an SDK under test may raise anything; the output is the result

from __future__ import annotations

import contextlib
import json
import mmap
import os
import resource
import struct
import sys
import threading
import time
from pathlib import Path


def main(arguments):
    options = json.loads(arguments[0])
    if limit := os.environ.get("AGENTOS_FAULTS_FSIZE"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    if options.get("path"):
        sys.path.insert(0, options["path"])
        import agentos as sdk
    else:
        import aod_notebook.agentos as sdk
    with Path(options["counter"]).open("r+b") as file:
        counter = mmap.mmap(file.fileno(), 16)
    client = sdk.AgentOS(
        api_key="aos_agent_for-faults", agent_id="a1", base_url=options["url"], **options["client"]
    )
    if options["how"] == "adopt":
        begun = time.monotonic()
        client.flush(timeout=options["patience"])
        print(json.dumps({"adopted_s": time.monotonic() - begun}), flush=True)
        client.close()
        return
    begun = time.monotonic()
    try:
        run = client.start_run(external_run_id=options["run"])
    except Exception as error:
        print(json.dumps({"start_error": type(error).__name__}), flush=True)
        return
    started = time.monotonic() - begun
    if options["how"] == "fork":
        fork_and_emit(run, client, options, counter)
        return
    times = emit(run, options, counter, 0, options["events"])
    threads = threading.active_count()
    result = {
        "start_s": started,
        "p50": times[len(times) // 2],
        "p99": times[len(times) * 99 // 100],
        "threads": threads,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    if options["how"] == "_exit":
        print(json.dumps(result), flush=True)
        os._exit(0)
    if options["how"] == "wait":
        print(json.dumps(result), flush=True)
        sys.stdin.read()
        return
    if options["how"] == "complete":
        begun = time.monotonic()
        try:
            run.complete(**options["complete"])
        except Exception as error:
            result["complete_error"] = type(error).__name__
        result["complete_s"] = time.monotonic() - begun
    result["threads"] = max(threads, threading.active_count())
    result["ended"] = time.time()
    print(json.dumps(result), flush=True)


def emit(run, options, counter, first, last):
    pause = 1 / options["rate"] if options["rate"] else 0.0
    times = []
    clock = time.perf_counter
    due = clock()
    for number in range(first, last):
        kind = "bad" if options["bad"] and number == options["bad"] else "step"
        begun = clock()
        try:
            run.emit(kind, {"i": number, "text": "some text of an ordinary event"})
        except Exception:
            continue
        times.append(clock() - begun)
        counter[:8] = struct.pack("<q", number + 1)
        if pause:
            due += pause
            time.sleep(max(0.0, due - clock()))
    return sorted(times)


def fork_and_emit(run, client, options, counter):
    """Fork while a thread emits; both processes emit half of what is left."""
    half = options["events"] // 2
    thread = threading.Thread(target=emit, args=(run, options, counter, 0, half))
    thread.start()
    while struct.unpack("<q", counter[:8])[0] < 50:
        time.sleep(0.001)
    child = os.fork()
    if child == 0:
        emit(run, options, counter, half, options["events"])
        client.flush()
        sys.stdout.close()
        os._exit(0)
    thread.join()
    os.waitpid(child, 0)
    begun = time.monotonic()
    with contextlib.suppress(Exception):
        run.complete()
    result = {"complete_s": time.monotonic() - begun, "threads": threading.active_count()}
    print(json.dumps(result | {"ended": time.time()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
