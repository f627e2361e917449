"""What becomes of events when things go wrong: ours and the published SDK side by side.

Usage: python tests/faults/agentos_faults.py [--short] [--row NAME]... [--ours]

Each row is one fault; each SDK lives it in child processes of its own, against a counting
service that is a process too. The command fails when a row is missing, or when ours loses an
event, duplicates one where the service knows event ids, or takes more than 2 s to exit.
"""

# ruff: noqa: T201 - a command that prints a table

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

COLUMNS = (
    "emit p50 µs", "emit p99 µs", "emitted", "lost", "duplicated", "threads", "memory MB",
    "complete s", "exit s", "delivered/s",
)  # fmt: skip
EXIT_LIMIT_S = 2.0
HANGS_AFTER_S = 60.0


@dataclass(frozen=True)
class Row:
    """One fault: what the service does, how the process ends."""

    name: str
    service: dict = field(default_factory=dict)
    how: str = "complete"
    events: int = 2000
    rate: float = 0.0
    bad: int = 0
    kill: int = 0  # signal sent while it emits
    starts_late: bool = False  # the service is not there until the process has ended
    small_disk: bool = False
    may_duplicate: bool = True
    settled: dict | None = None  # what the service does once the process has ended


ROWS = (
    Row("server answering at once", events=20_000, may_duplicate=False),
    Row("server answering after 50 ms", {"delay": 0.05}, events=5000, may_duplicate=False),
    Row("500 for 5 s", {"fail_for": 5.0}, events=5000, rate=2000, settled={}),
    Row("refusing", starts_late=True, events=2000),
    Row("gone mid-run", {"gone_for": 3.0}, events=3000, rate=1000, settled={}),
    Row("SIGKILL at 20 events/s", how="wait", events=60, rate=20, kill=signal.SIGKILL),
    Row("SIGKILL at 200 events/s", how="wait", events=400, rate=200, kill=signal.SIGKILL),
    Row("SIGKILL at 2,000 events/s", how="wait", events=4000, rate=2000, kill=signal.SIGKILL),
    Row("SIGTERM", how="wait", events=2000, rate=1000, kill=signal.SIGTERM),
    Row("os._exit", how="_exit", events=2000),
    Row("fork while emitting", how="fork", events=2000, rate=1000),
    Row("lost acknowledgements", {"lose_answers": 3, "event_ids": True}, events=3000,
        rate=3000, may_duplicate=False),
    Row("one bad event in a thousand", {"refuse_bad": True}, events=1000, bad=500),
    Row("revoked key", {"revoked_after": 4}, events=2000, rate=2000, settled={}),
    Row("full disk", {"gone_for": 2.0}, events=3000, small_disk=True, settled={}),
    Row("exit with a dead server", starts_late=True, how="exit", events=500),
)  # fmt: skip


