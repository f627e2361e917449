"""Following sessions and runs in the background: their events, and what is kept of them."""
