"""Run AI agents from Jupyter cells, watch them live, and study what they did as DataFrames."""

__version__ = "0.1.0"
