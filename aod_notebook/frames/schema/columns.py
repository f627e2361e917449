"""The types of columns and schemas, and the columns that several frames share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aod_notebook.frames.checks import FrameError, names, nearest

Dtype = Literal[
    "str", "json", "Int64", "Int32", "Int16", "Float64", "boolean", "category", "datetime"
]
"""`json` is a str that holds JSON text; `datetime` is `datetime64[us, UTC]`."""

_PANDAS: Final[Mapping[str, str]] = {"json": "str", "datetime": "datetime64[us, UTC]"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    `categories` are the known values of a category column, in their fixed order; values
    not among them are appended in order of appearance. `otel` is the attribute's name in
    OpenTelemetry's GenAI conventions, where there is one.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    source: str = ""
    categories: tuple[str, ...] = ()
    is_ordered: bool = False
    otel: str | None = None

    @property
    def pandas_dtype(self) -> str:
        """Name of the dtype in pandas."""
        return _PANDAS.get(self.dtype, self.dtype)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one frame; `id` is what `df.attrs["schema"]` says."""

    id: str
    name: str
    meaning: str
    columns: tuple[Column, ...]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Column:
        return self.select([name])[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def select(
        self, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
    ) -> tuple[Column, ...]:
        """Pick columns, in the schema's order: those in `columns` (default: all) not in `exclude`.

        Raises:
            FrameError: a name is not a column of this frame.

        Example:
            >>> from aod_notebook.frames import SCHEMAS
            >>> [c.name for c in SCHEMAS["turns"].select(["turn", "session_id"])]
            ['session_id', 'turn']
        """
        wanted = set(self.names if columns is None else names(columns))
        unwanted = set(names(exclude))
        for name in sorted(wanted | unwanted, key=str):
            if name not in self.names:
                hint = nearest(str(name), self.names)
                raise FrameError(f"The {self.name} frame has no column {name!r}{hint}")
        return tuple(c for c in self.columns if c.name in wanted and c.name not in unwanted)


def category(name: str, meaning: str, categories: tuple[str, ...] = (), source: str = "") -> Column:
    """Return a category column; its source is the field of the same name if none is given."""
    return Column(name, "category", meaning, source=source or name, categories=categories)


SESSION_ID = Column(
    "session_id", "str", "Id of the session", source="session.id", otel="gen_ai.conversation.id"
)
AGENT_ID = Column("agent_id", "str", "Id of the agent", source="agent_id", otel="gen_ai.agent.id")
TURN = Column("turn", "Int32", "Number of the turn in its session, from 1", source="turn")
MODEL = Column("model", "category", "Model that did it", otel="gen_ai.request.model")
TOOL = Column("tool", "category", "Name of the tool", otel="gen_ai.tool.name")
TOOL_USE_ID = Column(
    "tool_use_id", "str", "Id that joins a call and its result", otel="gen_ai.tool.call.id"
)
PARENT = Column("parent_tool_use_id", "str", "The call that started the subagent that wrote it")
RUN_ID = Column("run_id", "str", "Id of the run", source="run_id")
STARTED = Column("started_at", "datetime", "When it started", "UTC", source="started_at")
ENDED = Column("ended_at", "datetime", "When it ended", "UTC", source="ended_at")
DURATION_MS = Column("duration_ms", "Int64", "How long it took", "ms", source="duration_ms")
TOKEN_COLUMNS = (
    Column(
        "input_tokens",
        "Int64",
        "Tokens read by the model, in the runtime's own words",
        "tokens",
        otel="gen_ai.usage.input_tokens",
    ),
    Column(
        "output_tokens",
        "Int64",
        "Tokens written by the model",
        "tokens",
        otel="gen_ai.usage.output_tokens",
    ),
    Column(
        "cache_read_tokens",
        "Int64",
        "Tokens read from the prompt cache",
        "tokens",
        otel="gen_ai.usage.cache_read.input_tokens",
    ),
    Column(
        "cache_creation_tokens",
        "Int64",
        "Tokens written to the prompt cache",
        "tokens",
        otel="gen_ai.usage.cache_creation.input_tokens",
    ),
)
MORE_TOKEN_COLUMNS = (
    Column(
        "cache_creation_1h_tokens",
        "Int64",
        "Those of cache_creation_tokens that stay for an hour",
        "tokens",
    ),
    Column(
        "reasoning_tokens",
        "Int64",
        "Tokens written while thinking",
        "tokens",
        otel="gen_ai.usage.reasoning.output_tokens",
    ),
)
INCLUDES_COLUMNS = (
    Column("input_includes_cache", "boolean", "Whether input_tokens include cached ones"),
    Column(
        "output_includes_reasoning", "boolean", "Whether output_tokens include reasoning_tokens"
    ),
)
COST_USD = Column("cost_usd", "Float64", "Cost that the runtime reports", "USD")
COST_COLUMNS = (
    COST_USD,
    Column("computed_cost_usd", "Float64", "What the tokens come to by a table of prices", "USD"),
    Column(
        "cost_source",
        "category",
        "Where a cost is known from; `reported` if both are",
        categories=("reported", "computed"),
    ),
)
ERROR = Column("error", "str", "Error text", otel="error.type")
EXTRA = Column("extra", "json", "Fields of the wire that have no column of their own")
PAYLOAD = Column("payload", "json", "The whole payload as sent", source="payload")
