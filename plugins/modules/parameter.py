# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: parameter
short_description: Create, update or delete parameters of the Parameter Store of AWS Systems Manager
version_added: 0.1.0
description:
  - Keeps a value under a name in Parameter Store. A new version is written only when something differs.
  - Options that are not given stay as they are in a parameter that is there.
  - The value of a V(SecureString) is given by O(secret_value), which Ansible shows nowhere, and is in no result and no difference.
    It is decrypted only to be compared with O(secret_value), or to be written again when something else of it changes.
  - It needs the IAM actions C(ssm:DescribeParameters) and C(ssm:GetParameter), and as far as it is to do that C(ssm:PutParameter),
    C(ssm:DeleteParameter), C(ssm:ListTagsForResource), C(ssm:AddTagsToResource) and C(ssm:RemoveTagsFromResource); for a
    V(SecureString) with a key of your own also C(kms:Encrypt) and C(kms:Decrypt) of the key.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
options:
  name:
    description:
      - The name, not the ARN. One in a hierarchy begins with a slash, as in V(/plant7/database/host).
    type: str
    required: true
  state:
    description:
      - Whether there is to be such a parameter. A deleted one is gone with all of its versions.
    type: str
    choices: [present, absent]
    default: present
  type:
    description:
      - What kind of parameter it is. AWS cannot change it later.
      - Without it, a V(SecureString) with O(secret_value), a V(StringList) with a list as O(value), and else a V(String).
    type: str
    choices: [String, StringList, SecureString]
  value:
    description:
      - The value of a V(String) or V(StringList), which is shown in results and differences.
      - A list is joined by commas, so its items must have none. Anything else that is no text is written as JSON, a list with
        O(type=String) too.
      - Required, or O(secret_value) is, when there is no such parameter yet.
    type: raw
  secret_value:
    description:
      - The value of a V(SecureString).
    type: str
  key_id:
    description:
      - The KMS key (id, ARN or alias) that encrypts a V(SecureString). AWS takes C(alias/aws/ssm) when this is not given.
    type: str
  description:
    description:
      - What the parameter is for, without secrets.
    type: str
  allowed_pattern:
    description:
      - A regular expression that AWS matches values with, now and later.
    type: str
  data_type:
    description:
      - What AWS takes the value for, such as V(text) or V(aws:ec2:image), an image that must exist.
    type: str
  tier:
    description:
      - V(Standard) has up to 4 KB and costs nothing. V(Advanced) has up to 8 KB and O(policies), and AWS cannot make it V(Standard)
        again.
      - V(Intelligent-Tiering) leaves the choice to AWS, and is no difference from either.
      - Without it, the setting C(/ssm/parameter-store/default-parameter-tier) decides for a new parameter.
    type: str
    choices: [Standard, Advanced, Intelligent-Tiering]
  policies:
    description:
      - Policies of an V(Advanced) parameter, as AWS has them, with C(Type), C(Version) and C(Attributes). An empty list removes
        all.
    type: list
    elements: dict
  tags:
    description:
      - Tags that the parameter is to have.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Those of AWS, which begin with C(aws:), never are.
    type: bool
    default: false
notes:
  - AWS takes few C(PutParameter) a second in an account and region, three unless higher throughput is set. The module waits where
    AWS says so. A parameter that is as wanted takes none.
seealso:
  - module: fleet.ssm.parameter_info
  - plugin: fleet.ssm.parameter
    plugin_type: lookup
  - name: Parameter Store
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html
"""

EXAMPLES = r"""
- name: Keep a value
  fleet.ssm.parameter:
    name: /plant7/database/host
    value: db.plant7.example.com
    description: Where the presses write to
    tags:
      site: plant7

- name: Keep a secret, encrypted with a key of our own
  fleet.ssm.parameter:
    name: /plant7/database/password
    secret_value: "{{ database_password }}"
    key_id: alias/plant7

