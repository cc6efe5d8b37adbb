# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document the options that say which AWS account and region to use."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment fleet.ssm.aws, and what a plugin extends besides: fleet.ssm.aws.plugins or fleet.ssm.aws.connection."""

    DOCUMENTATION = r"""
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
notes:
  - Each AWS option can also be given by an environment variable, E(FLEET_SSM_PROFILE) for O(profile) and so on.
"""

    # Only what the options above have besides in an inventory plugin or a lookup.
    PLUGINS = r"""
options:
  profile:
    env:
      - name: FLEET_SSM_PROFILE
  region:
    env:
      - name: FLEET_SSM_REGION
  endpoint_url:
    env:
      - name: FLEET_SSM_ENDPOINT_URL
  ca_bundle:
    env:
      - name: FLEET_SSM_CA_BUNDLE
  access_key:
    env:
      - name: FLEET_SSM_ACCESS_KEY
  secret_key:
    env:
      - name: FLEET_SSM_SECRET_KEY
  session_token:
    env:
      - name: FLEET_SSM_SESSION_TOKEN
  assume_role_arn:
    env:
      - name: FLEET_SSM_ASSUME_ROLE_ARN
  external_id:
    env:
      - name: FLEET_SSM_EXTERNAL_ID
  role_session_name:
    env:
      - name: FLEET_SSM_ROLE_SESSION_NAME
"""

    # The same for the connection. Keys have no ini: ansible.cfg is for everybody to read.
    CONNECTION = r"""
options:
  profile:
    vars:
      - name: ansible_ssm_profile
    env:
      - name: FLEET_SSM_PROFILE
    ini:
      - section: fleet_ssm
        key: profile
  region:
    vars:
      - name: ansible_ssm_region
    env:
      - name: FLEET_SSM_REGION
    ini:
      - section: fleet_ssm
        key: region
  endpoint_url:
    vars:
      - name: ansible_ssm_endpoint_url
    env:
      - name: FLEET_SSM_ENDPOINT_URL
    ini:
      - section: fleet_ssm
        key: endpoint_url
  ca_bundle:
    vars:
      - name: ansible_ssm_ca_bundle
    env:
      - name: FLEET_SSM_CA_BUNDLE
    ini:
      - section: fleet_ssm
        key: ca_bundle
  access_key:
    vars:
      - name: ansible_ssm_access_key
    env:
      - name: FLEET_SSM_ACCESS_KEY
  secret_key:
    vars:
      - name: ansible_ssm_secret_key
    env:
      - name: FLEET_SSM_SECRET_KEY
  session_token:
    vars:
      - name: ansible_ssm_session_token
    env:
      - name: FLEET_SSM_SESSION_TOKEN
  assume_role_arn:
    vars:
      - name: ansible_ssm_assume_role_arn
    env:
      - name: FLEET_SSM_ASSUME_ROLE_ARN
    ini:
      - section: fleet_ssm
        key: assume_role_arn
  external_id:
    vars:
      - name: ansible_ssm_external_id
    env:
      - name: FLEET_SSM_EXTERNAL_ID
    ini:
      - section: fleet_ssm
        key: external_id
  role_session_name:
    vars:
      - name: ansible_ssm_role_session_name
    env:
      - name: FLEET_SSM_ROLE_SESSION_NAME
    ini:
      - section: fleet_ssm
        key: role_session_name
"""
