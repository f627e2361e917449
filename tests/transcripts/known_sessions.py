"""Made-up sessions of each runtime, whose totals are known because they are counted first."""

import json
import random
from dataclasses import dataclass, field

RUNTIMES = ("claude", "codex", "gemini", "opencode")
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
WORDS = (
    "alpha",
    "beta",
    "größer",
    "δέλτα",
    "五",
    "🙂",
    'quo"te',
    "back\\slash",
    "tab\tbed",
    "a\nb",
)


@dataclass
class KnownCall:
    id: str
    tool: str
    input: dict
    parent: str | None = None
    output: str | None = None
    is_error: bool | None = None


@dataclass
class KnownTurn:
    """What is true of one turn, and the lines that say it."""

    number: int
    lines: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[KnownCall] = field(default_factory=list)
    stray_results: int = 0
    broken: list[str] = field(default_factory=list)
    tokens: dict = field(default_factory=dict)
    """Sums of the turn; None where the runtime does not tell."""
    cost: float | None = None
    models: dict = field(default_factory=dict)
    """Model → tokens."""
    finished: bool = True
    """Whether its lines report how it ended."""
    is_error: bool = False

    def say(self, **line):
        self.lines.append(json.dumps(line, ensure_ascii=self.number % 2 == 0))


@dataclass
class KnownSession:
    runtime: str
    turns: list[KnownTurn]
    has_message_tokens: bool


