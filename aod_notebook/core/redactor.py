"""Prepare text for sharing: hide secrets, home directories and user names, and count them.

What `core.redact` hides in messages is hidden here too. An export holds whole files and outputs,
so this looks further: for values that are known to be secret in whatever form they were quoted,
for the tokens of more issuers, and for passwords that a name or an option introduces.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aod_notebook.core.redact import HIDDEN, redact_text

if TYPE_CHECKING:
    from collections.abc import Iterable

KNOWN, TOKEN, PASSWORD = "known secret", "token", "password"
HOME, USER = "home folder", "user name"

_SECRET_NAME = re.compile(
    r"(?:^|[_\-.])(?:api_?)?(?:keys?|tokens?|secrets?|passw(?:or)?d|passwd|passphrase|pass|pwd|pat"
    r"|credentials?|auth|dsn|cookie)(?:$|[_\-.]\d*$)"
    r"|api_?key|access_?key|secret|passw|private_?key|auth_?token|credential",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(
    r"(?i)(?:file|path|dir|url|uri|name|id|sock|timeout|helper|program|command|type|max_?tokens?)$"
)
_SHORTEST = 6
"""A shorter value of a secret's variable is a word or a number, and stands in many places."""
_START = r"(?<![A-Za-z0-9])"
_MORE_FORMS = re.compile(
    _START + r"(?:"
    r"(?:shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})|sq0(?:csp|atp|idp)-[A-Za-z0-9_\-]{20,}"
    r"|EAAA[A-Za-z0-9_\-]{40,}|ntn_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{32,}"
    r"|lin_(?:api|oauth)_[A-Za-z0-9]{20,}|figd_[A-Za-z0-9_\-]{20,}|hv[sbr]\.[A-Za-z0-9_\-]{20,}"
    r"|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{40,}|glsa_[A-Za-z0-9_]{30,}|glc_[A-Za-z0-9+/=]{30,}"
    r"|sntry[su]_[A-Za-z0-9+/=_\-]{30,}|dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._\-]{20,}"
    r"|NRAK-[A-Z0-9]{20,}|HRKU-[A-Za-z0-9_\-]{20,}|fo1_[A-Za-z0-9_\-]{20,}|sbp_[0-9a-f]{30,}"
    r"|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_\-.]{20,}|PMAK-[A-Za-z0-9\-]{30,}"
    r"|pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}|sk_[0-9a-f]{40,}|tskey-[a-z]+-[A-Za-z0-9\-]{16,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}|key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|SK[0-9a-f]{32}"
    r"|\d{8,10}:AA[A-Za-z0-9_\-]{30,}|1//0[A-Za-z0-9_\-]{30,}|AAAA[A-Za-z0-9_\-]{7}:APA91b[A-Za-z0-9_\-]{50,}"
    r"|[MNO][A-Za-z0-9_\-]{23,25}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,}"
    r")(?![A-Za-z0-9])"
    r"|(?<=/api/webhooks/)\d+/[A-Za-z0-9_\-]{20,}"
)
"""Shopify, Square, Notion, Linear, Figma, Vault, Terraform, Grafana, Sentry, Doppler, New Relic,
Heroku, Fly, Supabase, PlanetScale, Postman, Airtable, ElevenLabs, Tailscale, age, Mailgun,
Mailchimp, Twilio, Telegram, Google, Firebase, Discord."""
_VALUE = r"(?P<value>[^\s\"'`,;<>(){}\[\]\\]{6,})"
# All parts are limited: without that, a long run of them would be read again from each of its parts.
_NAME = (
    r"(?:[A-Za-z0-9]{1,40}[_\-.]){0,12}(?:password|passwd|passphrase|secret|token|api[_\-]?key|access[_\-]?key"
    r"|private[_\-]?key|account[_\-]?key|client[_\-]?secret|auth[_\-]?key|credential|pwd)s?(?:[_\-.]?[A-Za-z0-9]{1,30}){0,2}"
)
_ASSIGNED = re.compile(
    # quoted: JSON, YAML, Python; a value with a digit or a sign, no words
    rf"(?i)(?<![A-Za-z0-9])({_NAME}\\?[\"']?\s*(?:[:=]|=>|:=)\s*(?:[rbuf]{{0,2}}\\?[\"'])){_VALUE}(?=\\?[\"'])"
)
_SETTING = re.compile(
    # a line of a settings file or of a shell: NAME=value, name: value
    rf"(?im)^([ \t]*(?:export\s+|set\s+|ENV\s+|-\s+)?{_NAME}\s*(?:=|:\s)\s*){_VALUE}[ \t\r]*$"
)
_OPTION = re.compile(
    rf"(?i)((?:^|\s)(?:--(?:password|passwd|token|api[_\-]?key|secret|client-secret|access-token|auth-token)(?:=|\s+)"
    rf"|-u\s*[A-Za-z0-9._%+@\-]+:|--user[= ][A-Za-z0-9._%+@\-]+:)[\"']?){_VALUE}"
)
_ENTRY = re.compile(rf"(?i)((?:\bmachine\s+\S+\s+)?\blogin\s+\S+\s+password\s+){_VALUE}")
_PAIR = re.compile(
    r"(?i)((?:^|[;?&\s\"'])(?:AccountKey|SharedAccessKey|SharedSecret|Password|Pwd|sig)=)"
    r"(?P<value>[^;&\s\"'<>]{6,})"
)
_HOMES = re.compile(
    r"(?<![A-Za-z0-9_.\-])(?:/(?:home|Users)/|/var/home/|/mnt/[a-z]/Users/|[A-Za-z]:(?:\\{1,4}|/)Users(?:\\{1,4}|/))"
    r"(?!(?:Shared|Public|runner)\b)(?P<user>[A-Za-z0-9._\-]+)"
)
_SLUG = re.compile(r"(?<=[/\\])-(?:home|Users)-(?P<user>[A-Za-z0-9._]+)")
"""What Claude makes of a working directory's path."""
_COMMON_USERS = frozenset(
    {"admin", "app", "build", "data", "debian", "home", "jovyan", "lib", "local", "node", "public"}
    | {"python", "root", "runner", "src", "test", "tests", "tmp", "ubuntu", "user", "usr", "work"}
)


