"""What exports hide: 200 secrets of 20 shapes; and what they leave: ordinary lines."""

import base64
import json
import sysconfig
from pathlib import Path

import pytest
from planted import SHAPES, planted

from aod_notebook.core.redactor import Redactor, is_secret_name

HOMES = "home"
ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "aod_notebook" / "local" / "recordings"


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


def texts_in(value):
    """Yield the texts of decoded JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_in(item)


def captured(paths):
    """Yield what real CLIs printed: the texts in their lines of JSON."""
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield from texts_in(json.loads(line))


def files(root, *patterns):
    found = sorted(path for pattern in patterns for path in root.glob(pattern))
    return (path.read_text(encoding="utf-8") for path in found)


CORPORA = {
    "standard library": lambda: files(Path(sysconfig.get_paths()["stdlib"]), "[a-h]*.py"),
    "source": lambda: files(ROOT, "aod_notebook/**/*.py", "aod_notebook/**/*.js"),
    "documentation": lambda: files(ROOT, "docs/*.md", "*.md", "notebooks/*.ipynb"),
    "captures": lambda: captured(
        [*RECORDINGS.glob("*.jsonl"), *(ROOT / "tests/transcripts/captures").rglob("*.jsonl")]
    ),
}


@pytest.mark.parametrize("name", CORPORA)
def test_at_most_one_in_a_hundred_innocent_lines_changes(name):
    lines = [line for text in CORPORA[name]() for line in text.splitlines()]
    lines = lines[:: 1 + len(lines) // 20_000]
    redactor = Redactor(["a known secret"], home="/opt/people/ada", user="ada")
    changed = [line for line in lines if redactor.text(line) != line]
    assert len(lines) > 500
    assert len(changed) <= len(lines) / 100, changed[:20]


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


@pytest.mark.timeout(60)  # seconds are enough; what grows with the square takes many minutes
@pytest.mark.parametrize(
    "part",
    [
        *("\n", "\r\n", " \t", "a.", "a-", "a_", "password", "password-", "token_", "secret-"),
        *("sk-", "ghp_", "aws_secret_access_key", "password: ", "--token ", "login x "),
    ],
)
def test_time_grows_linearly_with_repeated_text(part):
    text = part * (200_000 // len(part))
    assert Redactor(["tell nobody"], home="/opt/ada", user="ada").text(text) == text


def test_a_setting_after_blank_lines_is_hidden():
    assert Redactor().text("\n\n  \n  DB_PASSWORD=abc123xyz\r\n\n") == (
        "\n\n  \n  DB_PASSWORD=[hidden]\r\n\n"
    )


def test_what_is_nested_too_deeply_is_hidden_whole():
    deep = "hunter2"
    for _ in range(5_000):
        deep = [deep]
    assert Redactor().value(deep) == "[hidden]"
