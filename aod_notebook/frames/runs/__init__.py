"""The frames of runs: runs, their events, spans and tasks."""
