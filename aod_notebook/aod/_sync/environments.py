# Generated from aod_notebook/aod/_async/environments.py by tests/tools/unasync.py; edit that file instead.
"""The environments of the sync client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.aod._sync.resource import Resource
from aod_notebook.aod.models import Environment, EnvironmentVersion
from aod_notebook.aod.requests import EnvironmentCreate, EnvironmentUpdate
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from aod_notebook.aod.models import Networking

_NOT_FOUND = 404


class Environments(Resource):
    """`client.environments`: packages, variables, setup and network rules of sandboxes."""

    _path = "/environments"
    _noun = "environment"

    def list(self) -> builtins.list[Environment]:
        """List all environments that are not archived, newest first.

        Example:
            >>> [each.name for each in client.environments.list()]  # doctest: +SKIP
            ['science']
        """
        return self._list(Environment, self._path)

    def create(
        self,
        *,
        name: str,
        packages: Mapping[str, Sequence[str]] | None = None,
        env_vars: Mapping[str, str] | None = None,
        setup_script: str | None = None,
        networking: Networking | Mapping[str, Any] | None = None,
    ) -> Environment:
        """Create an environment.

        Args:
            name: at most 200 characters; unique among those not archived.
            packages: lists of packages by manager: apt, cargo, gem, go, npm, pip.
            env_vars: variables; write-only, never returned.
            setup_script: shell text run once per session.
            networking: `Networking` or a dict; `limited` without hosts denies everything.

        Raises:
            ValidationError: a field is refused, mostly before it is sent.
            ConflictError: the name is taken.

        Example:
            >>> client.environments.create(  # doctest: +SKIP
            ...     name="science", packages={"pip": ["pandas"]}
            ... )
        """
        fields = {
            "name": name,
            "packages": packages,
            "env_vars": env_vars,
            "setup_script": setup_script,
            "networking": networking,
        }
        call = self._write("POST", self._path, EnvironmentCreate, fields)
        return self._one(Environment, call)

    def get(self, environment_id: str | UUID) -> Environment:
        """Read an environment, archived or not.

        Raises:
            NotFoundError: there is none with this id for this token.

        Example:
            >>> (client.environments.get(env.id)).networking.type  # doctest: +SKIP
            'unrestricted'
        """
        return self._one(Environment, Call(method="GET", path=self._item(environment_id)))

    def update(
        self,
        environment_id: str | UUID,
        *,
        version: int,
        name: str | None = None,
        packages: Mapping[str, Sequence[str]] | None = None,
        env_vars: Mapping[str, str] | None = None,
        setup_script: str | None = None,
        networking: Networking | Mapping[str, Any] | None = None,
    ) -> Environment:
        """Change an environment; None leaves a field unchanged, maps are replaced whole.

        Raises:
            ConflictError: stale version, archived, or the new name is taken.
            ValidationError: a field is refused, mostly before it is sent.
            NotFoundError: no such environment.

        Example:
            >>> client.environments.update(env.id, version=1, packages={})  # doctest: +SKIP
        """
        fields = {
            "version": version,
            "name": name,
            "packages": packages,
            "env_vars": env_vars,
            "setup_script": setup_script,
            "networking": networking,
        }
        call = self._write("PUT", self._item(environment_id), EnvironmentUpdate, fields)
        return self._one(Environment, call)

    def archive(self, environment_id: str | UUID) -> Environment:
        """Archive an environment for good; its name can be used again.

        Raises:
            ConflictError: it is archived already.
            NotFoundError: no such environment.

        Example:
            >>> (client.environments.archive(env.id)).archived_at  # doctest: +SKIP
        """
        path = self._item(environment_id, "archive")
        return self._one(Environment, Call(method="POST", path=path, repeat=Repeat.REFUSED))

    def delete(self, environment_id: str | UUID) -> None:
        """Delete an environment and its versions.

        Raises:
            ConflictError: sessions still refer to it.
            NotFoundError: no such environment.

        Example:
            >>> client.environments.delete(env.id)  # doctest: +SKIP
        """
        path = self._item(environment_id, "delete")
        self._transport.request(Call(method="DELETE", path=path, done_before=_NOT_FOUND))

    def versions(self, environment_id: str | UUID) -> builtins.list[EnvironmentVersion]:
        """List all versions of an environment, highest first.

        Raises:
            NotFoundError: no such environment.

        Example:
            >>> len(client.environments.versions(env.id))  # doctest: +SKIP
            1
        """
        return self._list(EnvironmentVersion, self._item(environment_id, "versions"))
