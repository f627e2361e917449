"""Measures the import of Claude Code's logs, beside `ccusage` on the same files.

    python tests/benchmarks/bench_logs.py [--quick | --gigabyte]

The logs are generated: sessions with tool calls, half of whose bytes are blobs of requests and
attachments, as in real logs; every fifth session has a fork that repeats its lines. Shown are CPU
time, MB/s and the tokens that each way counts, for

- a scan of the usage: every line decoded with a type that has no more than the usage;
- `usage_df`, a whole import, one that finds nothing new, and one by two processes: the
  elapsed time, and the CPU time of the busier one, which tells on a busy machine what two cores of
  their own would do;
- `ccusage` (npm), which is installed into a temporary folder and runs with its flag `--offline`. It
  is left out without npm. It knows a repeated answer by the id of its message and of its request.
  So it is right here, and too high on the samples of the tests: the model that answered there sent
  no id of a request, as some gateways do not.

Then 5,000 files in which nothing has changed, and the memory of a first import, its processes added
up. The command fails if a total of ours is not the true one.
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
import threading
import time
import uuid
from pathlib import Path

import msgspec

from aod_notebook import frames

MB, QUICK_MB, GIGABYTE_MB = 100, 10, 1000
FILES = 5000
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
        for raw in path.read_bytes().splitlines():
            message = decode(raw).message
            if message is not None and message.usage is not None:
                found[message.id] = message.usage
    return sum(usage.input_tokens + usage.output_tokens for usage in found.values())


def used(home):
    return total_of(frames.usage_df(home))


def total_of(table):
    return int(table["input_tokens"].sum() + table["output_tokens"].sum())


def imported(home, store, jobs=1):
    return total_of(frames.import_logs(home, into=store, jobs=jobs).frame("model_usage"))


def elapsed(do):
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def unchanged(folder):
    """Return the seconds of an import of many files of which none has changed, the best of five."""
    home = folder / "many"
    line = json.dumps({"type": "user", "uuid": "u", "message": {"content": "Count."}}) + "\n"
    for number in range(FILES):
        path = home / ".claude" / "projects" / f"-srv-p{number % 50}" / f"{number:08}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)
    frames.import_logs(home, into=folder / "kept")
    return min(elapsed(lambda: frames.import_logs(home, into=folder / "kept")) for _ in range(5))


class Memory(threading.Thread):
    """Watches the memory of a process and of those that it started (Linux only), in MB."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pid, self.most, self._done = pid, 0.0, threading.Event()

    def run(self):
        while not self._done.wait(0.05):
            self.most = max(self.most, sum(map(self._of, [self._pid, *self._children()])) / 1e3)

    def end(self):
        self._done.set()
        self.join()
        return self.most

    def _children(self):
        try:
            text = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text()
        except OSError:
            return []
        return [int(one) for one in text.split()]

    @staticmethod
    def _of(pid):
        """Return the kB of a process; of pages that it shares with others its part."""
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


APART = """
import resource, sys, time
from aod_notebook import frames
def cpu(of):
    used = resource.getrusage(of)
    return used.ru_utime + used.ru_stime
frames.prices.rates("claude-sonnet-4-6")
start, before = time.perf_counter(), cpu(resource.RUSAGE_SELF)
frames.import_logs(sys.argv[1], into=sys.argv[2], jobs=int(sys.argv[3]))
elapsed, own = time.perf_counter() - start, cpu(resource.RUSAGE_SELF) - before
print(elapsed, max(own, cpu(resource.RUSAGE_CHILDREN)))
"""


def apart(home, store, jobs):
    """Import in a fresh process, by one or two jobs.

    Returns:
        Seconds elapsed, CPU seconds of the busier process (with its start, if it was started
        for this), and the most memory of all together, in MB.
    """
    argv = [sys.executable, "-c", APART, home, store, str(jobs)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    memory = Memory(process.pid)
    memory.start()
    output, _ = process.communicate()
    elapsed, busiest = map(float, output.split())
    return elapsed, busiest, memory.end()


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


def table(home, folder, logs):
    """Print what each way takes and counts; return whether ours are right."""
    scanned, total = measured(lambda: scan(home))
    store = folder / "store"
    frames.prices.rates("claude-sonnet-4-6")  # loading the prices is no part of what is measured
    rows = [
        ("scan of the usage", scanned, total),
        ("usage_df", *measured(lambda: used(home))),
        ("import", *measured(lambda: imported(home, store))),
        ("import, unchanged", *measured(lambda: imported(home, store))),
    ]
    rival = ccusage(home, folder / "npm")
    rows += [] if rival is None else [(CCUSAGE, *rival)]
    print(f"{'':20}{'CPU s':>9}{'MB/s':>9}{'tokens':>14}{'of the bill':>13}")
    for title, took, found in rows:
        speed = logs.bytes / 1e6 / took
        print(f"{title:20}{took:>9.2f}{speed:>9.0f}{found:>14,}{found / logs.tokens:>12.2f}x")
    print(f"\nusage_df takes {rows[1][1] / scanned:.1f} scans of the usage")
    if rival is not None:
        ours, theirs = used(SAMPLES), ccusage(SAMPLES.parent, folder / "npm")[1]
        print(f"samples of the tests: ours {ours:,}, {CCUSAGE} {theirs:,}")
    return {rows[1][2], rows[2][2]} == {logs.tokens}


def main():
    """Print the figures; the exit code is 1 if a total of ours is wrong."""
    parser = argparse.ArgumentParser(description="The import of logs, beside ccusage.")
    parser.add_argument("--quick", action="store_true", help="fewer logs")
    parser.add_argument("--gigabyte", action="store_true", help="so many that memory shows")
    options = parser.parse_args()
    size = QUICK_MB if options.quick else GIGABYTE_MB if options.gigabyte else MB
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        logs = Logs(folder / "home", size * 1e6)
        home = folder / "home"
        print(f"{logs.bytes / 1e6:,.0f} MB in {logs.files} files, {logs.tokens:,} tokens billed\n")
        is_right = table(home, folder, logs)
        one, two = (apart(home, folder / f"store{jobs}", jobs) for jobs in (1, 2))
        for title, a, b in (("elapsed", one[0], two[0]), ("CPU of the busier", one[1], two[1])):
            print(f"{title}: one process {a:.1f} s, two {b:.1f} s, {a / b:.2f} x")
        print(f"memory at most: one process {one[2]:,.0f} MB, two {two[2]:,.0f} MB together")
        if not options.quick:
            print(f"{FILES:,} unchanged files: {unchanged(folder):.3f} s")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
