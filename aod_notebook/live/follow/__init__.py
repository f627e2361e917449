"""Follow sessions and runs in the background and keep their events."""