class Service:
    """The counting service in a process of its own."""

    def __init__(self, port: int = 0, behaviour: dict | None = None):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "agentos_sink.py"), str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self.ask("/control", behaviour or {})

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data)) as answer:
            return json.loads(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def run_row(row: Row, sdk: str | None, *, scale: float = 1.0) -> dict:
    """Live one fault with one SDK (a folder; None is ours); give the columns."""
    home = Path(tempfile.mkdtemp(prefix="agentos-faults-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        if row.small_disk:
            stack.enter_context(small_disk(home))
        service = Service(behaviour=row.service)
        port = service.port
        if row.starts_late:
            service.close()
            service = None
        events = max(60, int(row.events * scale))
        counter = stack.enter_context(tempfile.NamedTemporaryFile())
        counter.write(bytes(16))
        counter.flush()
        options = {
            "path": sdk, "url": f"http://127.0.0.1:{port}", "counter": counter.name,
            "client": {}, "how": row.how, "run": "run", "events": events, "rate": row.rate,
            "bad": min(row.bad, events // 2), "patience": 15,
            "complete": {"timeout": 2.0} if scale < 1 and sdk is None else {},
        }  # fmt: skip
        result = live(options, home, row, counter.name, events)
        if service is None:
            service = Service(port)
        report = follow_up(service, row, options, home, sdk)
        service.close()
        return columns(row, result, report, counter_of(counter, events, row))


def counter_of(file, events, row):
    file.seek(0)
    (count,) = struct.unpack("<q", file.read(8))
    return events if row.how == "fork" else count


def live(options, home, row, counter, events):
    """Run the process that reports, and end it as the row says."""
    environment = {**os.environ, "AOD_NOTEBOOK_HOME": str(home / "home")}
    child = subprocess.Popen(
        [sys.executable, str(HERE / "agentos_child.py"), json.dumps(options)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        if row.kill:
            wait_for_count(counter, events * 3 // 4, child)
            child.send_signal(row.kill)
        try:
            out, _ = child.communicate(timeout=HANGS_AFTER_S)
        except subprocess.TimeoutExpired:
            return {"start_error": "hangs"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.stdin.close()
        child.stdout.close()
        child.wait()
    gone = time.time()
    result = json.loads(out.splitlines()[-1]) if out.strip() else {}
    if "ended" in result:
        result["exit_s"] = gone - result["ended"]
    return result


def wait_for_count(path, count, child):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if struct.unpack("<q", Path(path).read_bytes()[:8])[0] >= count:
            return
        time.sleep(0.005)


def follow_up(service, row, options, home, sdk):
    """Let the next process with the same key make good what it can, and ask what has come."""
    if row.settled is not None and service.ask("/report")["requests"] >= 0:
        before = service.ask("/report")
        service.ask("/control", row.settled)
    else:
        before = None
    if sdk is None:
        adopt = {**options, "how": "adopt"}
        subprocess.run(
            [sys.executable, str(HERE / "agentos_child.py"), json.dumps(adopt)],
            env={**os.environ, "AOD_NOTEBOOK_HOME": str(home / "home")},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=True,
        )  # fmt: skip
    report = service.ask("/report")
    if before is not None:
        both = set(before["numbers"]) & set(report["numbers"])
        report["duplicated"] += before["duplicated"] + len(both)
        report["numbers"] = list({*before["numbers"], *report["numbers"]})
        report["seconds"] = before["seconds"]
    return report


def columns(row, result, report, emitted):
    wanted = set(range(emitted)) - ({row.bad} if row.bad else set())
    if row.bad:
        wanted = {number for number in wanted if number != min(row.bad, emitted // 2)}
    came = set(report["numbers"])
    seconds = report["seconds"]
    return {
        "emit p50 µs": micro(result.get("p50")),
        "emit p99 µs": micro(result.get("p99")),
        "emitted": result.get("start_error", emitted),
        "lost": "all" if "start_error" in result else len(wanted - came),
        "duplicated": report["duplicated"],
        "threads": result.get("threads"),
        "memory MB": round(result["memory"] / 1024) if "memory" in result else None,
        "complete s": result.get("complete_s"),
        "exit s": result.get("exit_s"),
        "delivered/s": round(len(came) / seconds) if seconds > 0.01 else None,
    }


def micro(seconds):
    return None if seconds is None else seconds * 1e6


@contextlib.contextmanager
def small_disk(folder):
    """A tmpfs of 200 kB where we may mount one; else a limit on the size of files."""
    target = folder / "home"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(target)],
        capture_output=True, check=False,
    ).returncode == 0  # fmt: skip
    before = os.environ.get("AGENTOS_FAULTS_FSIZE")
    if not mounted:
        os.environ["AGENTOS_FAULTS_FSIZE"] = "100000"
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(target)], check=False)
        elif before is None:
            os.environ.pop("AGENTOS_FAULTS_FSIZE", None)


def faults_of(row, ours):
    """Return what is wrong with our side of a row."""
    wrong = []
    if not isinstance(ours["emitted"], int):
        wrong.append(f"{row.name}: ours {ours['emitted']}")
    if ours["lost"]:
        wrong.append(f"{row.name}: ours lost {ours['lost']} of {ours['emitted']}")
    if ours["duplicated"] and not row.may_duplicate:
        wrong.append(f"{row.name}: ours duplicated {ours['duplicated']}")
    if (ours["exit s"] or 0) > EXIT_LIMIT_S + 0.5:
        wrong.append(f"{row.name}: ours took {ours['exit s']:.1f} s to exit")
    if (ours["threads"] or 0) > 2:
        wrong.append(f"{row.name}: ours used {ours['threads']} threads")
    return wrong


def shown(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main(arguments):
    from agentos_sdks import NEWEST, folder

    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="a tenth of the events")
    parser.add_argument("--row", action="append", help="only rows with this in their name")
    parser.add_argument("--ours", action="store_true", help="leave the published SDK out")
    chosen = parser.parse_args(arguments)
    rows = [row for row in ROWS if not chosen.row or any(each in row.name for each in chosen.row)]
    sdks = {"ours": None} | ({} if chosen.ours else {f"pyagentos {NEWEST}": str(folder(NEWEST))})
    wrong, done = [], []
    print("| fault | SDK | " + " | ".join(COLUMNS) + " |")
    print("|---|---|" + "---|" * len(COLUMNS))
    for row in rows:
        for name, sdk in sdks.items():
            got = run_row(row, sdk, scale=0.1 if chosen.short else 1.0)
            cells = " | ".join(shown(got[column]) for column in COLUMNS)
            print(f"| {row.name} | {name} | {cells} |", flush=True)
            if sdk is None:
                wrong += faults_of(row, got)
        done.append(row.name)
    missing = [row.name for row in rows if row.name not in done]
    print("\n".join([*wrong, *(f"missing: {name}" for name in missing)]))
    return bool(wrong or missing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
