"""A session as its events show it while they come: messages, calls, usage and cost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aod_notebook.live.errors import error_line
from aod_notebook.transcripts import Reader, Result, Spent, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aod_notebook.aod import StreamEvent
    from aod_notebook.transcripts import Entry, ModelUsage

REPORTED, COMPUTED = "reported", "computed"
_RUNTIMES_OF = {"anthropic": "claude", "openai": "codex"}


class Spending(NamedTuple):
    """Spending so far; None is unknown.

    `cost_source` says where the cost is from: `reported` by the agent's CLI, or `computed` from
    the tokens by the table of prices.
    """

    cost_usd: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_source: str | None = None

    @property
    def tokens(self) -> int | None:
        """All tokens, read (cached ones included) and written."""
        known = [count for count in (self.tokens_in, self.tokens_out) if count is not None]
        return sum(known) if known else None


NOTHING = Spending()


class Reading:
    """Reads one session's events; it may be asked from another thread meanwhile.

    Args:
        runtime: what runs the agent, if known.
        model: the agent's model, for runtimes that name none.
    """

    def __init__(self, runtime: str | None = None, model: str | None = None) -> None:
        self.runtime, self.model = runtime, model
        self._lock = threading.Lock()  # guards all fields below
        self._reader = Reader(_RUNTIMES_OF.get(runtime or "", runtime))
        self._turn: object = None
        self._result: Result | None = None  # of the last turn
        self._turns: dict[object, list[tuple[str | None, Spending]]] = {}  # those before
        self._answers: dict[str, tuple[str | None, Usage]] = {}  # of the last turn
        self._unreported: list[Spending] = []  # of earlier turns that broke off
        self._calls = _Repeats()
        self._words: list[str] = []
        self._message: str | None = None
        self._final: str | None = None
        self._failure: str | None = None
        self._errors: list[StreamEvent] = []
        self._logged: Spending | None = None
        self._base = NOTHING

    def take(self, event: StreamEvent) -> None:
        """Read one event."""
        with self._lock:
            if event.type == "turn_start" and event.extra.get("turn") != self._turn:
                self._begin(event.extra.get("turn"))
            is_output = event.type == "output"
            if is_output and event.extra.get("stream") == "stdout":
                self._read(self._reader.feed(str(event.extra.get("data") or "")))
            elif is_output or event.type == "stage":
                self._errors = [*self._errors[-20:], event]
            elif event.type in ("exit", "error", "terminated"):
                self._read(self._reader.flush())

    def take_log(self, usage: Mapping[str, Any]) -> None:
        """Read the service's answer about the CLI's own log (`GET /sessions/ID/usage`)."""
        if usage.get("source") is None:
            return
        with self._lock:
            self._logged = logged(usage, self.model)

    @property
    def text(self) -> str | None:
        """The last turn's answer; None if there is none. For a shell what it printed."""
        with self._lock:
            if self._final is not None:
                return self._final
            return "\n".join(self._words) if self._words else None

    @property
    def has_failed(self) -> bool:
        """Whether the agent reported its last turn as failed, whatever its program's exit code."""
        with self._lock:
            return self._failure is not None

    @property
    def failure(self) -> str | None:
        """Why the last turn failed, in the agent's own words or by stderr; None if unknown."""
        with self._lock:
            return self._failure or error_line(self._errors) or None

    @property
    def repeats(self) -> tuple[int, str]:
        """How often the latest call was repeated in a row, and its tool."""
        with self._lock:
            return self._calls.count, self._calls.tool

    @property
    def spending(self) -> Spending:
        """What the session spent so far, the turn in progress included as far as known.

        While Claude's turn runs, its stream has no final counts of written tokens.
        """
        with self._lock:
            return larger(self._known(), self._logged)

    def mark(self) -> None:
        """Count `spent_since` from here."""
        self._base = self.spending

    @property
    def spent_since(self) -> Spending:
        """What was spent since `mark`, or altogether."""
        now, base = self.spending, self._base
        return Spending(
            _less(now.cost_usd, base.cost_usd),
            _less(now.tokens_in, base.tokens_in),
            _less(now.tokens_out, base.tokens_out),
            now.cost_source,
        )

    @property
    def turns(self) -> dict[object, list[tuple[str | None, Spending]]]:
        """What each turn spent, by its number: pairs of a model and its share."""
        with self._lock:
            turns = {**self._turns, self._turn: self._turn_models()}
            return {turn: models for turn, models in turns.items() if turn is not None and models}

    def _turn_models(self) -> list[tuple[str | None, Spending]]:
        if self._result is not None:
            return models_of(self._result, self.model)
        names = [model or self.model for model, _ in self._answers.values()]
        return list(zip(names, self._answered(), strict=True))

    def _begin(self, turn: object) -> None:
        self._read(self._reader.flush())
        self._turns[self._turn] = self._turn_models()
        if self._result is None:
            self._unreported += self._answered()
        self._turn, self._words, self._message, self._final = turn, [], None, None
        self._result, self._failure, self._errors, self._answers = None, None, [], {}

    def _known(self) -> Spending:
        """Return what the turns reported; of one that has not ended, what its answers used."""
        total = self._reader.account.total
        parts = [spending_of(total, self.model)] if total.usage is not None else []
        if self._result is None and self._reader.account.turn is None:
            parts += self._answered()
        return added([*self._unreported, *parts])

    def _answered(self) -> list[Spending]:
        parts = []
        for model, usage in self._answers.values():
            spent = Spent(usage=usage, input_includes_cache=False, output_includes_reasoning=True)
            parts.append(_priced(spent, [(model or self.model, usage, 0, None)]))
        return parts

    def _read(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._calls.take(entry)
            if entry.usage is not None and entry.message_id:
                self._answer(entry)
            if entry.result is not None:
                self._result = entry.result
                self._final = entry.result.text
                self._failure = None
                if entry.result.is_error:
                    texts = (entry.result.text, *entry.result.errors)
                    self._failure = next(filter(None, texts), None)
            elif entry.line_type == "error" and entry.text:
                self._failure = entry.text
            elif entry.block == "text" and entry.text is not None:
                own = "text" if self._reader.runtime in (None, "shell") else "assistant"
                if entry.line_type == own and entry.parent_tool_use_id is None:
                    self._say(entry)

    def _say(self, entry: Entry) -> None:
        """Keep a shell's lines; of an agent only its last message."""
        if entry.line_type == "assistant" and entry.message_id != self._message:
            self._words, self._message = [], entry.message_id
        self._words.append(entry.text or "")

    def _answer(self, entry: Entry) -> None:
        known, usage = self._answers.get(entry.message_id or ""), entry.usage or Usage()
        if usage.output_tokens is None:  # so what it costs is at least this
            usage = msgspec.structs.replace(usage, output_tokens=0)
        if known is None or (usage.output_tokens or 0) >= (known[1].output_tokens or 0):
            self._answers[entry.message_id or ""] = entry.model, usage


class _Repeats:
    """Counts identical tool calls that follow one another, a subagent's on their own."""

    def __init__(self) -> None:
        self.count, self.tool = 0, ""
        self._last: dict[str | None, tuple[Any, int]] = {}
        self._seen: set[str] = set()

    def take(self, entry: Entry) -> None:
        if entry.block != "tool_use" or entry.tool is None:
            return
        if entry.tool_use_id is not None:
            if entry.tool_use_id in self._seen:  # reported when it began and when it ended
                return
            self._seen.add(entry.tool_use_id)
        call = entry.tool, entry.input_json
        last, count = self._last.get(entry.parent_tool_use_id, (None, 0))
        count = count + 1 if call == last else 1
        self._last[entry.parent_tool_use_id] = call, count
        self.count, self.tool = count, entry.tool


def spending_of(spent: Spent, model: str | None = None) -> Spending:
    """Return the spending of an account: the cost as reported, else as computed.

    Args:
        spent: an account's total.
        model: the model where the account names none.
    """
    uses = [
        (used.model or model, used.usage, used.web_search_requests, used.cost_usd)
        for used in spent.model_usage
    ]
    if spent.cost_usd is not None:
        return Spending(spent.cost_usd, spent.tokens_in, spent.tokens_out, REPORTED)
    return _priced(spent, uses)


def models_of(spent: Spent, model: str | None = None) -> list[tuple[str | None, Spending]]:
    """Return the spending of each model of an account."""
    return [
        (used.model or model, _model_spending(spent, used, model)) for used in spent.model_usage
    ]


def _model_spending(spent: Spent, used: ModelUsage, model: str | None) -> Spending:
    one = Spent(
        usage=used.usage,
        cost_usd=used.cost_usd,
        model_usage=(used,),
        input_includes_cache=spent.input_includes_cache,
        output_includes_reasoning=spent.output_includes_reasoning,
    )
    return spending_of(one, model)


def _priced(
    spent: Spent, uses: Iterable[tuple[str | None, Usage, int | None, float | None]]
) -> Spending:
    """Compute the cost of what was used; None if one of its prices is unknown."""
    from aod_notebook.frames import prices

    costs = [
        prices.cost(model, usage, spent, searches, None)
        if cost is None and model is not None
        else cost
        for model, usage, searches, cost in uses
    ]
    known = [cost for cost in costs if cost is not None]
    whole = sum(known) if known and len(known) == len(costs) else None
    return Spending(whole, spent.tokens_in, spent.tokens_out, None if whole is None else COMPUTED)


def logged(usage: Mapping[str, Any], model: str | None = None) -> Spending:
    """Return the spending in an answer of `GET /sessions/ID/usage`."""
    parts = []
    for one in usage["models"]:
        counts = Usage(**{name: one.get(name) for name in Usage.__struct_fields__})
        spent = Spent(
            usage=counts,
            input_includes_cache=usage.get("input_includes_cache"),
            output_includes_reasoning=usage.get("output_includes_reasoning"),
        )
        use = (one.get("model") or model, counts, one.get("web_searches"), one.get("cost_usd"))
        parts.append(_priced(spent, [use]))
    return added(parts)


def added(parts: Iterable[Spending]) -> Spending:
    """Add up spending; a cost that is unknown in a part with tokens is unknown altogether."""
    total = Spending()
    is_known = True
    for one in parts:
        is_known = is_known and (one.cost_usd is not None or not one.tokens)
        total = Spending(
            _plus(total.cost_usd, one.cost_usd),
            _plus(total.tokens_in, one.tokens_in),
            _plus(total.tokens_out, one.tokens_out),
            COMPUTED
            if COMPUTED in (total.cost_source, one.cost_source)
            else one.cost_source or total.cost_source,
        )
    return total if is_known else total._replace(cost_usd=None, cost_source=None)


def larger(one: Spending, other: Spending | None) -> Spending:
    """Return the larger of each count: stream and log each lag behind."""
    if other is None:
        return one
    costs = [each for each in (one, other) if each.cost_usd is not None]
    cost = max(costs, key=lambda each: each.cost_usd or 0.0, default=NOTHING)
    return Spending(
        cost.cost_usd,
        _most(one.tokens_in, other.tokens_in),
        _most(one.tokens_out, other.tokens_out),
        cost.cost_source or one.cost_source or other.cost_source,
    )


def _most(one: int | None, other: int | None) -> int | None:
    known = [count for count in (one, other) if count is not None]
    return max(known, default=None)


def _plus(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _less(now: Any, base: Any) -> Any:
    return now if now is None or base is None else max(now - base, 0)
