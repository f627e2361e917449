"""A store of many sessions, in a third of which the same tool fails."""

import json
from pathlib import Path

from aod_notebook import frames

CLAUDE = "fix-{number}"


def log(number):
    """Return the log of a session as Claude Code keeps it on disk."""
    fails = number % 3 == 0
    session = f"{number:08x}-7a41-4c0e-9d53-2b8a61c1d7e4"
    common = {"sessionId": session, "cwd": "/innkeeper", "version": "2.1.0", "isSidechain": False}
    lines, second, last = [], 0, None

    def add(type_, message, **more):
        nonlocal second, last
        second += 2
        own = f"{number:06x}-{len(lines)}"
        at = f"2026-11-28T{12 + number // 60 % 6:02}:{number % 60:02}:{second:02}.000Z"
        lines.append({"type": type_, "message": message, "uuid": own, "parentUuid": last,
                      "timestamp": at, **common, **more})  # fmt: skip
        last = own

    def use(key, tool, **given):
        block = {"type": "tool_use", "id": key, "name": tool, "input": given}
        usage = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 1000}
        add("assistant", {"id": f"m-{number}-{key}", "model": "claude-sonnet-4-6", "role": "assistant",
                          "content": [block], "usage": usage, "stop_reason": "tool_use"})  # fmt: skip

    def back(key, text, *, is_error=False):
        block = {"type": "tool_result", "tool_use_id": key, "content": text, "is_error": is_error}
        add("user", {"role": "user", "content": [block]})

    add("user", {"role": "user", "content": f"Fix the report of room {number}"})
    use("a", "Read", file_path="/innkeeper/report.py")
    back("a", "def report(): ...")
    use("b", "Bash", command=f"pytest -k room{number}")
    back("b", "Exit code 1\n1 failed" if fails else "1 passed", is_error=fails)
    if fails:
        use("c", "Bash", command="pytest")
        back("c", "Exit code 1\n2 failed", is_error=True)
    done = [{"type": "text", "text": "Done."}]
    add("assistant", {"id": f"m-{number}-z", "model": "claude-sonnet-4-6", "role": "assistant",
                      "content": done, "stop_reason": "end_turn"})  # fmt: skip
    return session, lines


def store(folder, count):
    """Import so many logs into a store; once, for notebooks that share it."""
    into = Path(folder).resolve()
    if not (into / "manifest.parquet").is_file():
        logs = into.parent / f"{into.name}-logs" / "projects" / "innkeeper"
        logs.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            session, lines = log(number)
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (logs / f"{session}.jsonl").write_text(text, encoding="utf-8")
        frames.import_logs(logs.parent.parent, into=into)
    return frames.scan(into)