class _Maker:
    """Draws what happens; the runtimes' subclasses write it down in their own lines."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"{type(self).__name__} {seed}")
        self.count = 0

    def id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}_{self.count}"

    def text(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 8)))

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def session(self) -> KnownSession:
        turns = [self.turn(number) for number in range(1, self.random.randint(1, 3) + 1)]
        runtime = type(self).__name__.lower()
        return KnownSession(runtime, turns, has_message_tokens=runtime in ("claude", "opencode"))

    def turn(self, number: int) -> KnownTurn:
        turn = KnownTurn(number, finished=not self.chance(0.15), is_error=self.chance(0.2))
        self.begin(turn)
        for _ in range(self.random.randint(1, 6)):
            if self.chance(0.15):
                turn.broken.append(self.broken())
                turn.lines.append(turn.broken[-1])
            self.step(turn)
        self.end(turn)
        return turn

    def broken(self) -> str:
        return self.random.choice(
            ["Warning: slow", '{"type":"assist', "[1, 2]", "17", "null", "}{"]
        )

    def call(self, prefix: str, tool: str, **arguments) -> KnownCall:
        call = KnownCall(self.id(prefix), tool, arguments)
        if not self.chance(0.2):
            call.output, call.is_error = self.text(), self.chance(0.3)
        return call


class Claude(_Maker):
    def begin(self, turn):
        turn.tokens = dict.fromkeys(TOKENS, 0)
        turn.cost = 0.0
        turn.say(type="system", subtype="init", model="claude-big", tools=["Bash"], mcp_servers=[])

    def step(self, turn, parent=None):
        model = "claude-small" if parent else "claude-big"
        blocks = self.blocks(turn, parent)
        usage = {name: self.random.randint(0, 5000) for name in TOKENS}
        for name in TOKENS:
            turn.tokens[name] += usage[name]
            turn.models.setdefault(model, dict.fromkeys(TOKENS, 0))[name] += usage[name]
        self.message(turn, blocks, model, usage, parent)
        for call in [
            c for c in turn.calls if c.output is not None and (c.id in blocks_ids(blocks))
        ]:
            self.tool_result(turn, call.id, call.output, call.is_error, parent)
        if self.chance(0.05):
            turn.stray_results += 1
            self.tool_result(turn, self.id("nobody"), "lost", False, parent)
        if parent is None and self.chance(0.2):
            self.subagent(turn)

    def blocks(self, turn, parent):
        blocks = []
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.choice(["text", "thinking", "tool_use"])
            if kind == "tool_use":
                call = self.call("toolu", "Bash", command=self.text())
                call.parent = parent
                turn.calls.append(call)
                blocks.append({"type": kind, "id": call.id, "name": call.tool, "input": call.input})
            else:
                text = self.text()
                (turn.texts if kind == "text" else turn.thoughts).append(text)
                blocks.append({"type": kind, kind: text})
        return blocks

    def message(self, turn, blocks, model, usage, parent):
        """One message id over one line per block, or one line; only the last one is final."""
        message_id = self.id("msg")
        parts = [[block] for block in blocks] if self.chance(0.7) else [blocks]
        for index, content in enumerate(parts):
            is_last = index == len(parts) - 1
            told = {
                "input_tokens": usage["input_tokens"],
                "cache_read_input_tokens": usage["cache_read_tokens"],
                "cache_creation_input_tokens": usage["cache_creation_tokens"],
                "output_tokens": usage["output_tokens"] if is_last else 1,
            }
            message = {"id": message_id, "role": "assistant", "model": model, "usage": told}
            turn.say(
                type="assistant",
                message={
                    **message,
                    "content": content,
                    "stop_reason": "end_turn" if is_last else None,
                },
                parent_tool_use_id=parent,
            )

    def tool_result(self, turn, call_id, output, is_error, parent):
        content = output if self.chance(0.5) else [{"type": "text", "text": output}]
        block = {"type": "tool_result", "tool_use_id": call_id, "content": content}
        if is_error:
            block["is_error"] = True
        message = {"role": "user", "content": [block]}
        turn.say(type="user", message=message, parent_tool_use_id=parent)

    def subagent(self, turn):
        call = KnownCall(self.id("toolu"), "Task", {"description": "look"}, None, "found", False)
        turn.calls.append(call)
        use = {"type": "tool_use", "id": call.id, "name": "Task", "input": call.input}
        self.message(turn, [use], "claude-big", dict.fromkeys(TOKENS, 0), None)
        turn.say(type="system", subtype="task_started", tool_use_id=call.id, description="look")
        prompt = {"role": "user", "content": [{"type": "text", "text": "look for it"}]}
        turn.say(type="user", message=prompt, parent_tool_use_id=call.id)
        for _ in range(self.random.randint(1, 2)):
            self.step(turn, parent=call.id)
        self.tool_result(turn, call.id, call.output, False, None)

    def end(self, turn):
        turn.cost = self.random.randint(1, 10**6) / 10**6
        if not turn.finished:
            return
        keys = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        usage = {
            "input_tokens": turn.tokens["input_tokens"],
            "output_tokens": turn.tokens["output_tokens"],
            "cache_read_input_tokens": turn.tokens["cache_read_tokens"],
            "cache_creation_input_tokens": turn.tokens["cache_creation_tokens"],
        }
        turn.say(
            type="result",
            subtype="error_max_turns" if turn.is_error else "success",
            is_error=turn.is_error,
            duration_ms=5,
            num_turns=3,
            result="done",
            total_cost_usd=turn.cost,
            usage=usage,
            modelUsage={
                model: dict(zip(keys, tokens.values(), strict=True))
                for model, tokens in turn.models.items()
            },
            permission_denials=[],
        )


class Codex(_Maker):
    def session(self):
        self.totals = dict.fromkeys(TOKENS[:3], 0)  # Codex reports those of the thread
        return super().session()

    def begin(self, turn):
        self.count = 0  # Codex counts its items from 0 in every turn
        turn.tokens = dict.fromkeys(TOKENS)
        turn.say(type="thread.started", thread_id="th1")
        turn.say(type="turn.started")

    def step(self, turn):
        kind = self.random.choice(["message", "reasoning", "command", "mcp", "todo", "search"])
        if kind in ("message", "reasoning"):
            text = self.text()
            (turn.texts if kind == "message" else turn.thoughts).append(text)
            item_type = "agent_message" if kind == "message" else "reasoning"
            item = {"id": self.id("item"), "type": item_type, "text": text}
            turn.say(type="item.completed", item=item)
        elif kind == "todo":
            item = {"id": self.id("item"), "type": "todo_list", "items": []}
            turn.say(type="item.started", item=item)
            turn.say(type="item.updated", item=item)
        elif kind == "command":
            call = self.call("item", "command_execution", command=self.text())
            self.item(turn, call, aggregated_output=call.output, exit_code=int(bool(call.is_error)))
        elif kind == "search":
            call = self.call("item", "web_search", query=self.text())
            if call.output is not None:
                call.output, call.is_error = "", False
            self.item(turn, call)
        else:
            call = self.call("item", "mcp__docs__find", page=self.text())
            told = (
                {"error": {"message": call.output}}
                if call.is_error
                else {"result": {"content": [{"type": "text", "text": call.output}]}}
            )
            self.item(turn, call, server="docs", tool="find", arguments=call.input, **told)

    def item(self, turn, call, **told):
        turn.calls.append(call)
        kind = call.tool if not call.tool.startswith("mcp") else "mcp_tool_call"
        item = {"id": call.id, "type": kind}
        if kind != "mcp_tool_call":
            item |= call.input
        has_result = call.output is not None
        if not has_result or self.chance(0.6):
            bare = {
                **item,
                **{k: v for k, v in told.items() if k in ("server", "tool", "arguments")},
            }
            turn.say(type="item.started", item={**bare, "status": "in_progress"})
        if has_result:
            status = "failed" if call.is_error else "completed"
            turn.say(type="item.completed", item={**item, **told, "status": status})

    def end(self, turn):
        for name in TOKENS[:3]:
            turn.tokens[name] = self.random.randint(0, 9000)
        # cached tokens are a part of the input
        turn.tokens["cache_read_tokens"] %= turn.tokens["input_tokens"] + 1
        if turn.finished and turn.is_error:
            turn.tokens = dict.fromkeys(TOKENS)
            turn.say(type="turn.failed", error={"message": "no more credit"})
        elif turn.finished:
            for name in TOKENS[:3]:
                self.totals[name] += turn.tokens[name]
            usage = {
                "input_tokens": self.totals["input_tokens"],
                "cached_input_tokens": self.totals["cache_read_tokens"],
                "output_tokens": self.totals["output_tokens"],
            }
            turn.say(type="turn.completed", usage=usage)
            turn.models = {None: turn.tokens}


class Gemini(_Maker):
    def begin(self, turn):
        turn.tokens = dict.fromkeys(TOKENS)
        turn.say(type="init", timestamp="2026-01-01T00:00:00Z", session_id="g", model="gemini-pro")
        turn.say(type="message", role="user", content="please", timestamp="t")

    def step(self, turn):
        if self.chance(0.6):
            text = self.text()
            turn.texts.append(text)
            cuts = sorted(self.random.choices(range(len(text) + 1), k=self.random.randint(0, 4)))
            for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                turn.say(type="message", role="assistant", content=text[start:end], delta=True)
        call = self.call("tool", "run_shell_command", command=self.text())
        turn.calls.append(call)
        turn.say(type="tool_use", tool_name=call.tool, tool_id=call.id, parameters=call.input)
        if call.output is not None and call.is_error:
            error = {"type": "x", "message": call.output}
            turn.say(type="tool_result", tool_id=call.id, status="error", error=error)
        elif call.output is not None:
            turn.say(type="tool_result", tool_id=call.id, status="success", output=call.output)
        if self.chance(0.1):
            turn.stray_results += 1
            turn.say(type="tool_result", tool_id=self.id("nobody"), status="success", output="?")

    def end(self, turn):
        for name in TOKENS[:3]:
            turn.tokens[name] = self.random.randint(0, 9000)
        # cached tokens are a part of the input
        turn.tokens["cache_read_tokens"] %= turn.tokens["input_tokens"] + 1
        if turn.finished:
            stats = {
                "total_tokens": 1,
                "input_tokens": turn.tokens["input_tokens"],
                "output_tokens": turn.tokens["output_tokens"],
                "cached": turn.tokens["cache_read_tokens"],
                "duration_ms": 10,
                "tool_calls": len(turn.calls),
            }
            told = {"error": {"message": "quota"}} if turn.is_error else {}
            status = "error" if turn.is_error else "success"
            turn.say(type="result", status=status, stats=stats, timestamp="t", **told)
            turn.models = {"gemini-pro": turn.tokens}


class Opencode(_Maker):
    def begin(self, turn):
        turn.tokens = dict.fromkeys(TOKENS, 0)
        turn.cost = 0.0

    def line(self, turn, kind, **part):
        turn.say(type=kind, timestamp=1760000000000, sessionID="o", part=part)

    def step(self, turn, reason="tool-calls"):
        message_id = self.id("msg")
        self.line(turn, "step_start", type="step-start", messageID=message_id)
        if self.chance(0.6):
            turn.texts.append(self.text())
            self.line(turn, "text", text=turn.texts[-1], messageID=message_id)
        call = self.call("call", "bash", command=self.text())
        turn.calls.append(call)
        state = {"status": "running", "input": call.input}
        if call.output is None or self.chance(0.3):
            self.line(
                turn, "tool_use", tool="bash", callID=call.id, state=state, messageID=message_id
            )
        if call.output is not None:
            told = {"error": call.output} if call.is_error else {"output": call.output}
            state = {
                "status": "error" if call.is_error else "completed",
                "input": call.input,
                **told,
            }
            self.line(
                turn, "tool_use", tool="bash", callID=call.id, state=state, messageID=message_id
            )
        usage = {name: self.random.randint(0, 5000) for name in TOKENS}
        cost = self.random.randint(1, 1000) / 1024
        for name in TOKENS:
            turn.tokens[name] += usage[name]
        turn.cost += cost
        cache = {"read": usage["cache_read_tokens"], "write": usage["cache_creation_tokens"]}
        tokens = {"input": usage["input_tokens"], "output": usage["output_tokens"], "cache": cache}
        part = {"reason": reason, "cost": cost, "tokens": tokens, "messageID": message_id}
        self.line(turn, "step_finish", type="step-finish", **part)

    def end(self, turn):
        turn.models = {None: turn.tokens}
        if not turn.finished:  # its steps report what it used all the same
            self.line(turn, "step_start", type="step-start", messageID=self.id("msg"))
            turn.finished = turn.is_error = True
            return
        self.step(turn, reason="stop")
        if turn.is_error:
            turn.say(type="error", sessionID="o", error={"name": "X", "data": {"message": "boom"}})


def blocks_ids(blocks):
    return {block.get("id") for block in blocks}


_MAKERS = {"claude": Claude, "codex": Codex, "gemini": Gemini, "opencode": Opencode}


def known_session(runtime: str, seed: int) -> KnownSession:
    """Make the session of this runtime and seed."""
    return _MAKERS[runtime](seed).session()


def chunked(text: str, seed: int, largest: int = 200) -> list[str]:
    """Cut a text at random places."""
    cuts = random.Random(seed)
    chunks = []
    while text:
        size = cuts.randint(1, largest)
        chunks.append(text[:size])
        text = text[size:]
    return chunks
