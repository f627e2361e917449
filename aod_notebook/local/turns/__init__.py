"""Running a turn: provisioning, the agent, and its output."""
