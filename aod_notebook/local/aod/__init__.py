"""The Agent on Demand half of the service (CONTRACT.md part A)."""
