"""What exports hide: 200 secrets of 20 shapes; and what they leave: ordinary lines."""

import base64
import json
import random
import string
import sysconfig
from pathlib import Path

import pytest

from aod_notebook.core.redactor import Redactor, is_secret_name

DICE = random.Random(17)
HOMES = "home"
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(length, of=LETTERS):
    """Return what looks like a token of this run; nothing of it stands in a file."""
    return "".join(DICE.choice(of) for _ in range(length - 2)) + "7x"[: min(2, length)]


def hexes(length):
    return "".join(DICE.choice(HEX) for _ in range(length))


def jwt():
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.{some(40)}.{some(43)}"


def pem():
    kind = "RSA " + "PRIVATE KEY"
    body = "\n".join(some(64) for _ in range(4))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


SHAPES = {
    "known": lambda: (some(18), "the gateway took {} today"),
    "anthropic": lambda: (f"sk-ant-api03-{some(60)}", "export ANTHROPIC_API_KEY={}"),
    "openai": lambda: (f"sk-proj-{some(48)}", 'client = OpenAI(api_key="{}")'),
    "github": lambda: (f"ghp_{some(36)}", "git clone https://x:{}@github.com/a/b"),
    "github fine": lambda: (f"github_pat_{some(60)}", "token {} expired"),
    "gitlab": lambda: (f"glpat-{some(20)}", "PRIVATE-TOKEN: {}"),
    "aws": lambda: (some(40), "aws_secret_access_key = {}"),
    "google": lambda: (f"AIza{some(35)}", "https://maps.example/api?key={}&v=3"),
    "slack": lambda: (f"xoxb-{some(40)}", "slack says {} is revoked"),
    "stripe": lambda: (f"sk_live_{some(24)}", "stripe.api_key = '{}'"),
    "jwt": lambda: (jwt(), "Set-Cookie: session={}; HttpOnly"),
    "bearer": lambda: (some(32), "curl -H 'Authorization: Bearer {}' https://api.example"),
    "address": lambda: (f"{some(14)}!", "postgres://app:{}@db.internal:5432/main"),
    "pem": lambda: (pem(), "$ cat id_rsa\n{}\n"),
    "npm": lambda: (f"npm_{some(36)}", "//registry.example/:_authToken={}"),
    "hugging face": lambda: (f"hf_{some(34)}", "login(token='{}')"),
    "settings": lambda: (f"{some(12)}#{some(4)}", "DB_PASSWORD={}"),
    "json": lambda: (some(20), '{{"user": "ada", "client_secret": "{}"}}'),
    "azure": lambda: (f"{some(86)}==", "AccountName=a;AccountKey={};EndpointSuffix=b"),
    "telegram": lambda: (f"{DICE.randrange(10**9, 10**10)}:AA{some(33)}", "bot {} started"),
    "option": lambda: (some(16), "mysqldump --user root --password {} shop"),
    "vault": lambda: (f"hvs.{some(90)}", "vault login {}"),
}


def planted(shape):
    return [SHAPES[shape]() for _ in range(10)]


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
