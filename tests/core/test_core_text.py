import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.core.text import clean, counted, one_line


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1bPpayload\x1b\\text", "text"),
        ("\x1b]never closed", "never closed"),
        ("\x1b", ""),
        ("a\x1b(Bb", "ab"),
        ("10%\r20%\r30%", "30%"),
        ("a\r\nb\r", "a\nb"),
        ("keep\r", "keep"),
        ("nul\x00", "nul␀"),
        ("del\x7f", "del␡"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("\x85next", "⟨U+0085⟩next"),
        ("in\u200bvi\u00adsi\u2060ble", "in⟨U+200B⟩vi⟨U+00AD⟩si⟨U+2060⟩ble"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("tag\U000e0100\U000e01ef", "tag⟨U+E0100⟩⟨U+E01EF⟩"),
        ("a\ufe00b\ufe0f", "a⟨U+FE00⟩b⟨U+FE0F⟩"),
        ("❤\ufe0f\ufe0f\ufe0f", "❤\ufe0f⟨U+FE0F⟩⟨U+FE0F⟩"),
        ("a\u034fb\u17b4c\u17b5", "a⟨U+034F⟩b⟨U+17B4⟩c⟨U+17B5⟩"),
        ("a\u200cb\u200dc", "a⟨U+200C⟩b⟨U+200D⟩c"),
        ("👩\u200d\u200d💻 👩\u200d", "👩⟨U+200D⟩⟨U+200D⟩💻 👩⟨U+200D⟩"),
        ("\U0001d173\U0001d17a\U0001bca0\U0001bca3", "⟨U+1D173⟩⟨U+1D17A⟩⟨U+1BCA0⟩⟨U+1BCA3⟩"),
        ("e" + "\u0301" * 500, "e" + "\u0301" * 4 + "⟨+496 marks⟩"),
        ("ก" + "\u0e47" * 5, "ก" + "\u0e47" * 4 + "⟨+1 mark⟩"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("déjà vu 👋", "déjà vu 👋"),
    ],
)
def test_hostile_characters_are_dropped_or_made_visible(hostile, safe):
    assert clean(hostile) == safe


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d💻 👨\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 ❤\ufe0f\u200d🔥 👍🏽",
        "1\ufe0f\u20e3 ©\ufe0f ☎\ufe0e",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "क्\u200dष क्\u200cष",
        "Tiê\u0323\u0301ng Việt, שָׁלוֹם, ที่นี่, e\u0301",
    ],
)
def test_what_emoji_and_scripts_need_stays(text):
    assert clean(text) == text


@given(st.text(alphabet=st.sampled_from("a❤👩\ufe0f\u200d\u200c\u0301\u0e47م\U000e0101")))
def test_unseen_characters_never_run_together(text):
    shown = clean(text)
    assert not re.search("[\ufe0f\u200c\u200d]{3}|[\u0301\u0e47]{5}|\U000e0101", shown)
    assert clean(shown) == shown


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_control_character_or_surrogate_survives(text):
    kept = {unicodedata.category(c) for c in clean(text) if c not in "\t\n"}
    assert not kept & {"Cc", "Cs"}


@given(st.text(alphabet=st.sampled_from("ab\x1b[]\\;8m0\x07\r\n\u202e\x9b")))
def test_cleaning_twice_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
@pytest.mark.parametrize(
    "part",
    ["\x1b]", "\r", "a\r", "\x1b[", "\x1bP\x1b", "\x00", "\x9d", "\x9b0", "\u0301", "\u200d"],
)
def test_time_grows_linearly_with_the_text(part):
    clean(part * 500_000)


def test_one_line_folds_white_space_and_says_that_it_cut():
    assert one_line("a\n\n  b\tc", 100) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


def test_one_line_says_that_it_left_out_what_comes_after_many_blanks():
    assert one_line("a" + " " * 1000 + "b", 10) == "a…"


def test_one_line_lets_nothing_steer_a_terminal():
    hostile = "\x1b]0;title\x07a \x1b[31mb\x1b[0m\x9b2J \x08c\u202ed\ud800"
    assert one_line(hostile) == "a b ␈c⟨U+202E⟩d\ufffd"


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 turns"), (1, "1 turn"), (2, "2 turns"), (1_234_567, "1,234,567 turns")],
)
def test_a_count_has_its_noun_in_the_right_number(number, said):
    assert counted(number, "turn") == said
