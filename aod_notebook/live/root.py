"""Whether claude may run as root on the embedded service (`%config AodMagics.allow_root`)."""

from __future__ import annotations

__all__ = ["let_root"]

allowed = False


def let_root(allow: bool) -> None:
    """Let claude run as root from now on, or no longer."""
    global allowed  # noqa: PLW0603 - one switch for this process
    allowed = allow
