# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say whose nodes to list: the identities that the options name, and what is known of each without asking."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions

#: among roles: the identity itself, no role
SELF = "self"

_ROLE_ARN = re.compile(r"^arn:(?P<partition>[\w-]+):iam::(?P<account>\d{12}):role/\S+$")
_ROLE_MEMBERS = {"arn": "assume_role_arn", "external_id": "external_id", "session_name": "role_session_name"}


class BadSource(ValueError):
    """The options name no identity; the text is a sentence for the user."""


class Owner(t.NamedTuple):
    """An account, and the partition that its ARNs start with."""

    partition: str
    account: str


def identities(base: AwsOptions, profiles: t.Sequence[str], roles: t.Any) -> list[AwsOptions]:
    """Give one set of AWS options for each profile and each role, or what the other options say when there are none."""
    entries = _entries(roles)
    if entries and base.assume_role_arn:
        raise BadSource("Give assume_role_arn or roles. To assume a role with another, put the first into a profile.")
    found = [dataclasses.replace(base, profile=profile) for profile in profiles]
    found += [dataclasses.replace(base, **_role(entry)) for entry in entries]
    return list(dict.fromkeys(found)) or [base]


def owner_of(options: AwsOptions) -> Owner | None:
    """Read whose account it is out of the role's ARN; None when only AWS can tell."""
    found = _ROLE_ARN.match(options.assume_role_arn or "")
    return Owner(found["partition"], found["account"]) if found else None


def label(options: AwsOptions, owner: Owner | None) -> str:
    """Name an identity in a region, for messages."""
    who = f" of account {owner.account}" if owner else f" with the profile {options.profile}" if options.profile else ""
    return f"{options.region or 'the default region'}{who}"


def organization_role(pattern: str, owner: Owner) -> str:
    """Give the ARN of the role that opens an account; the pattern is a role's name, or an ARN with {account} in it."""
    if pattern.startswith("arn:"):
        return pattern.replace("{account}", owner.account)
    return f"arn:{owner.partition}:iam::{owner.account}:role/{pattern}"


def _entries(roles: t.Any) -> list[t.Any]:
    """Take a list, or the text of an environment variable: JSON, or ARNs with commas between them."""
    if not isinstance(roles, str):
        return list(roles or ())
    if not roles.lstrip().startswith("["):
        return [entry.strip() for entry in roles.split(",") if entry.strip()]
    try:
        return list(json.loads(roles))
    except ValueError as error:
        raise BadSource(f"roles is no JSON list: {error}.") from None


def _role(entry: t.Any) -> dict[str, str | None]:
    if entry == SELF:
        return {}
    members = {"arn": entry} if isinstance(entry, str) else entry
    if not isinstance(members, dict) or not _ROLE_ARN.match(str(members.get("arn", ""))) or set(members) - set(_ROLE_MEMBERS):
        raise BadSource(
            f"roles: {entry!r} is neither {SELF!r}, nor an ARN such as arn:aws:iam::123456789012:role/ansible,"
            f" nor a dictionary of {', '.join(_ROLE_MEMBERS)}."
        )
    return {_ROLE_MEMBERS[name]: str(value) for name, value in members.items()}
