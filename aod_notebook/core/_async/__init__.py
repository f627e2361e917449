"""Transport and stream driver; `_sync` is generated from here by `scripts/unasync.py`."""
