"""The control-plane methods that live on stored data (CONTRACT.md B.9, DESIGN section 9)."""
