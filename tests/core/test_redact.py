"""Secrets are hidden in text, and ordinary text stays as it is."""

import base64
import logging
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aod_notebook.core.redact import redact, redact_text, secrets_in

FAKE = "0Fake1Not2Real3" * 6
HEX = "0fake".replace("k", "c") * 13
# put together here, so that no scanner takes this file for a leak
FORMS = [
    ("AKIA", "FAKE" * 4),
    ("ASIA", "FAKE" * 4),
    ("AIza", FAKE[:35]),
    ("GOCSPX-", FAKE[:28]),
    ("ya29.", FAKE),
    ("xoxb-", "000000000000-" + FAKE[:24]),
    ("xoxp-", "000000000000-" + FAKE[:24]),
    ("xapp-", "1-A0-" + FAKE[:24]),
    ("glpat-", FAKE[:20]),
    ("hf_", FAKE[:34]),
    ("sk_live_", FAKE[:24]),
    ("rk_test_", FAKE[:24]),
    ("whsec_", FAKE[:32]),
    ("ghp_", FAKE[:36]),
    ("gho_", "abcdefghijklmnop"),
    ("github_pat_", "abcdefghijklmnop"),
    ("sk-ant-", "api03-" + FAKE[:40]),
    ("sk-proj-", FAKE[:40]),
    ("sk-", FAKE[:48]),
    ("gsk_", FAKE[:52]),
    ("npm_", FAKE[:36]),
    ("pypi-", "AgEIcHlwaS5vcmc" + FAKE[:60]),
    ("cio", FAKE[:32]),
    ("dckr_pat_", FAKE[:27]),
    ("SG.", f"{FAKE[:22]}.{FAKE[:43]}"),
    (
        "eyJ",
        f"hbGciOiJub25lIn0.eyJzdWIiOiJmYWtlIn0.{FAKE[:43]}",
    ),
    ("-----BEGIN RSA PRIVATE", f" KEY-----\n{FAKE}\n{FAKE}==\n-----END RSA PRIVATE KEY-----"),
    ("-----BEGIN PRIVATE", f" KEY-----\\n{FAKE}\\n-----END PRIVATE KEY-----"),
]


@pytest.mark.parametrize(
    "secret",
    [
        "aod_" + "a1B2-c3_" * 5,
        "aos_agent_abc",
        "aos_ws_abc",
        "aos_user_abc",
        "Bearer anything-at.all",
        "Authorization: Basic x",
        "x-api-key: abcdefgh",
        *(start + rest for start, rest in FORMS),
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


def test_basic_credentials_are_hidden_and_basic_knowledge_is_not():
    pair = base64.b64encode(b"me:hunter22").decode()
    assert redact(f"sent Basic {pair}.") == "sent [hidden]."
    assert redact("Basic auth, basic knowledge, BASIC PROGRAMMING") == (
        "Basic auth, basic knowledge, BASIC PROGRAMMING"
    )


def test_a_private_key_that_was_cut_is_hidden_as_far_as_it_goes():
    cut = "-----BEGIN OPENSSH PRIVATE" + f" KEY-----\n{FAKE}\n{FAKE}"
    assert redact(f"before {cut}") == "before [hidden]"


@pytest.mark.parametrize(
    "text",
    [
        "the bearer token is missing",
        "Missing or invalid Authorization header",
        "max_tokens=4096, input_tokens: 18080",
        "class sk-toggleable, import sklearn as sk",
        "npm_config_registry, hf_transformer_config_name, ghp_x",
        "task-1234567890123456, risk-assessment-of-2026",
        "see https://example.com/a?page=2&key=name#token",
        "git@github.com:owner/repo.git and user@host",
        "sha256:" + HEX,
        "eyJ is how base64 of a JSON object begins",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


def test_of_ordinary_code_less_than_one_line_in_a_hundred_changes():
    library = Path(sysconfig.get_path("stdlib"))
    files = [*sorted(library.glob("*.py")), *Path(logging.__file__).parent.glob("*.py")]
    lines = [line for file in files for line in file.read_text("utf-8", "replace").splitlines()]
    changed = [line for line in lines if redact_text(line) != line]
    assert len(lines) > 50_000
    assert len(changed) / len(lines) < 0.001, changed[:20]


@pytest.mark.timeout(60)  # a second is enough; what grows with the square takes minutes
@pytest.mark.parametrize(
    "part",
    [
        "://a",
        "eyJ",
        "eyJabcdefghi.",
        "-eyJabcdefghi",
        "glpat-",
        "basic a",
        "authorization ",
        "Bearer ",
        "-----BEGIN PRIVATE KEY-----",
        "sk-",
        "sk-a",
        "?token",
    ],
)
def test_time_grows_linearly_with_hostile_text(part):
    redact_text(part * (200_000 // len(part)))


def test_a_misspelt_field_of_a_request_holds_a_secret_too():
    body = {"secret_env": {"A": "first-secret"}, "env_var": {"B": "second-secret"}, "max_tokens": 5}
    assert secrets_in(body) == ["first-secret", "second-secret"]
