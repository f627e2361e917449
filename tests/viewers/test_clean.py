import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers.clean import BOLD, CODE, DIM, MOST_MARKS, clean, one_line, prose


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
        ("👩\u200d💻", "👩\u200d💻"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("déjà vu 👋", "déjà vu 👋"),
    ],
)
def test_hostile_characters_are_dropped_or_made_visible(hostile, safe):
    assert clean(hostile) == safe


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_control_character_or_surrogate_survives(text):
    kept = {unicodedata.category(c) for c in clean(text) if c not in "\t\n"}
    assert not kept & {"Cc", "Cs"}


@given(st.text(alphabet=st.sampled_from("ab\x1b[]\\;8m0\x07\r\n\u202e\x9b")))
def test_cleaning_twice_changes_nothing(text):
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("part", ["\x1b]", "\r", "a\r", "\x1b[", "\x1bP\x1b", "\x00"])
def test_time_grows_linearly_with_the_text(part):
    started = time.process_time()
    clean(part * 500_000)
    assert time.process_time() - started < 2


@given(st.text(st.sampled_from("a`*#\n -"), max_size=40))
def test_marks_of_prose_are_in_order_and_leave_the_text(text):
    shown, marks = prose(text)
    edges = [edge for place in range(0, len(marks), 3) for edge in marks[place : place + 2]]
    assert shown == text
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)


def test_code_blocks_and_headings_are_set_off():
    text = "# Title\n```py\nx = 1\n```\nlast"
    _, marks = prose(text)
    looks = {text[start:end]: style for start, end, style in zip(*[iter(marks)] * 3, strict=True)}
    assert looks == {"# Title": BOLD, "```py": DIM, "x = 1": CODE, "```": DIM}


@pytest.mark.parametrize("part", ["`a` ", "`a`\n", "**", "`", "# a\n", "```\n"])
def test_prose_of_hostile_length_is_marked_in_linear_time_and_not_for_ever(part):
    started = time.process_time()
    _, marks = prose(part * 500_000)
    assert len(marks) <= 2 * MOST_MARKS
    assert time.process_time() - started < 2


def test_one_line_folds_white_space_and_says_that_it_cut():
    assert one_line("a\n\n  b\tc", 100) == "a b c"
    assert one_line("abcdef", 4) == "abc…"
