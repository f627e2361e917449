"""The frames of what a service says of sessions."""
