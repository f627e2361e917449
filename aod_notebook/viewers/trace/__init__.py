"""The trace: what a session or a run did, as a tree on a time axis."""