- name: Keep a list that expires
  fleet.ssm.parameter:
    name: /plant7/database/replicas
    type: StringList
    value: [db-2, db-3]
    tier: Advanced
    policies:
      - Type: Expiration
        Version: "1.0"
        Attributes:
          Timestamp: "2030-12-02T21:34:33.000Z"

- name: Delete it
  fleet.ssm.parameter:
    name: /plant7/database/host
    state: absent
"""

RETURN = r"""
parameter:
  description:
    - The parameter, as AWS describes it. Empty when there is none.
    - In check mode, what would be written.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      returned: when there is a parameter
      type: str
      sample: /plant7/database/host
    arn:
      description: Its ARN.
      returned: when there is a parameter
      type: str
      sample: arn:aws:ssm:eu-west-1:123456789012:parameter/plant7/database/host
    type:
      description: V(String), V(StringList) or V(SecureString).
      returned: when there is a parameter
      type: str
      sample: String
    value:
      description: Its value.
      returned: when O(value) is given
      type: str
      sample: db.plant7.example.com
    secret_value:
      description:
        - V((as given\)), or before a change V((another\)). Never the secret.
      returned: when O(secret_value) is given
      type: str
      sample: (as given)
    version:
      description: How many times it was written.
      returned: when there is a parameter
      type: int
      sample: 3
    tier:
      description: Its tier.
      returned: when there is a parameter
      type: str
      sample: Standard
    key_id:
      description: The KMS key that encrypts it.
      returned: when it is a SecureString
      type: str
      sample: alias/aws/ssm
    description:
      description: What it is for.
      returned: when it has one
      type: str
      sample: Where the presses write to
    policies:
      description: Its policies.
      returned: when it has any
      type: list
      elements: dict
      sample: [{Type: Expiration, Version: "1.0", Attributes: {Timestamp: "2030-12-02T21:34:33.000Z"}}]
    last_modified_date:
      description: When it was written last, in UTC.
      returned: when there is a parameter
      type: str
      sample: "2030-01-24T18:00:00+00:00"
    tags:
      description: Its tags.
      returned: when O(tags) is given
      type: dict
      sample: {site: plant7}
