"""Measures transcripts and usage against a bare scan: typed decoding of the same lines, nothing kept.

    python tests/benchmarks/bench_scan.py [--quick]

The scan hands slices of 512 kB to msgspec, with types that have what the frame needs and no more; no
way of decoding costs less. CPU time, the median of the ratios of five pairs. The usage is that of
generated logs, files read included, and has to be the same on both sides.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import msgspec
from bench_frames import SESSION, claude_lines
from bench_logs import Logs, total_of
from bench_store import cpu

from aod_notebook import frames

RUNS = 5
SLICE = 512_000


class Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str | None = None


class Thinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    text: str | None = msgspec.field(default=None, name="thinking")


class ToolUse(msgspec.Struct, tag_field="type", tag="tool_use", gc=False):
    tool_use_id: str | None = msgspec.field(default=None, name="id")
    tool: str | None = msgspec.field(default=None, name="name")


class ToolUseWithInput(ToolUse, tag_field="type", tag="tool_use", gc=False):
    input: msgspec.Raw = msgspec.Raw()


class ToolResult(msgspec.Struct, tag_field="type", tag="tool_result", gc=False):
    tool_use_id: str | None = None
    text: str | None = msgspec.field(default=None, name="content")
    is_error: bool | None = None


class Usage(msgspec.Struct, gc=False):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


class Message(msgspec.Struct, gc=False):
    content: list[Text | Thinking | ToolUse | ToolResult]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None


class Line(msgspec.Struct, gc=False):
    type: str
    message: Message
    subtype: str | None = None
    uuid: str | None = None
    parent_tool_use_id: str | None = None


class CallMessage(msgspec.Struct, gc=False):
    content: list[Text | Thinking | ToolUseWithInput | ToolResult]


class CallLine(msgspec.Struct, gc=False):
    type: str
    message: CallMessage
    parent_tool_use_id: str | None = None


class UsedMessage(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class UsedLine(msgspec.Struct, gc=False):
    type: str
    timestamp: str | None = None
    message: UsedMessage | None = None


def slices(data):
    """Cut lines into slices of about 512 kB."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + SLICE) + 1 or len(data)
        yield memoryview(data)[start:end]
        start = end


def scan(data, decoder):
    return sum(len(decoder.decode_lines(part)) for part in slices(data))


def scanned_usage(home, decoder):
    """Add up the usage of logs by message."""
    found = {}
    for path in home.rglob("*.jsonl"):
        for part in slices(path.read_bytes()):
            messages = [line.message for line in decoder.decode_lines(part)]
            found |= {one.id: one.usage for one in messages if one is not None and one.usage}
    return sum(usage.input_tokens + usage.output_tokens for usage in found.values())


def row(name, ours, bare, most, runs):
    """Print a ratio; return it with what it may be at most."""
    pairs = [(cpu(ours), cpu(bare)) for _ in range(runs)]
    ratio = statistics.median(one / other for one, other in pairs)
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:<40} {ratio:5.1f} scans (at most {most:g})  {one:.3f} s, scan {other:.3f} s",
        flush=True,
    )
    return name, ratio, most


def bench_transcripts(count, runs):
    lines = claude_lines(count, times=6)
    data = "".join(lines).encode()
    parts = (
        b"id: %d\ndata: %s\n\n" % (number, msgspec.json.encode(event))
        for number, event in enumerate(map(output, range(1, count + 1), lines), 1)
    )
    events = frames.decode_events(b"".join(parts), SESSION)
    messages, calls = msgspec.json.Decoder(Line), msgspec.json.Decoder(CallLine)
    if not scan(data, messages) == len(frames.messages_from_events(events)) == count:
        sys.exit("messages: the two sides hold different lines")
    print(f"{count:,} lines of Claude, {len(data) / count:,.0f} bytes each")
    for name, ours, decoder, most in (
        ("messages", lambda: frames.messages_from_events(events), messages, 5.5),
        (
            "messages without raw",
            lambda: frames.messages_from_events(events, exclude=["raw"]),
            messages,
            5.0,
        ),
        ("tool_calls", lambda: frames.tool_calls_from_events(events), calls, 5.5),
    ):
        yield row(name, ours, lambda decoder=decoder: scan(data, decoder), most, runs)


def output(number, line):
    return {"type": "output", "id": number, "stream": "stdout", "data": line, "turn": 1}


def bench_usage(folder, megabytes, runs):
    logs, decoder = Logs(folder, megabytes * 1e6), msgspec.json.Decoder(UsedLine)
    if not scanned_usage(folder, decoder) == total_of(frames.usage_df(folder)) == logs.tokens:
        sys.exit("usage: the two sides count different tokens")
    print(f"logs of {logs.bytes / 1e6:,.0f} MB in {logs.files} files")
    yield row(
        "usage_df",
        lambda: frames.usage_df(folder),
        lambda: scanned_usage(folder, decoder),
        2.5,
        runs,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller, one run; no gates")
    options = parser.parse_args()
    runs = 1 if options.quick else RUNS
    rows = [*bench_transcripts(4_000 if options.quick else 40_000, runs)]
    with tempfile.TemporaryDirectory() as name:
        rows += bench_usage(Path(name), 5 if options.quick else 50, runs)
    missed = [name for name, ratio, most in rows if ratio > most]
    if missed and not options.quick:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
