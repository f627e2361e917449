# Generated from aod_notebook/agentos/_async/__init__.py by tests/tools/unasync.py; edit that file instead.
"""The sync half of the AgentOS client; generated; see `_async`."""
