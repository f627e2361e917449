import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.viewers import page, wire
from aod_notebook.viewers.page import joined, module, stub
from aod_notebook.viewers.row import FOLDED, Extra, Kind, Row
from aod_notebook.viewers.styles import styled
from aod_notebook.viewers.wire import BODY_BYTES, WIRE_CHARS, chunk, wire_rows

PAGE = joined()


def test_the_page_knows_the_kinds_in_the_same_order():
    listed = re.search(r"KINDS = \[(.*?)\]", PAGE, re.DOTALL)[1]
    assert re.findall(r'"([^"]+)"', listed) == [str(kind) for kind in Kind]


def test_the_parts_are_small_and_a_widget_that_finds_them_is_tiny():
    assert len(module().encode()) <= 160 * 1024  # with the style sheet
    assert len(stub("stream").encode()) <= 2 * 1024


def test_the_joined_parts_import_nothing_and_keep_every_line_of_code():
    assert "import {" not in PAGE
    for part in Path(page.__file__).parent.glob("*.js"):
        if part.name == "stub.js":
            continue
        names = re.findall(
            r"^export (?:class|function|const) (\w+)", part.read_text(), re.MULTILINE
        )
        assert names
        for name in names:
            assert (
                len(re.findall(rf"^export (?:class|function|const) {name}\b", PAGE, re.MULTILINE))
                == 1
            )


def test_chunks_together_are_all_rows_in_order():
    rows = [Row(Kind.OUTPUT, text=f"{n} {'é' * 500}") for n in range(2_000)]
    number, read = 0, []
    while number < len(rows):
        body, number = chunk(rows, number, len(rows))
        assert len(body) <= BODY_BYTES
        read += json.loads(body)
    assert read == [row.text for row in rows]


def test_long_rows_are_sent_as_many_as_fit():
    rows = [Row(Kind.TEXT, text="x" * WIRE_CHARS) for _ in range(40)]
    number, counts = 0, []
    while number < len(rows):
        body, after = chunk(rows, number, len(rows))
        assert len(body) <= BODY_BYTES
        counts.append(len(json.loads(body)))
        number = after
    assert sum(counts) == 40
    assert min(counts[:-1]) > 1


def test_much_markdown_is_read_for_few_rows_at_once(monkeypatch):
    read = []
    monkeypatch.setattr(wire, "tree", read.append)
    rows = [Row(Kind.TEXT, text="**x** " * 1000, extra=Extra(words=True)) for _ in range(100)]
    _, sent = chunk(rows, 0, 100)
    assert sent <= len(read) < sent + 10


@pytest.mark.parametrize("fill", ["x", "\u2028", "😀", '"', "\n"])
def test_a_huge_row_still_fits_into_one_message(fill):
    body, number = chunk([Row(Kind.TEXT, text=fill * 10_000_000)], 0, 1)
    assert number == 1
    assert len(body) <= BODY_BYTES
    assert json.loads(body)[0][6] == 10_000_000 * (2 if fill == "😀" else 1)


@given(st.text(st.characters(codec=None), max_size=200))
def test_any_cleaned_text_goes_over_the_wire(text):
    shown, marks = styled(text)
    row = Row(Kind.STDERR, "", shown, is_error=True, marks=marks)
    (read,) = json.loads(chunk([row], 0, 1)[0])
    assert read[1] == shown


def test_marks_count_as_the_page_counts():
    text, marks = styled("😀\x1b[31mred\x1b[0m")
    (read,) = wire_rows([Row(Kind.OUTPUT, text=text, marks=marks)])
    assert read[-1] == [2, 5, 2]


def test_a_cut_row_shows_its_length():
    (read,) = wire_rows([Row(Kind.OUTPUT, text="x" * (WIRE_CHARS + 1))])
    assert read[6] == WIRE_CHARS + 1


def test_the_page_folds_the_same_kinds():
    named = re.search(r"FOLDED = \[(.*?)\]", PAGE)[1].lower().replace("_", " ")
    assert named.split(", ") == [str(kind) for kind in FOLDED]
