"""The secrets of a data directory: made once, kept in files that only their owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "credentials.json"
_KEY_FILE = "vault.key"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Credentials:
    """Tokens, keys and the id of the AgentOS agent that every data directory has."""

    aod_token: str = field(repr=False)
    agentos_key: str = field(repr=False)
    agent_key: str = field(repr=False)
    agent_id: str


def make_private(folder: Path) -> None:
    """Create a directory for its owner alone; one that exists is narrowed to that."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load_credentials(data_dir: Path) -> Credentials:
    """Read the directory's credentials, or make them.

    Raises:
        ValueError: the file is there but is not what this package writes.
    """
    path = data_dir / _FILE
    if path.exists():
        try:
            return Credentials(**json.loads(path.read_bytes()))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{_FILE} of the service's data directory is damaged; remove it to get new tokens"
            ) from error
    made = Credentials(
        aod_token=f"aod_{secrets.token_urlsafe(32)}",
        agentos_key=f"aos_ws_{secrets.token_urlsafe(32)}",
        agent_key=f"aos_agent_{secrets.token_urlsafe(32)}",
        agent_id=str(uuid.uuid4()),
    )
    write_private(path, json.dumps(asdict(made)).encode())
    return made


def load_vault_key(data_dir: Path) -> bytes:
    """Read the key of the vault, or make it.

    Raises:
        ValueError: the file is there but holds no key.
    """
    path = data_dir / _KEY_FILE
    if not path.exists():
        write_private(path, secrets.token_bytes(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(
            f"{_KEY_FILE} of the service's data directory is damaged; put the right one back, or "
            "remove it: what was sealed under it, such as env_vars, is then lost"
        )
    return key


def digest(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
