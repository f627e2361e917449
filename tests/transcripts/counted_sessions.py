"""Sessions that count as the real CLIs count, and a plain second reader of what they report.

A turn is a `Counted`: its lines, and what it used and cost, which was drawn first.
"""

import json
import random
from dataclasses import dataclass, field

FIELDS = ("input", "output", "read", "created", "hour", "reasoning")
MODEL_KEYS = (
    "inputTokens",
    "outputTokens",
    "cacheReadInputTokens",
    "cacheCreationInputTokens",
    "cacheCreationEphemeral1hInputTokens",
    "thinkingTokens",
)
VERSIONS = (None, "1.0.120", "2.1.200", "2.1.276", "2.1.277", "2.1.305", "2.1.319", "2.1.332")


@dataclass
class Counted:
    lines: list[str] = field(default_factory=list)
    used: tuple | None = None
    """The sums of `FIELDS`; None where nothing was reported."""
    cost: float | None = None
    is_error: bool = False
    parent: str | None = None
    """The session that a fork goes on from."""

    def say(self, **line):
        self.lines.append(json.dumps(line))


def total(rows):
    return tuple(map(sum, zip(*rows, strict=True)))


def claude(seed):
    dice = random.Random(f"claude {seed}")
    numbers, turns = iter(range(10**6)), []
    session, saved = f"s{next(numbers)}", {}  # per model: what the CLI restores at a resume
    version = dice.choice(VERSIONS)
    for _ in range(dice.randint(1, 5)):
        turn, is_resumed = Counted(), bool(turns)
        turns.append(turn)
        if dice.random() < 0.4:  # the CLI was updated, or an older one is in use
            version = dice.choice(VERSIONS)
        if is_resumed and dice.random() < 0.15:
            turn.parent, session = session, f"s{next(numbers)}"
        elif is_resumed and dice.random() < 0.15:
            session, saved = f"s{next(numbers)}", {}
        is_running = version in VERSIONS[4:]
        counted = dict(saved) if is_running else {}
        rounds, since = dice.choice([1, 1, 1, 2]), {}
        used = []
        for number in range(rounds):
            told = {"claude_code_version": version} if version else {}
            turn.say(type="system", subtype="init", session_id=session, model="big", **told)
            main = tuple(dice.randint(100, 5000) for _ in FIELDS[:4])
            main = (*main, dice.randint(0, main[3]), dice.randint(0, main[1]))
            here = {"big": [(*main, main[0] / 1e6)]}
            if dice.random() < 0.4:  # a subagent, a search, a title
                side = (*(dice.randint(0, 20) for _ in FIELDS), dice.randint(0, 50) / 1e6)
                here.setdefault(dice.choice(["big", "small"]), []).append(side)
            for model, rows in here.items():
                counted[model] = total([*rows, counted.get(model, (0,) * 7)])
                since[model] = total([*rows, since.get(model, (0,) * 7)])
            used += [row for rows in here.values() for row in rows]
            is_cut = number == rounds - 1 and dice.random() < 0.15
            if not is_cut:
                saved = dict(counted)
                _claude_result(turn, session, version, counted, since, main, number, next(numbers))
                since = {}
                turn.used, turn.cost = total(used)[:6], total(used)[6]
        _claude_end(turn, dice, session)
    return turns


def _claude_end(turn, dice, session):
    """What may follow a result: the same again, an empty one; or a line that is cut off."""
    last = turn.lines[-1]
    if turn.used and dice.random() < 0.3:
        turn.lines.append(last if dice.random() < 0.5 else last.replace('"uuid": "u', '"uuid": "v'))
    if turn.used and dice.random() < 0.2:
        turn.say(
            type="result",
            subtype="error_during_execution",
            is_error=True,
            num_turns=0,
            duration_ms=0,
            total_cost_usd=0,
            usage={},
            modelUsage={},
            session_id=session,
        )
    if not turn.used and dice.random() < 0.5:
        turn.lines.append('{"type":"result","subtype":"succ')


