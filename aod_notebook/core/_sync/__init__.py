# Generated from aod_notebook/core/_async/__init__.py by tests/tools/unasync.py; edit that file instead.
"""Transport and stream driver; generated; see `_async`."""
