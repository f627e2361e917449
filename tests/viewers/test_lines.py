import itertools

from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers.lines import PARAGRAPH_CHARS, Paragraphs, TextLines

TEXT = st.text(st.sampled_from("ab \n"), max_size=60)


def cut(text, places):
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@given(TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_lines_are_the_same_however_the_text_is_cut(text, places):
    lines = TextLines()
    given_ = [line for piece in cut(text, places) for line in lines.feed(piece)] + lines.flush()
    whole = text.split("\n")
    assert given_ == (whole if whole[-1] else whole[:-1])


@given(TEXT, st.lists(st.integers(0, 60), max_size=6))
def test_no_word_of_a_paragraph_is_lost(text, places):
    words = Paragraphs()
    texts = [each for piece in cut(text, places) for each in words.feed(piece)] + words.flush()
    assert "".join("".join(texts).split()) == "".join(text.split())
    assert all(each == each.strip("\n") and each.strip() for each in texts)


def test_a_paragraph_without_an_end_is_cut_where_a_line_ends():
    words = Paragraphs()
    line = "x" * 79 + "\n"
    texts = [text for _ in range(1_000) for text in words.feed(line)]
    assert max(map(len, texts)) < 2 * PARAGRAPH_CHARS
    assert set("".join(texts)) == {"x", "\n"}


def test_a_paragraph_without_any_line_is_cut_where_it_is_too_long():
    words = Paragraphs()
    texts = [text for _ in range(10) for text in words.feed("x" * (PARAGRAPH_CHARS // 2))]
    assert texts == ["x" * PARAGRAPH_CHARS] * 5


def test_what_waits_is_known_by_its_last_characters():
    lines = TextLines()
    for piece in ("one", "two", "three"):
        lines.feed(piece)
    assert [lines.waiting(limit) for limit in (2, 6, 100)] == ["ee", "othree", "onetwothree"]
