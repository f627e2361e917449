"""The logs that the agents' CLIs write on a person's own disk, found and read.

`find_logs` finds the files of Claude Code, Codex, Gemini and opencode, `read_log` reads the
sessions in one of them, and `printed_turns` gives a session in the lines that its CLI would have
printed: what reads the output of a live agent reads them, too. Files are only ever read.
"""

from aod_notebook.logs.discover import AGENTS, LogFile, find_logs
from aod_notebook.logs.read import printed_turns, read_log
from aod_notebook.logs.session import (
    LogProblem,
    LogRequest,
    LogSession,
    LogTurn,
    count_once,
    one_each,
)

__all__ = [
    "AGENTS",
    "LogFile",
    "LogProblem",
    "LogRequest",
    "LogSession",
    "LogTurn",
    "count_once",
    "find_logs",
    "one_each",
    "printed_turns",
    "read_log",
]
