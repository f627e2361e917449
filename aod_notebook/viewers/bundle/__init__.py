"""Sessions as pages for others: one page per session and an index, readable from a file."""

from aod_notebook.viewers.bundle.build import write_bundle
from aod_notebook.viewers.bundle.page import whole_page
from aod_notebook.viewers.bundle.shown import Shown

__all__ = ["Shown", "whole_page", "write_bundle"]
