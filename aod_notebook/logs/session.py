"""The sessions in the agents' own logs: their turns, their lines, and what each request used."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from aod_notebook.transcripts import Usage


class LogRequest(msgspec.Struct, frozen=True, gc=False):
    """One billed answer of a model.

    Attributes:
        key: the provider's id of the answer; the same wherever a log repeats it.
        model: the model that answered; None where the log does not name it.
        usage: its tokens.
        at: when it was written, in microseconds since 1970.
        owner: the session that made the request, where the log says so.
        cost_usd: what the CLI says it cost; None where it says nothing.
        web_searches: searches that the provider ran for it.
        message_id: the message in this session, where its id is not the key.
    """

    key: str
    model: str | None
    usage: Usage
    at: int | None = None
    owner: str | None = None
    cost_usd: float | None = None
    web_searches: int | None = None
    message_id: str | None = None


class LogTurn(msgspec.Struct):
    """What came of one prompt: the lines that the CLI would have printed for it.

    Attributes:
        prompt: the person's words; None for lines before the first prompt.
        lines: JSON lines in the form of the CLI's own output, without newlines.
        times: for each line, microseconds since 1970, or None.
        requests: the requests of the turn, subagents included.
        is_error: whether the turn ended in an error or was interrupted.
        denied: ids of the calls that were not permitted.
    """

    prompt: str | None = None
    lines: list[bytes] = []
    times: list[int | None] = []
    requests: list[LogRequest] = []
    is_error: bool = False
    denied: list[str] = []

    def add(self, line: bytes, at: int | None) -> None:
        """Append one line."""
        self.lines.append(line)
        self.times.append(at)

    @property
    def span(self) -> tuple[int | None, int | None]:
        """Return the first and the last time of the turn, in microseconds since 1970."""
        known = [at for at in self.times if at is not None]
        return (min(known), max(known)) if known else (None, None)


class LogProblem(msgspec.Struct, frozen=True):
    """Something in a log that could not be read, or that does not add up."""

    what: str
    where: str


class LogSession(msgspec.Struct, kw_only=True):
    """One session of a log.

    Attributes:
        session_id: the CLI's own id.
        runtime: claude, codex, gemini or opencode.
        source: the file that holds it.
        total: the CLI's own sum of the tokens, where its log has one.
        total_cost_usd: the CLI's own sum of the cost, in US dollars.
        problems: what could not be read; never a reason to stop.
    """

    session_id: str
    runtime: str
    source: Path
    title: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    cli_version: str | None = None
    model: str | None = None
    parent_session_id: str | None = None
    forked_from_id: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    turns: list[LogTurn] = []
    total: Usage | None = None
    total_cost_usd: float | None = None
    problems: list[LogProblem] = []

    def note(self, what: str, where: object = "") -> None:
        """Record a problem."""
        self.problems.append(LogProblem(what, f"{self.source.name}:{where}" if where else ""))

    @property
    def requests(self) -> Iterable[LogRequest]:
        """Return the requests of all turns."""
        return (request for turn in self.turns for request in turn.requests)

    def used(self) -> Usage | None:
        """Return the sum over all requests; None without any."""
        total: Usage | None = None
        for request in self.requests:
            total = request.usage if total is None else total + request.usage
        return total


def count_once(sessions: Iterable[LogSession], counted: dict[str, str] | None = None) -> None:
    """Leave each request in one session only: in the one that made it.

    Forks and resumed sessions repeat the answers of the session that they started from. The
    session that a log names as the maker keeps the request; else the one that began first, or
    that ended first where the copy has the beginning too. The others name it as their origin.

    Args:
        sessions: the sessions just read; their turns lose what others count.
        counted: keys of requests that sessions read earlier count, each with its session; the
            keys of these sessions are added.
    """
    given = sorted(sessions, key=_age)
    counted = {} if counted is None else counted
    held = [
        (one.key, session.session_id, one.owner) for session in given for one in session.requests
    ]
    owners = {key: holder for key, holder, _ in reversed(held)}
    makers = {key: maker for key, _, maker in held if maker is not None}
    owners |= {key: holder for key, holder, _ in held if makers.get(key) == holder}
    here = {session.session_id for session in given}
    owners |= {key: by for key, by in counted.items() if key in owners and by not in here}
    _keep(given, owners, _largest(given))
    counted.update(owners)


def _keep(sessions: Iterable[LogSession], owners: dict[str, str], usages: dict[str, Usage]) -> None:
    """Leave each request once, in its owner; of an owner's copies the fullest keeps it."""
    seen: set[str] = set()
    for session in sorted(sessions, key=_fullness, reverse=True):
        for turn in session.turns:
            kept = []
            for request in turn.requests:
                owner = owners[request.key]
                if owner != session.session_id:
                    session.forked_from_id = session.forked_from_id or owner
                elif request.key not in seen:
                    seen.add(request.key)
                    usage = usages[request.key]
                    same = usage == request.usage
                    kept.append(request if same else msgspec.structs.replace(request, usage=usage))
            turn.requests = kept


def _largest(sessions: Iterable[LogSession]) -> dict[str, Usage]:
    """Return the largest usage of each request: a copy may be fuller than what it copies."""
    found: dict[str, Usage] = {}
    for session in sessions:
        for request in session.requests:
            known = found.get(request.key)
            written = request.usage.output_tokens or 0
            if known is None or written > (known.output_tokens or 0):
                found[request.key] = request.usage
    return found


def one_each(sessions: Iterable[LogSession]) -> list[LogSession]:
    """Return one session for each id: the fullest, with the requests that only others have.

    A session has several files where it was moved to an archive, resumed in another folder or
    rewritten in a newer layout.
    """
    copies: dict[tuple[str, str], list[LogSession]] = {}
    for session in sessions:
        copies.setdefault((session.runtime, session.session_id), []).append(session)
    return [held[0] if len(held) == 1 else _merged(held) for held in copies.values()]


def _merged(copies: list[LogSession]) -> LogSession:
    best, *others = sorted(copies, key=_fullness, reverse=True)
    known = {request.key for request in best.requests}
    for other in others:
        best.problems += other.problems
        rest = [request for request in other.requests if request.key not in known]
        if rest:
            known |= {request.key for request in rest}
            best.turns.append(LogTurn(lines=[], times=[], requests=rest))
    return best


def _fullness(session: LogSession) -> tuple[int, int, int, str]:
    lines = sum(len(turn.lines) for turn in session.turns)
    requests = sum(len(turn.requests) for turn in session.turns)
    return requests, lines, session.updated_at or 0, str(session.source)


def _age(session: LogSession) -> tuple[int, int, str]:
    return session.created_at or 0, session.updated_at or 0, session.session_id
