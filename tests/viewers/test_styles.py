import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers.styles import BOLD, CODE, DIM, MOST_MARKS, prose, styled


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


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
@pytest.mark.parametrize("part", ["`a` ", "`a`\n", "**", "`", "# a\n", "```\n"])
def test_prose_of_hostile_length_is_marked_in_linear_time_and_not_for_ever(part):
    _, marks = prose(part * 500_000)
    assert len(marks) <= 2 * MOST_MARKS


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("31", 2), ("91", 10), ("38;5;1", 2), ("38;5;9", 10), ("1;31", BOLD | 2),
        ("31;39", 0), ("1;22", 0), ("31;0", 0),
        ("38;5;200", 0), ("38;2;1;2;31", 0), ("48;5;1", 0), ("48;2;4;31;1", 0), ("38;5", 0),
        ("31;38;2;0;0;0", 2), ("38;2;255;100;0;1", BOLD),
    ],
)  # fmt: skip
def test_the_sixteen_colours_are_kept_and_the_numbers_of_others_mean_nothing_else(codes, style):
    assert styled(f"\x1b[{codes}mx") == ("x", (0, 1, style) if style else ())


def test_of_a_coloured_line_that_was_written_over_the_last_text_is_shown():
    assert styled("\x1b[31m10%\r\x1b[32m20%\x1b[0m\nnext") == ("20%\nnext", (0, 3, 3))
