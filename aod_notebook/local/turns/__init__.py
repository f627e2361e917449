"""What runs a turn: provisioning, the agent, its output on the way into the log."""
