"""The Agent on Demand half of the service."""
