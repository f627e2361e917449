import pytest
from hypothesis import given
from hypothesis import strategies as st

from aod_notebook.magics.template import UnknownNameError, fill


def test_a_bare_name_becomes_the_text_of_the_variable():
    assert fill("Read {{path}} twice: {{path}}", {"path": "a.txt"}) == "Read a.txt twice: a.txt"


@pytest.mark.parametrize(
    "text",
    [
        "{x}",
        "$x",
        "%x",
        '"""x"""',
        "{{ x }}",
        "{{x.y}}",
        "{{x|upper}}",
        "{{1x}}",
        '{"a": {"b": 1}}',
    ],
)
def test_everything_but_a_bare_name_is_left_only(text):
    assert fill(text, {"x": "never"}) == text


def test_a_value_that_looks_like_a_name_is_not_filled_again():
    assert fill("{{a}}", {"a": "{{b}}", "b": "no"}) == "{{b}}"


def test_an_unknown_name_is_an_error_that_names_raw():
    with pytest.raises(UnknownNameError, match=r"\{\{missing\}\}.*--raw"):
        fill("Use {{missing}}", {})


@given(st.text(alphabet=st.characters(exclude_characters="{}")))
def test_text_without_braces_passes_unchanged(text):
    assert fill(text, {}) == text
