# Generated from aod_notebook/core/_async/__init__.py by scripts/unasync.py; edit that file instead.
"""Transport and stream driver; generated; see `_async`."""
