"""Homes full of generated logs, and a second, naive reader that only adds up tokens.

The generator writes the traps that real logs hold; the naive reader knows nothing of sessions,
turns or lines. It reads each file whole and asks which answers were billed.
"""

import json
import random
import sqlite3
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

from databases import make_database

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
MODELS = ("claude-sonnet-4-6", "claude-haiku-4-5")


class Clock:
    """A clock that runs forward by chance."""

    def __init__(self, rng):
        self._rng, self._now = rng, START + timedelta(minutes=rng.randrange(100_000))

    def tick(self, least=0.2, most=30.0):
        self._now += timedelta(seconds=self._rng.uniform(least, most))
        return self._now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(path, lines, *, torn=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text + (torn or ""))


def fresh(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


# -- Claude -------------------------------------------------------------------------------------


class ClaudeTree:
    """Sessions with split messages, subagents, forks, asides, and lines that say nothing."""

    def __init__(self, rng, home):
        self._rng, self._folder = rng, home / ".claude" / "projects" / "-srv-project"
        self._ids = 0

    def write(self, sessions=3):
        for _ in range(self._rng.randint(1, sessions)):
            self._session()

    def _session(self):
        rng, clock, session = self._rng, Clock(self._rng), fresh(self._rng)
        lines = []
        for _ in range(rng.randint(1, 4)):
            lines += self._turn(session, clock)
        rng.random() < 0.3 and self._swap(lines)
        torn = json.dumps(lines[-1])[: rng.randrange(1, 40)] if rng.random() < 0.3 else None
        write(self._folder / f"{session}.jsonl", lines, torn=torn)
        if rng.random() < 0.6:
            self._subagent(session, clock)
        if rng.random() < 0.3:
            self._aside(session, lines)
        if rng.random() < 0.5:
            self._fork(session, lines, clock)

    def _line(self, kind, session, clock, **fields):
        return {
            "type": kind,
            "uuid": fresh(self._rng),
            "sessionId": session,
            "isSidechain": False,
            "timestamp": clock.tick(),
            "cwd": "/srv/project",
            "version": "2.1.332",
            **fields,
        }

    def _turn(self, session, clock):
        rng = self._rng
        yield {"type": "api-request-blob", "sessionId": session, "message": {"content": []}}
        yield self._line("user", session, clock, message={"role": "user", "content": "Count."})
        for _ in range(rng.randint(1, 4)):
            yield from self._answer(session, clock)
        if rng.random() < 0.2:
            message = {"id": fresh(rng), "model": "<synthetic>", "usage": self._usage(1)}
            message["content"] = [{"type": "text", "text": "API Error: 529"}]
            yield self._line("assistant", session, clock, message=message)
        if rng.random() < 0.2:
            yield self._line("surprise", session, clock)

    def _answer(self, session, clock, **fields):
        """One message: a line per block, each with the whole usage, the last with the most."""
        rng = self._rng
        self._ids += 1
        message = {"id": f"msg_{self._ids:06}_{fresh(rng)[:6]}", "model": rng.choice(MODELS)}
        request = fresh(rng)
        usage = self._usage(rng.randint(1, 900))
        blocks = rng.randint(1, 3)
        for number in range(blocks):
            shown = dict(usage)
            if number < blocks - 1 and rng.random() < 0.5:
                shown["output_tokens"] = 1
            content = [{"type": "text", "text": f"Part {number}"}]
            yield self._line(
                "assistant",
                session,
                clock,
                requestId=request,
                message={**message, "content": content, "usage": shown},
                **fields,
            )

    def _usage(self, most):
        rng = self._rng
        written = rng.randint(0, most)
        return {
            "input_tokens": rng.randint(0, most),
            "output_tokens": rng.randint(1, most),
            "cache_read_input_tokens": rng.randint(0, most * 10),
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_1h_input_tokens": rng.randint(0, written)},
        }

    def _swap(self, lines):
        at = self._rng.randrange(max(1, len(lines) - 1))
        lines[at : at + 2] = reversed(lines[at : at + 2])

    def _subagent(self, session, clock):
        agent = fresh(self._rng)[:8]
        lines = [
            self._line(
                "user",
                session,
                clock,
                isSidechain=True,
                agentId=agent,
                message={"content": "Look."},
            ),
            *self._answer(session, clock, isSidechain=True, agentId=agent),
        ]
        lines[-1]["isSidechain"] = True
        write(self._folder / session / "subagents" / f"agent-{agent}.jsonl", lines)

    def _aside(self, session, lines):
        """A side file that repeats a message of the session under another request."""
        answers = [line for line in lines if line["type"] == "assistant"]
        copy = {**self._rng.choice(answers), "isSidechain": True, "agentId": "aside"}
        copy |= {"uuid": fresh(self._rng), "requestId": fresh(self._rng)}
        write(self._folder / session / "subagents" / "agent-aside.jsonl", [copy])

    def _fork(self, session, lines, clock):
        """A session that begins with a copy of another one's lines."""
        fork, says_maker = fresh(self._rng), self._rng.random() < 0.5
        copied = []
        for line in lines:
            copy = {**line, "sessionId": fork}
            if says_maker and line["type"] == "assistant":
                copy["requestSessionId"] = session
            copied.append(copy)
        write(self._folder / f"{fork}.jsonl", [*copied, *self._turn(fork, clock)])


def naive_claude(home):
    """Each message id once, with the largest usage of its main lines, else of its side lines."""
    best = {}
    for path in (home / ".claude").rglob("*.jsonl"):
        for line in path.read_text().split("\n"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            message = value.get("message") or {}
            if value.get("type") != "assistant" or message.get("model") == "<synthetic>":
                continue
            usage = message["usage"]
            rank = (not value.get("isSidechain"), usage["output_tokens"])
            key = message["id"]
            if key not in best or rank > best[key][0]:
                best[key] = rank, usage
    total = Counter()
    for _, usage in best.values():
        total["input"] += usage["input_tokens"]
        total["output"] += usage["output_tokens"]
        total["read"] += usage["cache_read_input_tokens"]
        total["written"] += usage["cache_creation_input_tokens"]
    return total


# -- Codex --------------------------------------------------------------------------------------

_CODEX = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")


class CodexTree:
    """Threads of old and new versions, with repeated counts, forks and subagents."""

    def __init__(self, rng, home):
        self._rng, self._folder = rng, home / ".codex" / "sessions" / "2026" / "03" / "01"
        self._answers = 0

    def write(self, sessions=3):
        for _ in range(self._rng.randint(1, sessions)):
            thread, clock = fresh(self._rng), Clock(self._rng)
            is_new = self._rng.random() < 0.5
            lines = [self._meta(thread, clock), *self._turns(thread, clock, is_new, Counter())]
            self._file(thread, lines)
            if self._rng.random() < 0.5:
                self._fork(thread, lines, clock, is_new)

    def _file(self, thread, lines):
        write(self._folder / f"rollout-2026-03-01T09-00-00-{thread}.jsonl", lines)

    def _meta(self, thread, clock, **links):
        time = clock.tick()
        payload = {"id": thread, "timestamp": time, "cwd": "/srv/project", **links}
        return {"timestamp": time, "type": "session_meta", "payload": payload}

    def _turns(self, thread, clock, is_new, total):
        for _ in range(self._rng.randint(1, 3)):
            yield self._event(clock, {"type": "user_message", "message": "Count."})
            context = {"model": "gpt-5.5", "cwd": "/srv/project"}
            yield {"timestamp": clock.tick(), "type": "turn_context", "payload": context}
            if self._rng.random() < 0.3:
                yield self._event(clock, {"type": "token_count", "info": None})
            for _ in range(self._rng.randint(1, 4)):
                yield from self._answer(thread, clock, is_new, total)

    def _event(self, clock, payload):
        return {"timestamp": clock.tick(), "type": "event_msg", "payload": payload}

    def _answer(self, thread, clock, is_new, total):
        rng = self._rng
        self._answers += 1
        usage = {name: rng.randint(1, 500) for name in _CODEX}
        usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
        total.update(usage)
        if is_new:
            yield {
                "timestamp": clock.tick(),
                "type": "token_usage_record",
                "payload": {
                    "thread_id": thread,
                    "response_id": f"resp_{self._answers}_{fresh(rng)[:6]}",
                    "usage": usage,
                    "thread_token_usage": dict(total),
                },
            }
        info = {"total_token_usage": dict(total), "last_token_usage": usage}
        for _ in range(rng.choice((1, 1, 2))):  # the same count is often written twice
            yield self._event(clock, {"type": "token_count", "info": info})

    def _fork(self, parent, lines, clock, is_new):
        """A thread whose file begins with its parent's, all in the second of the fork."""
        thread = fresh(self._rng)
        link = self._rng.choice(("forked_from_id", "parent_thread_id"))
        clock.tick(5, 60)
        meta = self._meta(thread, clock, **{link: parent})
        copied = [{**line, "timestamp": meta["timestamp"]} for line in lines]
        clock.tick(2, 60)
        last = [line for line in lines if line["payload"].get("info")][-1]
        total = Counter(last["payload"]["info"]["total_token_usage"])
        self._file(thread, [meta, *copied, *self._turns(thread, clock, is_new, total)])


def naive_codex(home):
    """Records once per response; else the last counts, without repeats and without copies."""
    total, seen = Counter(), set()
    for path in sorted((home / ".codex").rglob("rollout-*.jsonl")):
        values = [json.loads(line) for line in path.read_text().splitlines()]
        meta = values[0]["payload"]
        is_child = "forked_from_id" in meta or "parent_thread_id" in meta
        records = [v["payload"] for v in values if v["type"] == "token_usage_record"]
        for record in records:
            if record["response_id"] not in seen:
                seen.add(record["response_id"])
                _add_codex(total, record["usage"])
        before = None
        for value in values:
            info = value["payload"].get("info")
            if records or not info or (is_child and value["timestamp"] == meta["timestamp"]):
                continue
            if info["total_token_usage"] != before:
                _add_codex(total, info["last_token_usage"])
            before = info["total_token_usage"]
    return total


def _add_codex(total, usage):
    total["input"] += usage["input_tokens"]
    total["output"] += usage["output_tokens"]
    total["read"] += usage["cached_input_tokens"]


# -- Gemini -------------------------------------------------------------------------------------


class GeminiTree:
    """Chats with messages written twice, resumes that repeat the history, and rewinds."""

    def __init__(self, rng, home):
        self._rng, self._folder = rng, home / ".gemini" / "tmp" / "project" / "chats"

    def write(self, sessions=3):
        for number in range(self._rng.randint(1, sessions)):
            clock, session = Clock(self._rng), fresh(self._rng)
            lines = list(self._chat(session, clock))
            name = f"session-2026-03-01T09-00-{number:02}{session[:8]}"
            if self._rng.random() < 0.2:
                self._old(name, session, lines)
            else:
                write(self._folder / f"{name}.jsonl", lines)

    def _old(self, name, session, lines):
        messages = {line["id"]: line for line in lines if "id" in line}
        whole = {"sessionId": session, "projectHash": "p", "messages": list(messages.values())}
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{name}.json").write_text(json.dumps(whole))

    def _header(self, session, clock):
        time = clock.tick()
        return {"sessionId": session, "projectHash": "p", "startTime": time, "lastUpdated": time}

    def _chat(self, session, clock):
        rng, history = self._rng, []
        yield self._header(session, clock)
        for _ in range(rng.randint(1, 4)):
            prompt = {"id": fresh(rng), "timestamp": clock.tick(), "type": "user"}
            prompt["content"] = [{"text": "Count."}]
            yield prompt
            history.append(prompt)
            for _ in range(rng.randint(1, 3)):
                message = self._message(clock)
                yield {**message, "tokens": None} if rng.random() < 0.2 else message
                yield message
                history.append(message)
            if rng.random() < 0.3:
                yield self._header(session, clock)
                yield {"$set": {"messages": [self._bare(one) for one in history]}}
            if rng.random() < 0.3:
                yield {"$rewindTo": rng.choice(history)["id"]}

    def _bare(self, message):
        return {name: message[name] for name in ("id", "timestamp", "type", "content")}

    def _message(self, clock):
        names = ("input", "output", "cached", "thoughts", "tool")
        tokens = {name: self._rng.randint(0, 500) for name in names}
        return {
            "id": fresh(self._rng),
            "timestamp": clock.tick(),
            "type": "gemini",
            "content": "So it is.",
            "tokens": tokens,
            "model": "gemini-2.5-pro",
        }


def naive_gemini(home):
    """Each message id once, as it was written last."""
    found = {}
    for path in (home / ".gemini").rglob("session-*.json*"):
        text = path.read_text()
        values = (
            json.loads(text)["messages"]
            if path.suffix == ".json"
            else [json.loads(line) for line in text.splitlines()]
        )
        for value in values:
            if value.get("tokens"):
                found[value["id"]] = value["tokens"]
    total = Counter()
    for tokens in found.values():
        total["input"] += tokens["input"] + tokens["tool"]
        total["output"] += tokens["output"]
        total["read"] += tokens["cached"]
    return total


# -- opencode -----------------------------------------------------------------------------------


class OpencodeTree:
    """A database of sessions with subagents, forks that copy messages, and rows that are broken."""

    def __init__(self, rng, home):
        self._rng, self._home, self._ids = rng, home, 0
        self._tables = {"session": [], "message": [], "part": []}

    def write(self, sessions=3):
        for _ in range(self._rng.randint(1, sessions)):
            first = self._session()
            if self._rng.random() < 0.4:
                self._session(parent=first)
            if self._rng.random() < 0.4:
                self._fork(first)
        folder = self._home / ".local" / "share" / "opencode"
        make_database(folder / "opencode.db", self._tables)

    def _session(self, parent=None):
        session, at = f"ses_{fresh(self._rng)}", self._rng.randrange(10**12, 10**12 + 10**9)
        row = {"id": session, "parent_id": parent, "title": "Count"}
        self._tables["session"].append({**row, "time_created": at, "time_updated": at + 10**6})
        for _ in range(self._rng.randint(1, 3)):
            at += self._rng.randint(1, 99_999)
            self._message(session, at, {"role": "user"})
            for _ in range(self._rng.randint(1, 3)):
                at += self._rng.randint(1, 99_999)
                self._message(session, at, self._answer(at))
        return session

    def _message(self, session, at, data):
        self._ids += 1
        key = f"msg_{self._ids:05}"
        row = {"id": key, "session_id": session, "time_created": at, "data": json.dumps(data)}
        self._tables["message"].append(row)
        part = {"id": f"prt_{self._ids:05}", "message_id": key, "session_id": session}
        text = {"type": "text", "text": "So it is."}
        shown = json.dumps(text) if self._rng.random() < 0.9 else '{"type": "te'
        self._tables["part"].append({**part, "time_created": at, "data": shown})
        if "tokens" in data:
            step = {"type": "step-finish", "reason": "stop", "tokens": data["tokens"]}
            step |= {"cost": data["cost"]}
            row = {**part, "id": f"prt_{self._ids:05}z", "time_created": at + 1}
            self._tables["part"].append({**row, "data": json.dumps(step)})

    def _answer(self, at):
        rng = self._rng
        cache = {"read": rng.randint(0, 500), "write": rng.randint(0, 500)}
        tokens = {name: rng.randint(1, 500) for name in ("input", "output", "reasoning")}
        answer = {"role": "assistant", "modelID": rng.choice(MODELS), "cost": rng.random()}
        times = {"created": at, "completed": at + 500}
        return {**answer, "tokens": {**tokens, "cache": cache}, "time": times}

    def _fork(self, origin):
        """A session that begins with the messages of another one, under new ids."""
        rows = [row for row in self._tables["message"] if row["session_id"] == origin]
        last = self._tables["session"][-1]["time_created"]
        row = {"id": f"ses_{fresh(self._rng)}", "parent_id": None, "title": "Count (fork #1)"}
        row |= {"time_created": last + 10**7, "time_updated": last + 2 * 10**7}
        self._tables["session"].append(row)
        for copied in rows:
            self._message(row["id"], copied["time_created"], json.loads(copied["data"]))
        self._message(row["id"], last + 10**7 + 5, self._answer(last + 10**7 + 5))


def naive_opencode(home):
    """Each message with tokens once, however many sessions hold it: its times show that."""
    path = home / ".local" / "share" / "opencode" / "opencode.db"
    with closing(sqlite3.connect(path)) as database:
        rows = [json.loads(data) for (data,) in database.execute("SELECT data FROM message")]
    answers = {row["time"]["created"]: row["tokens"] for row in rows if "tokens" in row}
    total = Counter()
    for tokens in answers.values():
        total["input"] += tokens["input"]
        total["output"] += tokens["output"]
        total["read"] += tokens["cache"]["read"]
    return total


TREES = {
    "claude": (ClaudeTree, naive_claude),
    "codex": (CodexTree, naive_codex),
    "gemini": (GeminiTree, naive_gemini),
    "opencode": (OpencodeTree, naive_opencode),
}


def make_tree(agent, seed, home):
    """Write the logs of one agent; return what the naive reader finds in them."""
    tree, naive = TREES[agent]
    tree(random.Random(seed), home).write()
    return naive(home)
