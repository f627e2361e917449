"""Reporting that loses nothing: spools on disk, and one thread that sends them."""
