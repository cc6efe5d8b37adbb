# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Name the options that say which AWS account and region to use, once for modules, plugins and the broker."""

from __future__ import annotations

import dataclasses
import typing as t

# botocore reads its own environment (AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_CA_BUNDLE, ...) by itself. Reading those
# names here too would turn "from the environment" into "said by the user" and change botocore's order of precedence: an explicit
# profile beats AWS_ACCESS_KEY_ID, a profile from the environment does not.
ENVIRONMENT_PREFIX = "FLEET_SSM_"

_SECRET = {"secret": True}


@dataclasses.dataclass(frozen=True)
class AwsOptions:
    """What the user said about AWS; None leaves it to botocore."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    access_key: str | None = None
    secret_key: str | None = dataclasses.field(default=None, repr=False, metadata=_SECRET)
    session_token: str | None = dataclasses.field(default=None, repr=False, metadata=_SECRET)
    assume_role_arn: str | None = None
    external_id: str | None = None
    role_session_name: str | None = None

    @classmethod
    def from_mapping(cls, mapping: t.Mapping[str, t.Any]) -> AwsOptions:
        """Take the AWS options out of a mapping that may hold others; empty text counts as not said."""
        return cls(**{name: str(mapping[name]) for name in NAMES if mapping.get(name)})

    def to_mapping(self) -> dict[str, str]:
        """Give what was said, secrets included, for a process that calls from_mapping."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def public(self) -> dict[str, str]:
        """Give what was said without secrets, to show or to tell one query from another."""
        return {name: value for name, value in self.to_mapping().items() if name not in SECRETS}


NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(AwsOptions))
SECRETS: frozenset[str] = frozenset(field.name for field in dataclasses.fields(AwsOptions) if field.metadata.get("secret"))


def environment_variable(name: str) -> str:
    """Name the environment variable that stands in for an option."""
    return ENVIRONMENT_PREFIX + name.upper()
