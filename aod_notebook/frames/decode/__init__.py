"""From the bytes of a service to frames."""
