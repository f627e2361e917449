"""The colours of figures, light and dark: safe for colour-blind eyes, and of use in grey print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from aod_notebook.core.theme import page_is_dark

if TYPE_CHECKING:
    from collections.abc import Mapping

Theme = Literal["auto", "light", "dark"]
"""`auto` follows the background that matplotlib's style or the given Axes has."""


_page: list[Theme] = ["auto"]
"""The theme of new figures, in a list so that it can be exchanged."""


def use_theme(theme: Theme) -> None:
    """Draw new figures, of theme "auto" and without an Axes of their own, in the page's theme.

    Args:
        theme: "light", "dark", or "auto": as the page in which this kernel has shown a session;
            without one, as matplotlib's style has it, which is light.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> use_theme("dark")
        >>> page_theme()
        'dark'
        >>> use_theme("auto")
    """
    if theme not in ("auto", "light", "dark"):
        raise ValueError(f"There is no theme {theme!r}: use 'auto', 'light' or 'dark'")
    _page[0] = theme


def page_theme() -> Theme:
    """Return the theme that `use_theme` set last, or that of the page that shows this kernel."""
    if _page[0] != "auto":
        return _page[0]
    is_dark = page_is_dark()
    return "auto" if is_dark is None else "dark" if is_dark else "light"


@dataclass(frozen=True, slots=True)
class Fill:
    """How a state or kind is drawn; the hatch tells it apart where there are no colours."""

    colour: str
    hatch: str | None = None
    is_hollow: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one theme (Okabe and Ito's palette, made brighter on dark ground)."""

    ground: str
    text: str
    quiet: str
    grid: str
    band: str
    bad_text: str
    stage: Fill
    turn: Fill
    call: Fill
    nested: Fill
    failed: Fill
    stopped: Fill
    waiting: Fill
    kinds: Mapping[str, Fill]
    lines: tuple[str, str, str, str]


LIGHT: Final = Look(
    ground="#ffffff",
    text="#1f2328",
    quiet="#57606a",
    grid="#e4e8ec",
    band="#f1f5fa",
    bad_text="#ac4500",
    stage=Fill("#8c959f"),
    turn=Fill("#d5dbe2"),
    call=Fill("#0072b2"),
    nested=Fill("#56b4e9"),
    failed=Fill("#d55e00", "////"),
    stopped=Fill("#e69f00", "...."),
    waiting=Fill("#57606a", is_hollow=True),
    kinds={
        "agent": Fill("#5f6b78"),
        "step": Fill("#b4bdc7"),
        "llm": Fill("#e69f00"),
        "tool": Fill("#0072b2"),
        "retrieval": Fill("#009e73"),
    },
    lines=("#0072b2", "#d55e00", "#009e73", "#5f6b78"),
)

DARK: Final = Look(
    ground="#111111",
    text="#e6edf3",
    quiet="#a5adb6",
    grid="#2a2f36",
    band="#1a2028",
    bad_text="#ff9a6b",
    stage=Fill("#6e7681"),
    turn=Fill("#3a424c"),
    call=Fill("#4fa8e0"),
    nested=Fill("#2c6f9e"),
    failed=Fill("#f5793a", "////"),
    stopped=Fill("#f0b93a", "...."),
    waiting=Fill("#a5adb6", is_hollow=True),
    kinds={
        "agent": Fill("#9aa4b0"),
        "step": Fill("#5a6470"),
        "llm": Fill("#f0b93a"),
        "tool": Fill("#4fa8e0"),
        "retrieval": Fill("#2fbf91"),
    },
    lines=("#4fa8e0", "#f5793a", "#2fbf91", "#a5adb6"),
)
