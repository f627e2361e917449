"""Agents' output lines (Claude, Codex, Gemini, opencode) read into one model."""

from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage
from aod_notebook.transcripts.reader import RUNTIMES, Reader
from aod_notebook.transcripts.summary import summary

__all__ = ["RUNTIMES", "Entry", "ModelUsage", "Reader", "Result", "Usage", "summary"]
