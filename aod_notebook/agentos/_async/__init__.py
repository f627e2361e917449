"""The async half of the AgentOS client; `_sync` is generated from here by `scripts/unasync.py`."""
