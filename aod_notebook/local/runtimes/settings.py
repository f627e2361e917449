"""A CLI's own settings file in a session's home: read, added to, written back.

Only what is added changes in meaning; comments of a file that is added to are lost, in the
session's copy alone.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from aod_notebook.local.credentials import make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Document = dict[str, Any]

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class ConfigError(Exception):
    """A setting can't be expressed in a CLI's configuration, or the file can't be read."""


def edit(path: Path, change: Callable[[Document], None]) -> None:
    """Change a JSON or TOML file, created if needed; written only if something changed.

    Raises:
        ConfigError: the file is there and is not what its name says.
    """
    document = read(path)
    before = _written(path, document)
    change(document)
    after = _written(path, document)
    if after != before:
        make_private(path.parent)
        write_private(path, after.encode())


def read(path: Path) -> Document:
    """Return the document in a JSON or TOML file, empty without the file; comments are skipped.

    Raises:
        ConfigError: the file is not what its name says.
    """
    kind = "TOML" if path.suffix == ".toml" else "JSON"
    try:
        text = path.read_text()
        found = tomllib.loads(text) if kind == "TOML" else _loads(text)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path.name} can't be read as {kind}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path.name} can't be read: it holds no object")
    return found


def table(document: Document, *keys: str) -> Document:
    """Return the table below these keys, created if needed.

    Raises:
        ConfigError: something else is there.
    """
    for key in keys:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise ConfigError(f"'{key}' in the settings is not a table")
    return document


def _loads(text: str) -> Any:
    if not text.strip():
        return {}
    plain = _COMMENT.sub(lambda found: found[1] or " ", text)
    return json.loads(_TRAILING.sub(lambda found: found[1] or "", plain))


def _written(path: Path, document: Document) -> str:
    if path.suffix == ".toml":
        return "\n".join(_tables(document, ())) + "\n"
    return json.dumps(document, indent=2)


def _tables(document: Document, path: tuple[str, ...]) -> Iterator[str]:
    """Write a table's own values, then the tables below it."""
    below = {key: value for key, value in document.items() if isinstance(value, dict)}
    own = {key: value for key, value in document.items() if key not in below}
    if path and (own or not below):
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in own.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        yield from _tables(value, (*path, key))


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _value(text)


def _value(value: Any) -> str:
    """Write a value: as JSON, but for what TOML wants plain, escaped, or in its own way."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)  # nan and inf are TOML's words too
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
