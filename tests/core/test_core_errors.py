"""The root error and the hiding of secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aod_notebook.core.errors import AodNotebookError, redact, secrets_in


def test_a_cell_shows_one_line():
    assert AodNotebookError("a\nb")._render_traceback_() == ["AodNotebookError: a b"]


def test_a_cell_shows_nothing_that_steers_a_terminal():
    hostile = "\x1b]0;title\x07a \x1b[31mb\x1b[0m\x9b2J \x08c\u202ed\ud800"
    assert AodNotebookError(hostile)._render_traceback_() == [
        "AodNotebookError: a b ␈c⟨U+202E⟩d\ufffd"
    ]


def test_our_own_name_is_no_secret():
    told = "no connection: %load_ext aod_notebook, or connect(), as of aod_notebook_default"
    assert str(AodNotebookError(told)) == told


@pytest.mark.parametrize(
    "secret",
    [
        "aod_" + "a1B2-c3_" * 5,
        "aos_agent_abc",
        "aos_ws_abc",
        "aos_user_abc",
        "Bearer anything-at.all",
        "sk-ant-api03-abcdef",
        "ghp_abcdefghijklmnop",
        "github_pat_abcdefghijklmnop",
    ],
)
def test_whatever_looks_like_a_token_is_hidden(secret):
    hidden = redact({"a": [f"x {secret} y"]})["a"][0]
    assert secret not in hidden
    assert hidden == "x [hidden] y"


def test_a_password_inside_a_url_is_hidden():
    assert redact("http://me:pass@host/x") == "http://[hidden]@host/x"


def test_known_secrets_are_hidden_even_where_one_contains_another():
    assert redact("abcd-abcdef", ["abcd", "abcdef"]) == "[hidden]-[hidden]"


def test_redacting_keeps_types():
    value = {"n": 1, "none": None, "list": [True, 1.5]}
    assert redact(value, ["zzzz"]) == value


def test_what_is_nested_too_deeply_is_hidden_whole():
    nested = ["a secret"]
    for _ in range(100_000):
        nested = [nested]
    assert redact(nested, ["a secret"]) == "[hidden]"


def test_secrets_of_a_request_are_found_wherever_they_are():
    body = {
        "name": "public",
        "env_vars": {"A": "first-secret"},
        "secret_env_vars": {"B": "second-secret"},
        "resources": [{"url": "u", "authorization_token": "third-secret"}],
        "mcp_servers": [{"headers": {"X": "fourth-secret"}}, {"env": {"Y": ["fifth-secret"]}}],
        "metadata": {"on": "1"},
    }
    assert secrets_in(body) == [
        f"{n}-secret" for n in ("first", "second", "third", "fourth", "fifth")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON, st.text(min_size=4))
def test_a_known_secret_never_survives(value, secret):
    assert secret not in redact(secret + "|", [secret]).replace("[hidden]", "")
    redact(value, [secret])
    secrets_in(value)
