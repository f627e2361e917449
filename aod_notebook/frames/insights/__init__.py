"""Findings about sessions, without a model: loops, repeated failures, wasted reads, costly pauses."""

from aod_notebook.frames.insights.findings import KINDS
from aod_notebook.frames.insights.frame import insights_df
from aod_notebook.frames.insights.session import Finding, Limits

__all__ = ["KINDS", "Finding", "Limits", "insights_df"]
