"""The control-plane methods on stored data."""
