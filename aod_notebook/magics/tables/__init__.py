"""Display of our DataFrames in a cell: HTML and plain text, as IPython formatters."""

from aod_notebook.magics.tables.render import install, table_html, table_text, uninstall

__all__ = ["install", "table_html", "table_text", "uninstall"]
