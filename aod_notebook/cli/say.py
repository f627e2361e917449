"""What the command line prints."""

from __future__ import annotations


def say(text: str) -> None:
    """Print a line."""
    print(text)  # noqa: T201 - a command line speaks
