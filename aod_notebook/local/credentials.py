"""The secrets of a data directory: made once, kept in files that only their owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from aod_notebook.core.files import check_owner
from aod_notebook.core.proof import new_token

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "credentials.json"
_KEY_FILE = "vault.key"
_KEY_BYTES = 32
_UNPROVABLE = {"aod_token", "agentos_key", "agent_key", "agent_id"}  # of earlier versions


@dataclass(frozen=True, slots=True)
class Credentials:
    """Tokens, keys and the id of the AgentOS agent that every data directory has."""

    aod_token: str = field(repr=False)
    agentos_key: str = field(repr=False)
    agent_key: str = field(repr=False)
    agent_id: str
    proof_key: str = field(repr=False)
    """Of which the secrets of all tokens are made; see `core.proof`."""


def make_private(folder: Path) -> None:
    """Create a directory for its owner alone; restrict an existing one.

    Raises:
        OSError: it can't be made, or is another user's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_owner(folder)
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


def read_credentials(data_dir: Path) -> Credentials:
    """Read the directory's credentials.

    Raises:
        OSError: there are none, or they are another user's.
        ValueError: the file is not what this version of the package writes.
    """
    path = data_dir / _FILE
    check_owner(data_dir)
    check_owner(path)
    try:
        return Credentials(**json.loads(path.read_bytes()))
    except (TypeError, ValueError) as error:
        raise _damaged() from error


def load_credentials(data_dir: Path) -> Credentials:
    """Read the directory's credentials, or make them; for the service, which holds the lock.

    Tokens of earlier versions could not be proved to be known: they are replaced.

    Raises:
        PermissionError: the file or the directory is another user's.
        ValueError: the file is there but is not what this package writes.
    """
    path = data_dir / _FILE
    agent_id = str(uuid.uuid4())
    check_owner(data_dir)
    if path.exists():
        check_owner(path)
        try:
            stored = json.loads(path.read_bytes())
            if not isinstance(stored, dict) or set(stored) != _UNPROVABLE:
                return Credentials(**stored)
        except (TypeError, ValueError) as error:
            raise _damaged() from error
        agent_id = stored["agent_id"]
    key = secrets.token_bytes(32)
    made = Credentials(
        aod_token=new_token("aod_", key),
        agentos_key=new_token("aos_ws_", key),
        agent_key=new_token("aos_agent_", key),
        agent_id=agent_id,
        proof_key=key.hex(),
    )
    write_private(path, json.dumps(asdict(made)).encode())
    return made


def _damaged() -> ValueError:
    return ValueError(
        f"{_FILE} of the service's data directory is damaged; remove it to get new tokens"
    )


def load_vault_key(data_dir: Path) -> bytes:
    """Read the key of the vault, or make it.

    Raises:
        PermissionError: the file is another user's.
        ValueError: the file is there but holds no key.
    """
    path = data_dir / _KEY_FILE
    if not path.exists():
        write_private(path, secrets.token_bytes(_KEY_BYTES))
    check_owner(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(
            f"{_KEY_FILE} of the service's data directory is damaged; put the right one back, or "
            "remove it: what was sealed under it, such as env_vars, is then lost"
        )
    return key


def digest(token: str) -> bytes:
    """Return the digest that is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