def is_secret_name(name: str) -> bool:
    """Return whether a variable's or a field's name says that its value is a secret.

    Example:
        >>> [name for name in ("OPENAI_API_KEY", "SSH_AUTH_SOCK", "DB_PASSWORD", "KEYMAP") if is_secret_name(name)]
        ['OPENAI_API_KEY', 'DB_PASSWORD']
    """
    return _SECRET_NAME.search(name) is not None and _NOT_SECRET.search(name) is None


class Redactor:
    """Redacts texts and values, and counts by kind what it replaced.

    Args:
        secrets: values that are known to be secret; those shorter than 6 characters are left,
            because they stand in many places.
        home: the home folder of the person; `/home/…` and the like are found without it.
        user: the person's name on this machine, as it stands in paths.

    Attributes:
        counts: how often each kind of thing was replaced.

    Example:
        >>> redactor = Redactor(secrets=["correct horse"], home="/opt/ada")
        >>> redactor.text("cd /opt/ada/src; login 'correct horse'")
        "cd ~/src; login '[hidden]'"
        >>> dict(redactor.counts)
        {'known secret': 1, 'home folder': 1}
    """

    def __init__(
        self, secrets: Iterable[str] = (), home: str | None = None, user: str | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        forms = {form for value in secrets for form in _forms(value)}
        known = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        at = home.rstrip("/\\") if home else ""
        is_home = len(at) > 1
        self._home = re.compile(rf"(?<![\w.\-]){re.escape(at)}(?![\w.\-])") if is_home else None
        named = user if user and len(user) > 2 and user.lower() not in _COMMON_USERS else None  # noqa: PLR2004 - such names are syllables
        self._user = (
            re.compile(
                rf"(?<=[/\\])(?:{re.escape(named)})(?=[/\\]|$)|(?<=-of-){re.escape(named)}\b"
            )
            if named
            else None
        )

    def text(self, text: str) -> str:
        """Return a redacted text."""
        if not text:
            return text
        if self._known is not None:
            text = self._replace(self._known, HIDDEN, text, KNOWN)
        before = text.count(HIDDEN)
        text = redact_text(text)
        self._count(TOKEN, text.count(HIDDEN) - before)
        text = self._replace(_MORE_FORMS, HIDDEN, text, TOKEN)
        for pattern in (_ASSIGNED, _SETTING, _OPTION, _ENTRY, _PAIR):
            text = pattern.sub(self._without_value, text)
        if self._home is not None:
            text = self._replace(self._home, "~", text, HOME)
        text = self._replace(_HOMES, "~", text, HOME)
        text = self._replace(_SLUG, "-~", text, HOME)
        return text if self._user is None else self._replace(self._user, "user", text, USER)

    def value(self, value: Any) -> Any:
        """Return decoded JSON with all of its texts redacted, and values of secret fields hidden.

        What is nested too deeply to be looked through is hidden whole.
        """
        try:
            return self._value(value)
        except RecursionError:
            return HIDDEN

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._field(key, item) for key, item in value.items()}
        return value

    def known(self, text: str) -> str:
        """Return a text without the known secrets only: for text built from redacted parts."""
        return text if self._known is None else self._replace(self._known, HIDDEN, text, KNOWN)

    def report(self) -> str:
        """Return the counts as a phrase: `2 known secrets, 1 token`; `nothing` without any."""
        counts = [
            f"{count:,} {kind}{'' if count == 1 else 's'}"
            for kind, count in sorted(self.counts.items())
        ]
        return ", ".join(counts) or "nothing"

    def _field(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and is_secret_name(name) and _looks_secret(value):
            self._count(PASSWORD, 1)
            return HIDDEN
        return self._value(value)

    def _replace(self, pattern: re.Pattern[str], by: str, text: str, kind: str) -> str:
        text, count = pattern.subn(by, text)
        self._count(kind, count)
        return text

    def _without_value(self, match: re.Match[str]) -> str:
        if not _looks_secret(match["value"]):
            return match[0]
        self._count(PASSWORD, 1)
        at = match.start("value") - match.start()
        return f"{match[0][:at]}{HIDDEN}{match[0][at + len(match['value']) :]}"

    def _count(self, kind: str, count: int) -> None:
        if count > 0:
            self.counts[kind] += count


def _looks_secret(value: str) -> bool:
    """Return whether a value could be a password: not an identifier, a reference or a placeholder."""
    if (
        len(value) < _SHORTEST
        or HIDDEN in value
        or value.startswith(("$", "%", "<", "{", "/", "~"))
    ):
        return False
    has_digit = any(each.isdigit() for each in value)
    has_letter = any(each.isalpha() for each in value)
    has_sign = any(each in "!@#^&*+=~?%$" for each in value)
    is_name = re.fullmatch(r"[a-z_]+\d?|v?\d[\d.]*[a-z]?\d*", value) is not None
    return has_letter and (has_digit or has_sign) and not is_name


def _forms(secret: str) -> set[str]:
    """Return the forms of a secret in plain text, JSON (also twice), URLs, HTML and base64."""
    secret = secret.strip()
    if len(secret) < _SHORTEST:
        return set()
    once = json.dumps(secret)[1:-1]
    unicode = json.dumps(secret, ensure_ascii=False)[1:-1]
    forms = {
        secret,
        once,
        unicode,
        json.dumps(once)[1:-1],
        quote(secret, safe=""),
        escape(secret),
        base64.b64encode(secret.encode(errors="replace")).decode().rstrip("="),
    }
    lines = [line.strip() for line in secret.splitlines()]
    longest = 24  # a line of a key, and no word
    return forms | ({line for line in lines if len(line) >= longest} if len(lines) > 1 else set())
