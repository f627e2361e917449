"""Whether the page is dark that shows this kernel's outputs, as its widgets report it."""

from __future__ import annotations

_page: list[bool | None] = [None]
"""In a list so that it can be exchanged."""


def report_page(*, is_dark: bool) -> None:
    """Note how the page looks that a widget of this kernel is shown in."""
    _page[0] = is_dark


def page_is_dark() -> bool | None:
    """Return what was reported last; None if no widget was shown in a page yet."""
    return _page[0]
