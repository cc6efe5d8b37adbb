# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Keep the secret of one thing in a SecureString parameter, whose description says whose secret it is."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._parameters import reading


class SecretParameter:
    """A parameter that is ours when its description starts with the mark; what follows is the id of the thing."""

    def __init__(self, api: Api, name: str, kms_key: str | None, mark: str) -> None:
        self._api = api
        self._name = name
        self._kms_key = kms_key
        self._mark = mark

    def owner(self) -> str:
        """Give the id of the thing whose secret is stored; empty when there is no such parameter."""
        found = reading.described(self._api, self._name)
        if found is None:
            return ""
        description = str(found.get("Description", ""))
        if not description.startswith(self._mark):
            raise RefusedError(
                f"The parameter {self._name} exists and holds something else (its description does not start with"
                f" {self._mark.strip()!r}). Choose another name, or delete it."
            )
        return description[len(self._mark) :].strip()

    def write(self, owner: str, secret: str) -> None:
        """Store a secret, over an older one if need be."""
        key: dict[str, t.Any] = {"KeyId": self._kms_key} if self._kms_key else {}
        description = self._mark + owner
        self._api.call(
            "PutParameter", Name=self._name, Value=secret, Description=description, Type="SecureString", Overwrite=True, **key
        )

    def read(self) -> str:
        """Give the secret."""
        answer = self._api.call("GetParameter", Name=self._name, WithDecryption=True)
        return str(answer["Parameter"]["Value"])

    def remove(self) -> None:
        """Delete the parameter."""
        self._api.call("DeleteParameter", Name=self._name)
