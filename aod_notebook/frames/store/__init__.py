"""The store: sessions kept as Parquet files, which other engines read as they are."""

from aod_notebook.frames.store.layout import (
    IMPORTED,
    IMPORTED_NAMES,
    STORED,
    is_store,
    stored_schema,
)
from aod_notebook.frames.store.read import Store, scan

__all__ = ["IMPORTED", "IMPORTED_NAMES", "STORED", "Store", "is_store", "scan", "stored_schema"]
