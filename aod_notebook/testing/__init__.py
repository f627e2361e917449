"""Test doubles for notebooks that run agents: the real CLIs, a scripted model, no account.

Example:
    >>> import httpx
    >>> with ModelServer([[ToolCall("Bash", {"command": "ls"})], "Two files."]) as server:
    ...     tools = [{"name": "Bash"}]
    ...     question = [{"role": "user", "content": "How many files are here?"}]
    ...     body = {"model": "claude-sonnet-4-6", "tools": tools, "messages": question}
    ...     answer = httpx.post(server.url + "/v1/messages", json=body, trust_env=False).json()
    >>> answer["content"][0]["input"]
    {'command': 'ls'}
    >>> server.ledger[0].output_tokens == answer["usage"]["output_tokens"]
    True
"""

from aod_notebook.testing.environment import CliEnvironment
from aod_notebook.testing.ledger import Served, total
from aod_notebook.testing.script import (
    Answer,
    Block,
    Counts,
    Cut,
    Delay,
    Failure,
    Request,
    Text,
    Thinking,
    ToolCall,
    WebSearch,
)
from aod_notebook.testing.server import ModelServer

__all__ = [
    "Answer",
    "Block",
    "CliEnvironment",
    "Counts",
    "Cut",
    "Delay",
    "Failure",
    "ModelServer",
    "Request",
    "Served",
    "Text",
    "Thinking",
    "ToolCall",
    "WebSearch",
    "total",
]