"""

import json
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import PRESENT, Resource
from ansible_collections.fleet.ssm.plugins.module_utils._parameters import reading

_ENCRYPTED = "SecureString"
_LIST = "StringList"
# What a new version does not take over from the last by itself; it does its policies.
_REPEATED = ("Type", "KeyId", "Description", "AllowedPattern", "DataType", "Tier")
# What AWS takes for the removal of all policies.
_NO_POLICIES: list[dict[str, t.Any]] = [{}]


class Parameter(Resource):
    """A parameter; each write makes a new version of it, value included."""

    noun = "parameter"
    title = "name"
    ids = ("Name",)
    item = ("DescribeParameters", "Parameters")
    create = "PutParameter"
    update = "PutParameter"
    delete = "DeleteParameter"
    # A parameter that is there may keep its value.
    later = frozenset({"Value"})
    tagged_as = "Parameter"
    secrets = frozenset({"secret_value"})
    rules: t.ClassVar[dict[str, t.Any]] = {"mutually_exclusive": [("value", "secret_value")]}

    def check(self) -> None:
        """Refuse a secret that would be shown, a plain value that is called a secret, and items that AWS would take apart."""
        kind, value = self.options["type"], self.options["value"]
        if kind == _ENCRYPTED and value is not None:
            raise RefusedError("Give the value of a SecureString as secret_value, which Ansible shows nowhere.")
        if kind not in (None, _ENCRYPTED) and self.options["secret_value"] is not None:
            raise RefusedError(f"AWS does not encrypt a {kind}: give its value as value, or set type=SecureString.")
        apart = [item for item in value if "," in _text(item)] if isinstance(value, list) and self._type() == _LIST else []
        if apart:
            raise RefusedError(f"AWS would make two items of {apart[0]!r}. Use type=String, which gets the list as JSON.")

    def find(self) -> list[dict[str, t.Any]]:
        """Describe it, and read the value where that is to be compared."""
        found = reading.described(self.api, self.options["name"])
        if found is None:
            return []
        if self.options["state"] != PRESENT or self._value() is None or found["Type"] != self._type():
            return [found]
        return [{**found, "Value": self._read(found)}]

    def fit(self, found: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """Refuse what AWS cannot do to the one there is, and a new one without a value."""
        name, kind = self.options["name"], self._type()
        if not found and self._value() is None:
            raise RefusedError(f"There is no parameter {name}: give its value or secret_value to create it.")
        for there in found:
            if kind not in (None, there["Type"]):
                raise RefusedError(f"The parameter {name} is a {there['Type']}, and AWS cannot make it a {kind}. Delete it first.")
            if (there.get("Tier"), self.options["tier"]) == ("Advanced", "Standard"):
                raise RefusedError(
                    f"The parameter {name} is of the tier Advanced, and AWS cannot make it Standard. Delete it first."
                )
        return found

    def wanted(self) -> dict[str, t.Any]:
        """Give value, type and policies as AWS takes them."""
        policies = self.options["policies"]
        said = {
            **super().wanted(),
            "Value": self._value(),
            "Type": self._type(),
            "Policies": None if policies is None else json.dumps(policies or _NO_POLICIES),
        }
        return {member: value for member, value in said.items() if value is not None}

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare policies parsed, a key by any of its names, and take each tier for one that AWS may choose."""
        if member == "Policies":
            return super().same(member, _policies(have), _policies(want))
        if member == "Tier":
            return want in (have, "Intelligent-Tiering")
        if member == "KeyId" and have is not None:
            return bool(have == want or have.endswith((f"/{want}", f":{want}")) or want.endswith((f"/{have}", f":{have}")))
        return super().same(member, have, want)

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Repeat what there is; AWS takes no tags along with an overwrite."""
        kept = {member: have[member] for member in _REPEATED if have.get(member) is not None}
        value = self._value()
        said = {**kept, **want, "Value": self._read(have) if value is None else value, "Overwrite": True}
        return {member: value for member, value in said.items() if member not in ("Name", "Tags")}

    def _result(self, thing: Thing | None) -> dict[str, t.Any]:
        """Tell the value, and of a secret only whether it is the one given."""
        told = super()._result({**thing, "Policies": None} if thing else thing)
        policies = _policies((thing or {}).get("Policies"))
        if policies:
            told["policies"] = policies
        if thing and "Value" in thing:
            secret = self.options["secret_value"]
            shown = thing["Value"] if secret is None else "(as given)" if thing["Value"] == secret else "(another)"
            told["value" if secret is None else "secret_value"] = shown
        return told

    def _read(self, there: Thing) -> str:
        answer = self.api.call("GetParameter", Name=there["Name"], WithDecryption=there["Type"] == _ENCRYPTED)
        return str(answer["Parameter"]["Value"])

    def _type(self) -> str | None:
        if self.options["type"] or self._value() is None:
            return t.cast("str | None", self.options["type"])
        if self.options["secret_value"] is not None:
            return _ENCRYPTED
        return _LIST if isinstance(self.options["value"], list) else "String"

    def _value(self) -> str | None:
        value = self.options["value"]
        if value is None:
            return t.cast("str | None", self.options["secret_value"])
        if isinstance(value, list) and self.options["type"] in (None, _LIST):
            return ",".join(map(_text, value))
        return _text(value)


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _policies(value: t.Any) -> list[t.Any]:
    """Give policies, be they as they are asked for or as AWS describes them, which wraps each."""
    listed = json.loads(value) if isinstance(value, str) else [json.loads(one["PolicyText"]) for one in value or ()]
    return [policy for policy in listed if policy]


def main() -> None:
    """Run the module."""
    run_resource(Parameter, DOCUMENTATION)


if __name__ == "__main__":
    main()
