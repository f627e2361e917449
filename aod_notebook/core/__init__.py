"""The core that both service clients share: errors, settings, retry, server-sent events, transport."""
