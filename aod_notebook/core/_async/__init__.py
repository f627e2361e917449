"""Transport and stream driver; `_sync` is generated from here by `tests/tools/unasync.py`."""
