import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers.styles import BOLD, CODE, DIM, MOST_MARKS, prose


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
