"""The commands of `%aod` and `%agentos` by name, in the order of their help: one file per group."""

from aod_notebook.magics.commands import (
    agents,
    batch,
    board,
    call,
    compare,
    connection,
    doctor,
    logs,
    outbox,
    report,
    runs,
    sessions,
)
from aod_notebook.magics.parser import Command

__all__ = ["AGENTOS", "AOD"]

AOD: dict[str, Command] = {
    **connection.AOD,
    **doctor.AOD,
    **sessions.AOD,
    **compare.AOD,
    **report.AOD,
    **batch.AOD,
    **board.AOD,
    **logs.AOD,
    **agents.AOD,
}
AGENTOS: dict[str, Command] = {
    **connection.AGENTOS,
    **outbox.AGENTOS,
    **runs.AGENTOS,
    **call.AGENTOS,
}
