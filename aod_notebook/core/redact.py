"""Hide secrets in text: the ones that are known, and everything with the form of a known token.

Everything that leaves for people's eyes or for a file passes here: messages, logs, exports.
A token's form is taken from its issuer's documentation, never guessed from its entropy, so that
ordinary code and logs pass unchanged. A password without a form of its own is hidden only where
it is known (`secrets=`) or where its place says what it is (a URL, a header, a private key).
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HIDDEN = "[hidden]"

# Keys of request bodies that hold secrets, on either service, with names that are near to them: a
# misspelt field holds the same secret. `max_tokens` and its like hold numbers, which stay.
_SECRET_KEY = re.compile(
    r"^(?:env|headers)$|env_?vars?$|secret|token|passw|api_?key|credential|authori[sz]ation",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4  # hiding every "1" or "on" of an environment would hide the message

# `\b` counts `_` as part of a word, but a token may follow one (`KEY_AKIA…`)
_START = r"(?<![A-Za-z0-9])"
_FORMS = (
    # ours
    r"aod_(?!notebook(?:\b|_))[A-Za-z0-9_\-]{8,}"  # but for our own names
    r"|aos_(?:agent|ws|user)_[A-Za-z0-9_\-]+"
    # model providers: OpenAI, Anthropic, Langfuse and others; a key without a digit is a name
    r"|[sp]k-(?=[A-Za-z0-9_\-]{0,40}[0-9])[A-Za-z0-9_\-]{12,}"
    r"|gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|pplx-[A-Za-z0-9]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|dapi[0-9a-f]{32}"
    # clouds: AWS key ids; Google API keys, OAuth secrets and tokens; DigitalOcean
    r"|A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}(?![A-Za-z0-9])"
    r"|AIza[A-Za-z0-9_\-]{35}|GOCSPX-[A-Za-z0-9_\-]{20,}|ya29\.[A-Za-z0-9_\-]{20,}"
    r"|do[opr]_v1_[0-9a-f]{32,}"
    # code: GitHub, GitLab, npm, PyPI, crates.io, RubyGems, Docker
    r"|gh[a-z]_[A-Za-z0-9]{12,}|github_pat_[A-Za-z0-9_]{12,}"
    r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent|imt)-[A-Za-z0-9_.\-]{16,}"
    r"|npm_[A-Za-z0-9]{20,}|pypi-AgE[A-Za-z0-9_\-]{16,}|cio[A-Za-z0-9]{32}(?![A-Za-z0-9])"
    r"|rubygems_[0-9a-f]{20,}|dckr_(?:pat|oat)_[A-Za-z0-9_\-]{16,}"
    # chat, mail and payment: Slack, SendGrid, Stripe
    r"|xox[a-z]-[A-Za-z0-9\-]{10,}|xapp-[A-Za-z0-9\-]{10,}"
    r"|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}"
    # JSON web tokens: two or more parts, the first a JSON object in base64 (and no
    # place inside a longer name, which would be read to its end again and again)
    r"|(?<![_\-])eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){1,4}"
)
_WORDS = r"auth\w*|credentials?|header\w*|tokens?|and|for|in|is|of|or|the|to|with"
_PLACES = (
    # `Bearer x` in a header or a message, but not where a sentence speaks of it
    rf"(?i:\bbearer)\s+(?!(?i:{_WORDS})\b)[^\s\"'`<>]+"
    r"|(?i:\b(?:proxy-)?authorization)[\"']?\s*[:=]\s*[\"']?(?i:basic|bearer|digest|token)\s+[^\s\"',;]+"
    r"|(?i:\b(?:x-api-key|x-goog-api-key|private-token))[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{8,}"
    r"|(?<=://)[^/\s@]+(?=@)"
    r"|(?<=_authToken=)[^\s\"']+|(?<=_auth=)[^\s\"']+|(?<=_password=)[^\s\"']+"
    r"|[?&](?i:access_token|api_?key|token|x-amz-signature)=[^&\s\"'<>]+"
    r"|hooks\.slack\.com/services/[^\s\"'<>]+"
    r"|(?i:aws_?secret_?access_?key)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}"
    # to its last line, or as far as it looks like a key where the text was cut
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----))*(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_TOKENS = f"{_START}(?:{_FORMS})|{_PLACES}"
_BASIC = re.compile(r"\b(?i:basic)\s+([A-Za-z0-9+/]{4,}={0,2})(?![A-Za-z0-9+/=])")


@cache
def _tokens() -> re.Pattern[str]:
    """Return the pattern of all tokens; it takes 2 ms to compile, and few imports need it."""
    return re.compile(_TOKENS)


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return `value` with the given secrets, and everything that looks like a token, hidden.

    Strings inside lists and dicts are treated too; the value's type stays. What is nested too
    deeply to be looked through is hidden whole.

    Example:
        >>> redact({"msg": "Bearer abc is bad"}, secrets=["bad"])
        {'msg': '[hidden] is [hidden]'}
    """
    try:
        return _redact(value, sorted(secrets, key=len, reverse=True))
    except RecursionError:
        return HIDDEN


def redact_text(text: str, secrets: Sequence[str] = ()) -> str:
    """Return `text` with the given secrets (longest first) and all tokens hidden.

    Linear in the length of `text`.

    Example:
        >>> redact_text("Authorization: Basic dTpw, then go")
        '[hidden], then go'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _BASIC.sub(_without_basic, _tokens().sub(HIDDEN, text))


def secrets_in(body: Any) -> list[str]:
    """List the secret values of a request body, to be hidden in messages about it.

    Example:
        >>> secrets_in({"name": "x", "env_vars": {"KEY": "hunter22"}})
        ['hunter22']
    """
    if isinstance(body, dict):
        found = []
        for key, value in body.items():
            secret = isinstance(key, str) and _SECRET_KEY.search(key)
            found += _texts(value) if secret else secrets_in(value)
        return found
    if isinstance(body, list):
        return [secret for item in body for secret in secrets_in(item)]
    return []


def _redact(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        return redact_text(value, secrets)
    if isinstance(value, dict):
        return {_redact(key, secrets): _redact(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, secrets) for item in value]
    return value


def _without_basic(match: re.Match[str]) -> str:
    """Hide `Basic …` where it holds `user:password`; `basic knowledge` holds neither."""
    try:
        is_pair = b":" in base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return match[0]
    return HIDDEN if is_pair else match[0]


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) >= _SHORTEST_SECRET else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _texts(item)]