def _claude_result(turn, session, version, counted, since, main, number, uuid):
    extra = {}
    if version in VERSIONS[6:]:
        extra["model_usage_since_last_result"] = _models(since)
    turn.say(
        type="result",
        subtype="success",
        is_error=False,
        session_id=session,
        uuid=f"u{uuid}",
        num_turns=number + 1,
        result=f"answer {number}",
        total_cost_usd=sum(row[6] for row in counted.values()),
        usage={
            "input_tokens": main[0],
            "output_tokens": main[1],
            "cache_read_input_tokens": main[2],
            "cache_creation_input_tokens": main[3],
            "cache_creation": {"ephemeral_1h_input_tokens": main[4]},
            "output_tokens_details": {"thinking_tokens": main[5]},
        },
        modelUsage=_models(counted),
        **extra,
    )


def _models(counted):
    return {
        model: {**dict(zip(MODEL_KEYS, row[:6], strict=True)), "costUSD": row[6]}
        for model, row in counted.items()
    }


def naive_claude(turns):
    """What RUNTIMES say of a turn, without thinking: of version, session, last result."""
    last, found = {}, []
    for turn in turns:
        lines = [json.loads(line) for line in turn.lines if line.endswith("}")]
        reports = [line for line in lines if line["type"] == "result" and line["modelUsage"]]
        reports = list({json.dumps(line["modelUsage"]): line for line in reports}.values())
        if not reports:
            found.append((None, None))
            continue
        version = lines[0].get("claude_code_version", "")
        version = tuple(int(part) for part in version.split(".")) if version else ()
        final = reports[-1]
        base = last.get(turn.parent or final["session_id"], {})
        if "model_usage_since_last_result" in final:
            groups = [report["model_usage_since_last_result"] for report in reports]
        elif version >= (2, 1, 277):
            groups = [final["modelUsage"], _negated(base)]
        else:
            groups = [final["modelUsage"]]
        rows = [row for group in groups for row in group.values()]
        used = tuple(sum(row[key] for row in rows) for key in MODEL_KEYS)
        found.append((used, sum(row["costUSD"] for row in rows)))
        last[final["session_id"]] = final["modelUsage"]
    return found


def _negated(models):
    return {name: {k: -v for k, v in row.items()} for name, row in models.items()}


CODEX_KEYS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
)


def codex(seed):
    dice = random.Random(f"codex {seed}")
    turns, thread, counted, told = [], 0, (0,) * 5, (0,) * 5
    for _ in range(dice.randint(1, 6)):
        turn = Counted()
        turns.append(turn)
        if dice.random() < 0.2:
            thread, counted, told = thread + 1, (0,) * 5, (0,) * 5
        turn.say(type="thread.started", thread_id=f"t{thread}")
        turn.say(type="turn.started")
        counted = total([counted, tuple(dice.randint(1, 9000) for _ in CODEX_KEYS)])
        end = dice.choice(["told", "told", "told", "twice", "zeros", "failed", "cut"])
        item = {"id": "item_0", "type": "agent_message", "text": "done"}
        turn.say(type="item.completed", item=item)
        if end in ("told", "twice"):
            used = tuple(now - before for now, before in zip(counted, told, strict=True))
            turn.used, told = (*used[:4], None, used[4]), counted
            for _ in range(1 + (end == "twice")):
                usage = dict(zip(CODEX_KEYS, counted, strict=True))
                turn.say(type="turn.completed", usage=usage)
        elif end == "zeros":
            turn.say(type="turn.completed", usage=dict.fromkeys(CODEX_KEYS, 0))
        elif end == "failed":
            turn.is_error = True
            turn.say(type="error", message="Reconnecting... 1/5 (timeout)")
            turn.say(type="turn.failed", error={"message": "no more credit"})
    return turns


def naive_codex(turns):
    last, found = {}, []
    for turn in turns:
        lines = [json.loads(line) for line in turn.lines]
        thread = lines[0]["thread_id"]
        counts = [
            line["usage"] for line in lines if "usage" in line and any(line["usage"].values())
        ]
        if not counts:
            found.append((None, None))
            continue
        base = last.get(thread, dict.fromkeys(CODEX_KEYS, 0))
        used = [max(0, counts[-1][key] - base[key]) for key in CODEX_KEYS]
        found.append(((*used[:4], None, used[4]), None))
        last[thread] = counts[-1]
    return found


