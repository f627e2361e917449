"""The theme of the page that shows this kernel's outputs, as its widgets report it."""

from __future__ import annotations

_page: list[bool | None] = [None]
"""In a list so that it can be exchanged."""


def report_page(*, is_dark: bool) -> None:
    """Note the theme of the page that shows a widget of this kernel."""
    _page[0] = is_dark


def page_is_dark() -> bool | None:
    """Return what was reported last; None if no widget was shown in a page yet."""
    return _page[0]
