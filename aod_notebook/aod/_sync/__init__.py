# Generated from aod_notebook/aod/_async/__init__.py by tests/tools/unasync.py; edit that file instead.
"""The sync client; generated; see `_async`."""