def gemini(seed):
    dice = random.Random(f"gemini {seed}")
    turns = []
    for number in range(dice.randint(1, 5)):
        turn = Counted(is_error=dice.random() < 0.2)
        turns.append(turn)
        turn.say(type="init", timestamp=f"2026-01-01T00:00:0{number}Z", session_id="g", model="pro")
        turn.say(type="message", role="assistant", content="do", delta=True)
        turn.say(type="message", role="assistant", content="ne", delta=True)
        if dice.random() < 0.2:
            turn.lines.append('{"type":"result","status":"succ')
            continue
        models = {}
        for model in dice.sample(["pro", "flash", "lite"], dice.randint(1, 3)):
            read, written, thought = (dice.randint(0, 9000) for _ in range(3))
            models[model] = {
                "total_tokens": read + written + thought,
                "input_tokens": read,
                "output_tokens": written,
                "cached": dice.randint(0, read),
            }
        stats = {key: sum(counts[key] for counts in models.values()) for key in models[model]}
        read, written, cached = (stats[k] for k in ("input_tokens", "output_tokens", "cached"))
        turn.used = (read, written, cached, None, None, stats["total_tokens"] - read - written)
        if dice.random() < 0.7:
            stats["models"] = models
        turn.say(type="result", status="error" if turn.is_error else "success", stats=stats)
    return turns


def naive_gemini(turns):
    found = []
    for turn in turns:
        lines = [json.loads(line) for line in turn.lines if line.endswith("}")]
        stats = [line["stats"] for line in lines if line["type"] == "result"]
        if not stats:
            found.append((None, None))
            continue
        groups = list(stats[-1].get("models", {"": stats[-1]}).values())
        whole, read, written, cached = (
            sum(group[key] for group in groups)
            for key in ("total_tokens", "input_tokens", "output_tokens", "cached")
        )
        found.append(((read, written, cached, None, None, whole - read - written), None))
    return found


def opencode(seed):
    dice = random.Random(f"opencode {seed}")
    turns = []
    for _ in range(dice.randint(1, 4)):
        turn = Counted()
        turns.append(turn)
        steps = dice.randint(0, 4)
        for number in range(steps):
            _step(turn, dice, "stop" if number == steps - 1 else "tool-calls")
        end = dice.choice(["stop", "stop", "cut", "rejected", "error", "retried"])
        if end == "cut":
            turn.say(type="step_start", timestamp=1, sessionID="o", part={"messageID": "m"})
        elif end == "rejected":
            _step(turn, dice, "tool-calls")
        elif end in ("error", "retried"):
            error = {"name": "APIError", "data": {"message": "ECONNRESET"}}
            turn.say(type="error", timestamp=1, sessionID="o", error=error)
        if end == "retried":
            _step(turn, dice, "stop")
        turn.is_error = end in ("cut", "rejected", "error")
    return turns


def _step(turn, dice, reason):
    row = [dice.randint(0, 9000) for _ in range(5)]
    cost = dice.randint(0, 10**6) / 1e6
    turn.say(type="step_start", timestamp=1, sessionID="o", part={"messageID": "m"})
    tokens = {
        "total": sum(row),
        "input": row[0],
        "output": row[1],
        "reasoning": row[4],
        "cache": {"read": row[2], "write": row[3]},
    }
    part = {"reason": reason, "messageID": "m", "tokens": tokens, "cost": cost}
    turn.say(type="step_finish", timestamp=1, sessionID="o", part=part)
    before = turn.used or (0, 0, 0, 0, None, 0)
    added = (*row[:4], 0, row[4])
    summed = [a + (b or 0) for a, b in zip(added, before, strict=True)]
    turn.used, turn.cost = (*summed[:4], None, summed[5]), (turn.cost or 0) + cost


def naive_opencode(turns):
    found = []
    for turn in turns:
        lines = [json.loads(line) for line in turn.lines]
        parts = [line["part"] for line in lines if line["type"] == "step_finish"]
        if not parts:
            found.append((None, None))
            continue
        rows = [
            (
                tokens["input"],
                tokens["total"]
                - tokens["input"]
                - tokens["reasoning"]
                - sum(tokens["cache"].values()),
                tokens["cache"]["read"],
                tokens["cache"]["write"],
                tokens["reasoning"],
            )
            for tokens in (part["tokens"] for part in parts)
        ]
        *used, reasoning = total(rows)
        found.append(((*used, None, reasoning), sum(part["cost"] for part in parts)))
    return found


MAKERS = {
    "claude": (claude, naive_claude),
    "codex": (codex, naive_codex),
    "gemini": (gemini, naive_gemini),
    "opencode": (opencode, naive_opencode),
}
