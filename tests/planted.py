"""Secrets that tests plant: made up anew, in the shapes of many issuers, each in a sentence."""

import base64
import random
import string

DICE = random.Random(17)
LETTERS = string.ascii_letters + string.digits


def some(length, of=LETTERS):
    """Return what looks like a token of this run; nothing of it stands in a file."""
    return "".join(DICE.choice(of) for _ in range(length - 2)) + "7x"[: min(2, length)]


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
    """Return ten secrets of a shape, each with a sentence that it stands in."""
    return [SHAPES[shape]() for _ in range(10)]
