"""The async client; `_sync` is generated from here by `tests/tools/unasync.py`."""
