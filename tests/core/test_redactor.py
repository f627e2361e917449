"""What exports hide: 200 secrets of 20 shapes; and what they leave: ordinary lines."""

import base64
import json
import sysconfig
from pathlib import Path

import pytest
from planted import SHAPES, planted

from aod_notebook.core.redactor import Redactor, is_secret_name

HOMES = "home"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("quoted", ["plain", "json"])
def test_no_planted_secret_is_left(shape, quoted):
    for secret, sentence in planted(shape):
        redactor = Redactor([secret] if shape == "known" else [])
        text = sentence.format(secret)
        if quoted == "json":
            redacted = json.dumps(redactor.value(json.loads(json.dumps({"output": text}))))
        else:
            redacted = redactor.text(text)
        assert secret not in redacted
        assert not any(part in redacted for part in secret.split("\n") if len(part) > 20)
        assert sum(redactor.counts.values()) >= 1


def test_at_most_one_in_a_hundred_ordinary_lines_changes():
    root = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text() for path in sorted(root.glob("*.py"))]
    lines = [line for text in texts for line in text.splitlines()][::8]
    redactor = Redactor()
    changed = [line for line in lines if redactor.text(line) != line]
    assert len(lines) > 5_000
    assert len(changed) <= len(lines) / 100


@pytest.mark.parametrize(
    "form", [str, json.dumps, lambda text: json.dumps(json.dumps(text)), lambda text: base64.b64encode(text.encode()).decode()]
)  # fmt: skip
def test_a_known_secret_is_hidden_however_it_is_quoted(form):
    secret = 'pass "word" & <more>'
    text = form(secret)
    assert Redactor([secret]).text(f"before {text} after").count("[hidden]") == 1


def test_a_known_secret_is_hidden_in_markup():
    secret = "one&two<three>"
    assert Redactor([secret]).known("<b>one&amp;two&lt;three&gt;</b>") == "<b>[hidden]</b>"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"/{HOMES}/ada/src/x.py", "~/src/x.py"),
        ("/Users/ada", "~"),
        (r"C:\Users\ada\src", r"~\src"),
        ("~/.claude/projects/-home-ada-src", "~/.claude/projects/-~-src"),
        ("/opt/people/ada/x", "~/x"),
        ("/tmp/pytest-of-ada/pytest-1", "/tmp/pytest-of-user/pytest-1"),
        ("/var/mail/ada", "/var/mail/user"),
        ("ada wrote this in /homework", "ada wrote this in /homework"),
    ],
)
def test_homes_and_names_in_paths_are_replaced(text, redacted):
    assert Redactor(home="/opt/people/ada", user="ada").text(text) == redacted


def test_counts_say_what_was_replaced():
    redactor = Redactor(["tell nobody"], home="/opt/ada")
    redactor.text("tell nobody, tell nobody in /opt/ada")
    redactor.value({"password": "abc123xyz"})
    assert redactor.report() == "1 home folder, 2 known secrets, 1 password"
    assert Redactor().report() == "nothing"


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "GH_TOKEN", "DB_PASSWORD", "SECRET_KEY", "PASSWORD_2"]
)
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["SSH_AUTH_SOCK", "MAX_TOKENS", "input_tokens_max", "KEYMAP", "PATH", "GPG_KEY_FILE"]
)
def test_names_of_other_things_are_not(name):
    assert not is_secret_name(name)
