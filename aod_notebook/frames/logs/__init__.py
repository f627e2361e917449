"""Frames of the sessions that the agents' CLIs keep on a person's own disk."""
