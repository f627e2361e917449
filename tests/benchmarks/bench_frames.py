"""Measures the frames against what one would write with the published SDK and pandas.

    python tests/benchmarks/bench_frames.py [--quick] [--json FILE]

CPU time, the median of five runs, both sides in this one run on this one machine; peak
memory in a process of its own. Every comparison first checks that both sides hold the same
values, column by column. The gates stand at three quarters of the goals.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pandas as pd
from aod.stream import iter_sse

from aod_notebook import frames

GOALS = {"events": 13.0, "memory": 4.0, "messages": 3.0, "run_events": 5.5}
GATE = 0.75
CHUNK = 1 << 16
MANY = 1_000_000
SESSION = "8d0c0000-0000-4000-8000-000000000000"


def write_body(path, count):
    """A replayed session of `count` outputs of 126 bytes."""
    filler = "x" * 118
    with path.open("wb") as file:
        file.write(
            b'data: {"type": "start", "runtime": "claude", "session_id": "%s"}\n\n'
            % SESSION.encode()
        )
        file.write(b'data: {"type": "turn_start", "id": 1, "turn": 1}\n\n')
        for number in range(1, count + 1):
            data = f"{number:07d}{filler}\n"
            fields = {"type": "output", "id": number, "stream": "stdout", "data": data, "turn": 1}
            file.write(b"id: %d\ndata: %s\n\n" % (number, json.dumps(fields).encode()))
        file.write(b'id: %d\ndata: {"type": "exit", "id": %d, "code": 0}\n\n' % (count, count))


def chunks_of(path):
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def naive_events(path):
    response = httpx.Response(200, content=chunks_of(path))
    return pd.json_normalize([event.model_dump() for event in iter_sse(response)])


def our_events(path):
    return frames.decode_events(chunks_of(path))


def same_events(ours, naive):
    pairs = {
        "type": "type",
        "event_id": "id",
        "turn": "extra.turn",
        "stream": "extra.stream",
        "data": "extra.data",
        "exit_code": "extra.code",
    }
    return all(same(ours[left], naive[right]) for left, right in pairs.items())


def claude_lines(count, times=1):
    """Lines of a long session: thinking, text, calls and results, usage repeated per block.

    With `times`, their texts are so many times as long.
    """
    lines = []
    for number in range(count // 4):
        usage = {
            "input_tokens": 5,
            "output_tokens": 70,
            "cache_read_input_tokens": 9000,
            "cache_creation_input_tokens": 300,
        }
        message = {"id": f"msg_{number}", "role": "assistant", "model": "m", "usage": usage}
        call = {"command": f"grep -rn word_{number} src", "description": "Look for the word"}
        blocks = [
            {
                "type": "thinking",
                "thinking": "Where is it used? " * 8 * times,
                "signature": "c2ln" * 20,
            },
            {"type": "text", "text": "I'll look for it in the sources. " * 4 * times},
            {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": call},
        ]
        lines += [
            {
                "type": "assistant",
                "message": {
                    **message,
                    "content": [block],
                    "stop_reason": "tool_use" if block is blocks[-1] else None,
                },
                "parent_tool_use_id": None,
                "session_id": SESSION,
                "uuid": f"u{number}-{at}",
            }
            for at, block in enumerate(blocks)
        ]
        told = {
            "type": "tool_result",
            "tool_use_id": f"toolu_{number}",
            "content": "src/a.py:1: x\n" * 20 * times,
        }
        lines.append(
            {
                "type": "user",
                "message": {"role": "user", "content": [told]},
                "parent_tool_use_id": None,
                "session_id": SESSION,
                "uuid": f"v{number}",
            }
        )
    return [json.dumps(line, separators=(",", ":")) + "\n" for line in lines]


def naive_messages(events):
    """Join, split, json.loads, a dict per block, json_normalize: the usual notebook cell."""
    lines = [json.loads(line) for line in "".join(events["data"]).splitlines()]
    rows = [
        {**line, "message": {**line["message"], "content": None}, "block": block}
        for line in lines
        for block in line["message"]["content"]
    ]
    frame = pd.json_normalize(rows)
    frame["input"] = [
        json.dumps(row["block"]["input"]) if row["block"]["type"] == "tool_use" else None
        for row in rows
    ]
    last = ~frame["message.id"].duplicated(keep="last") & frame["message.id"].notna()
    for name in ("input_tokens", "output_tokens"):
        frame[name] = frame[f"message.usage.{name}"].where(last).astype("Int64")
    return frame


def same_messages(ours, naive):
    text = naive["block.text"].fillna(naive["block.thinking"]).fillna(naive["block.content"])
    pairs = {
        "line_type": naive["type"],
        "message_id": naive["message.id"],
        "block": naive["block.type"],
        "text": text,
        "tool": naive["block.name"],
        "tool_use_id": naive["block.id"].fillna(naive["block.tool_use_id"]),
        "input_tokens": naive["input_tokens"],
        "output_tokens": naive["output_tokens"],
    }
    return all(same(ours[name], other) for name, other in pairs.items())


def same(left, right):
    left, right = left.astype(object), right.astype(object)
    return bool(((left == right) | (left.isna() & right.isna())).all())


def cpu(ours, naive, argument, runs):
    """Median CPU seconds of both sides, run in turn so that a busy machine hits both."""
    times = {ours: [], naive: []}
    for _ in range(runs):
        for function in (ours, naive):
            start = time.process_time()
            function(argument)
            times[function].append(time.process_time() - start)
    return statistics.median(times[ours]), statistics.median(times[naive])


def _peak(function, argument, answer):
    before = status("VmRSS")
    function(argument)
    answer.put(status("VmHWM") - before)


def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def peak(function, argument):
    """Peak memory in MiB that a call adds, in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(function, argument, answer))
    process.start()
    value = answer.get()
    process.join()
    return value


