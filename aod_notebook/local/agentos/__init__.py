"""The AgentOS half of the service."""
