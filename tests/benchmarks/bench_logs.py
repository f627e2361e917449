"""Measures the import of Claude Code's logs, beside `ccusage` on the same files.

    python tests/benchmarks/bench_logs.py [--quick]

The logs are generated: sessions with tool calls, half of whose bytes are blobs of requests and
attachments, as in real logs; each session has a fork that repeats its lines. Shown are CPU time
and MB/s for a whole import, for one that finds nothing new, and for a bare typed scan of the
usage, and the tokens that each tool counts. `ccusage` (npm) is installed into a temporary folder
and runs with its flag `--offline`; it is left out without npm. It knows a repeated answer by the id
of its message and of its request. So it is right here, and too high on the samples of the tests:
the model that answered there sent no id of a request, as some gateways do not. The command fails if our total is
not the true one.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import msgspec

from aod_notebook import frames

MB, QUICK_MB = 100, 10
SAMPLES = Path(__file__).parents[1] / "logs" / "samples" / "home" / ".claude"
CCUSAGE = "ccusage@18.0.5"
"""The last version in JavaScript: later ones need a binary that not every registry has."""


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0


class _Message(msgspec.Struct):
    id: str | None = None
    usage: _Usage | None = None


class _Line(msgspec.Struct):
    type: str
    message: _Message | None = None


class Logs:
    """Writes sessions until there are so many bytes; knows the tokens that were billed."""

    def __init__(self, home, size):
        self._rng, self._root = random.Random(1), home / ".claude" / "projects"
        self._texts = ["".join(self._rng.choices("abcdefgh ijklmnop", k=4000)) for _ in range(50)]
        self.tokens = self.bytes = self.files = 0
        while self.bytes < size:
            self._session()

    def _id(self):
        return str(uuid.UUID(int=self._rng.getrandbits(128)))

    def _text(self, size):
        return (self._rng.choice(self._texts) * (size // 4000 + 1))[:size]

    def _line(self, kind, **fields):
        self._at += self._rng.random() * 9
        time_ = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self._at))
        usual = {"parentUuid": self._id(), "isSidechain": False, "type": kind, "uuid": self._id()}
        return usual | {"timestamp": time_, "cwd": "/srv/project", "version": "2.1.332", **fields}

    def _session(self):
        rng, self._at = self._rng, 1_772_000_000 + self.files * 4000
        lines = [line for _ in range(rng.randint(3, 12)) for line in self._turn()]
        origin, fork = self._id(), self._id()
        self._write(origin, lines)
        for line in lines:
            if line["type"] == "assistant":
                line["requestSessionId"] = origin
        if self.files % 5 == 0:
            self._write(fork, [*(one for one in lines if "uuid" in one), *self._turn()])

    def _turn(self):
        rng = self._rng
        yield self._line("user", message={"role": "user", "content": self._text(200)})
        for _ in range(rng.randint(3, 20)):
            usage = {"input_tokens": rng.randint(1, 50), "output_tokens": rng.randint(10, 900)}
            usage |= {"cache_read_input_tokens": 50_000, "cache_creation_input_tokens": 900}
            self.tokens += usage["input_tokens"] + usage["output_tokens"]
            message = {"id": f"msg_{self._id()}", "model": "claude-sonnet-4-6", "usage": usage}
            request, call = f"req_{self._id()}", f"toolu_{self._id()}"
            text = [{"type": "text", "text": self._text(200)}]
            tool = {"type": "tool_use", "id": call, "name": "Bash"}
            used = [tool | {"input": {"command": self._text(150)}}]
            for content in (text, used):
                yield self._line(
                    "assistant", requestId=request, message={**message, "content": content}
                )
            if rng.random() < 0.4:
                yield {"type": "api-request-blob", "data": self._text(20_000)}
            if rng.random() < 0.2:
                yield self._line("attachment", attachment={"content": self._text(15_000)})
            output = self._text(int(rng.expovariate(1 / 2500)))
            result = {"type": "tool_result", "tool_use_id": call, "content": output}
            yield self._line(
                "user", message={"content": [result]}, toolUseResult={"stdout": output}
            )

    def _write(self, session, lines):
        path = self._root / f"-srv-p{self.files % 20}" / f"{session}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps({**one, "sessionId": session}) + "\n" for one in lines)
        path.write_text(text)
        self.files += 1
        self.bytes += len(text)


def measured(do):
    """Return CPU seconds and what came of it."""
    start = time.process_time()
    made = do()
    return time.process_time() - start, made


def scan(home):
    """Add up usage by message with a typed decoder: the least that any right count has to do."""
    decode = msgspec.json.Decoder(_Line).decode
    found = {}
    for path in home.rglob("*.jsonl"):
        for raw in path.read_bytes().split(b"\n"):
            if b'"assistant"' in raw and (message := decode(raw).message) and message.usage:
                found[message.id] = message.usage
    return sum(usage.input_tokens + usage.output_tokens for usage in found.values())


def ccusage(home, folder):
    """Return CPU seconds and tokens of ccusage; None without npm."""
    if shutil.which("npm") is None:
        return None
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), CCUSAGE]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        return None
    argv = [str(folder / "node_modules" / ".bin" / "ccusage"), "daily", "--offline", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(
        argv, env={**os.environ, "HOME": str(home)}, capture_output=True, check=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    totals = json.loads(ran.stdout)["totals"]
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds, totals["inputTokens"] + totals["outputTokens"]


def main():
    """Print the table; the exit code is 1 if our total is wrong."""
    parser = argparse.ArgumentParser(description="The import of logs, beside ccusage.")
    parser.add_argument("--quick", action="store_true", help="fewer logs")
    size = (QUICK_MB if parser.parse_args().quick else MB) * 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logs = Logs(folder / "home", size)
        home, store = folder / "home", folder / "store"
        print(f"{logs.bytes / 1e6:,.0f} MB in {logs.files} files, {logs.tokens:,} tokens billed\n")
        seconds, _ = measured(lambda: frames.import_logs(home, into=store))
        used = frames.scan(store).frame("model_usage")
        total = int(used["input_tokens"].sum() + used["output_tokens"].sum())
        rows = [("import", seconds, total)]
        rows.append(("import, unchanged", *measured(lambda: frames.import_logs(home, into=store))))
        rows.append(("bare typed scan", *measured(lambda: scan(home))))
        rival = ccusage(home, folder / "npm")
        if rival is not None:
            rows.append((CCUSAGE, *rival))
        print(f"{'':20}{'CPU s':>9}{'MB/s':>9}{'tokens':>14}{'of the bill':>13}")
        for title, took, found in rows:
            known = isinstance(found, int)
            counted = f"{found:>14,}{found / logs.tokens:>12.2f}x" if known else ""
            print(f"{title:20}{took:>9.2f}{logs.bytes / 1e6 / took:>9.0f}{counted}")
        print(
            f"\nmemory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB"
        )
        if rival is not None:
            ours = frames.model_usage_df(SAMPLES)[["input_tokens", "output_tokens"]].sum().sum()
            theirs = ccusage(SAMPLES.parent, folder / "npm")[1]
            print(f"samples of the tests: ours {ours:,}, {CCUSAGE} {theirs:,}")
    return 0 if total == logs.tokens else 1


if __name__ == "__main__":
    sys.exit(main())
