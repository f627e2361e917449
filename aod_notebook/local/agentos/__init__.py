"""The AgentOS half of the service (CONTRACT.md part B)."""