def bench_events(folder, counts, runs):
    for count in counts:
        path = folder / f"{count}.sse"
        write_body(path, count)
        if not same_events(our_events(path), naive_events(path)):
            sys.exit("events: the two sides hold different values")
        ours, naive = cpu(our_events, naive_events, path, runs)
        yield row(
            f"SSE bytes to pandas, {count:,} events",
            naive / ours,
            GOALS["events"],
            f"{count / ours:,.0f} events/s",
        )
        if count >= MANY:
            ours, naive = peak(our_events, path), peak(naive_events, path)
            note = f"{ours:.0f} MiB"
            yield row(f"peak memory, {count:,} events", naive / ours, GOALS["memory"], note)
        path.unlink()


def bench_messages(count, runs):
    lines = claude_lines(count)
    body = b"".join(
        b"id: %d\ndata: %s\n\n"
        % (
            n,
            json.dumps(
                {"type": "output", "id": n, "stream": "stdout", "data": line, "turn": 1}
            ).encode(),
        )
        for n, line in enumerate(lines, 1)
    )
    events = frames.decode_events(body, SESSION)
    if not same_messages(frames.messages_from_events(events), naive_messages(events)):
        sys.exit("messages: the two sides hold different values")
    ours, naive = cpu(frames.messages_from_events, naive_messages, events, runs)
    yield row(
        f"Claude lines to messages, {count:,} lines",
        naive / ours,
        GOALS["messages"],
        f"{count / ours:,.0f} lines/s",
    )


def write_run(path, count):
    """The events of a long run: calls and returns of tools, answers of a model."""
    with path.open("w") as file:
        file.write('{"data": [')
        for number in range(1, count + 1):
            payload = {"tool": "search", "input": {"query": f"word {number}", "limit": 10}}
            if number % 3 == 0:
                payload = {
                    "model": "m",
                    "response": "x" * 80,
                    "input_tokens": 9,
                    "output_tokens": 4,
                }
            fields = {
                "id": f"e{number}",
                "sequence_number": number,
                "type": "llm.response" if number % 3 == 0 else "tool.called",
                "level": "info",
                "occurred_at": f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}.000125Z",
                "payload": payload,
            }
            file.write((", " if number > 1 else "") + json.dumps(fields))
        file.write("]}")


def naive_run(path):
    frame = pd.json_normalize(json.loads(path.read_bytes())["data"])
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], utc=True)
    return frame


def our_run(path):
    return frames.decode_run_events(path.read_bytes())


def same_run(ours, naive):
    pairs = {
        "order": "sequence_number",
        "event_id": "id",
        "type": "type",
        "occurred_at": "occurred_at",
        "tool": "payload.tool",
        "model": "payload.model",
        "input_tokens": "payload.input_tokens",
        "output_tokens": "payload.output_tokens",
    }
    return all(same(ours[left], naive[right]) for left, right in pairs.items())


def bench_run_events(folder, count, runs):
    path = folder / "run.json"
    write_run(path, count)
    if not same_run(our_run(path), naive_run(path)):
        sys.exit("run_events: the two sides hold different values")
    ours, naive = cpu(our_run, naive_run, path, runs)
    note = f"{count / ours:,.0f} events/s"
    yield row(f"AgentOS JSON to run_events, {count:,}", naive / ours, GOALS["run_events"], note)


def row(name, ratio, goal, note):
    print(f"{name:<45} {ratio:6.1f}x  (goal {goal:g}x)  {note}", flush=True)
    return {"name": name, "ratio": ratio, "goal": goal, "note": note}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100k events, one run; no gates")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    runs = 1 if options.quick else 5
    rows = []
    with tempfile.TemporaryDirectory() as name:
        counts = (100_000,) if options.quick else (100_000, MANY)
        rows += bench_events(Path(name), counts, runs)
        rows += bench_run_events(Path(name), 20_000 if options.quick else 200_000, runs)
    rows += bench_messages(20_000 if options.quick else 100_000, runs)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    slow = [r["name"] for r in rows if r["ratio"] < GATE * r["goal"]]
    if slow and not options.quick:
        sys.exit(f"below three quarters of the goal: {', '.join(slow)}")


if __name__ == "__main__":
    main()
