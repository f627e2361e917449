"""The control-plane methods that live on stored data."""
