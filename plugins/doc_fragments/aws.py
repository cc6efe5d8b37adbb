# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options that say which AWS account and region to use."""

from __future__ import annotations

import typing as t

import yaml

_TEXT = r"""
options:
  profile:
    description:
      - A profile of C(~/.aws/config) or C(~/.aws/credentials), SSO and assume-role profiles included.
      - Without it, botocore looks where it always does, E(AWS_PROFILE), E(AWS_ACCESS_KEY_ID), web identity and the instance role
        included. The same holds for all options below.
    type: str
  region:
    description:
      - The AWS region.
      - Without it, E(AWS_REGION), then E(AWS_DEFAULT_REGION), then the region of the profile.
    type: str
  endpoint_url:
    description:
      - Send the requests of every AWS service to this URL.
      - For one service only, such as a VPC endpoint without private DNS, set E(AWS_ENDPOINT_URL_SSM) and its like instead.
    type: str
  ca_bundle:
    description:
      - A file with the certificate authorities to trust, as E(AWS_CA_BUNDLE).
    type: path
  access_key:
    description:
      - An AWS access key. Prefer O(profile) or the environment.
      - Needs O(secret_key); with temporary credentials also O(session_token).
    type: str
  secret_key:
    description:
      - The secret that goes with O(access_key).
    type: str
  session_token:
    description:
      - The session token that goes with temporary keys.
    type: str
  assume_role_arn:
    description:
      - Assume this role with the credentials found, and renew it before it expires.
    type: str
  external_id:
    description:
      - The external id that the trust policy of O(assume_role_arn) asks for.
    type: str
  role_session_name:
    description:
      - The name of the session under O(assume_role_arn), as CloudTrail shows it. Without it, V(fleet.ssm).
    type: str
requirements:
  - botocore >= 1.38.23 (comes with boto3)
"""


def _with_sources(variables: bool) -> str:
    """Add to each option its environment variable, and for the connection its Ansible variable."""
    document: dict[str, t.Any] = yaml.safe_load(_TEXT)
    for name, option in document["options"].items():
        option["env"] = [{"name": f"FLEET_SSM_{name.upper()}"}]
        if variables:
            option["vars"] = [{"name": f"ansible_ssm_{name}"}]
    return str(yaml.safe_dump(document, sort_keys=False))


class ModuleDocFragment:
    """Fragments fleet.ssm.aws (modules), fleet.ssm.aws.plugins and fleet.ssm.aws.connection."""

    # A module has no env: key in its documentation, but reads the same variables.
    DOCUMENTATION = (
        _TEXT
        + r"""
notes:
  - Each AWS option can also be given by an environment variable, E(FLEET_SSM_PROFILE) for O(profile) and so on.
"""
    )

    PLUGINS = _with_sources(variables=False)

    CONNECTION = _with_sources(variables=True)
