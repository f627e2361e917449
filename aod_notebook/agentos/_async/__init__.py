"""The async half of the AgentOS client; `_sync` is generated from here by `tests/tools/unasync.py`."""
