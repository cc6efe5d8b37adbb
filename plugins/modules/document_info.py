# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: document_info
short_description: List SSM documents
version_added: 0.1.0
description:
  - Lists the SSM documents of an account and region, those of AWS and those that are shared with it included.
  - It needs the IAM action C(ssm:ListDocuments), with O(details=true) also C(ssm:GetDocument) and C(ssm:ListDocumentVersions).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  names:
    description:
      - Only documents of these names.
    type: list
    elements: str
  owner:
    description:
      - Only documents of the account itself, of AWS, shared with everybody, or shared with this account.
    type: str
    choices: [Self, Amazon, Public, Private]
  document_type:
    description:
      - Only documents of this type, such as V(Command), V(Automation) or V(ChangeCalendar).
    type: str
  platform_types:
    description:
      - Only documents for one of these platforms.
    type: list
    elements: str
    choices: [Linux, MacOS, Windows]
  details:
    description:
      - Whether to read the content and list the versions of each, which takes two calls for each.
    type: bool
    default: false
seealso:
  - module: fleet.ssm.document
"""

EXAMPLES = r"""
- name: List the account's own runbooks
  fleet.ssm.document_info:
    owner: Self
    document_type: Automation
  register: runbooks

- name: Read which parameters a document of AWS takes
  fleet.ssm.document_info:
    names: [AWS-RunPatchBaseline]
    details: true
  register: found

- name: Show them
  ansible.builtin.debug:
    var: found.documents[0].content.parameters
"""

RETURN = r"""
documents:
  description: The documents, by their default versions.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
      sample: restart-web
    owner:
      description: The account that owns it, or C(Amazon).
      returned: always
      type: str
      sample: "123456789012"
    document_type:
      description: Its type.
      returned: always
      type: str
      sample: Command
    document_version:
      description: The number of its default version.
      returned: always
      type: str
      sample: "2"
    tags:
      description: Its tags.
      returned: when it is the account's own
      type: dict
      sample: {team: platform}
    content:
      description: Its content, as a dictionary where it is JSON or YAML.
      returned: with O(details=true)
      type: raw
      sample: {schemaVersion: "2.2", description: Restart the web server}
    versions:
      description: Its versions, the newest first.
      returned: with O(details=true)
      type: list
      elements: dict
      sample:
        - {document_version: "2", is_default_version: true, document_format: JSON, status: Active}
        - {document_version: "1", is_default_version: false, document_format: JSON, status: Active}
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import option_name
from ansible_collections.fleet.ssm.plugins.module_utils._documents import content
from ansible_collections.fleet.ssm.plugins.module_utils._engine import shapes
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info

_VERSIONS = ("ListDocumentVersions", "DocumentVersions")


class Documents(Info):
    """The SSM documents of an account and region."""

    noun = "documents"
    item = ("ListDocuments", "DocumentIdentifiers")
    filters: t.ClassVar[dict[str, str]] = {
        "names": "Name",
        "owner": "Owner",
        "document_type": "DocumentType",
        "platform_types": "PlatformTypes",
    }

    def keep(self, item: dict[str, t.Any]) -> bool:
        """Leave those of exactly the names: of those, AWS compares the beginning."""
        return not self.options["names"] or item["Name"] in self.options["names"]

    def entries(self) -> list[dict[str, t.Any]]:
        """Read each whole when that is wanted."""
        listed = super().entries()
        return [{**row, **self._whole(row["name"])} for row in listed] if self.options["details"] else listed

    def _whole(self, name: str) -> dict[str, t.Any]:
        operation, member = _VERSIONS
        shape = self.api.answer_shape(operation).members[member].member
        answer = self.api.call("GetDocument", Name=name)
        versions = [shapes.to_result(shape, row, option_name) for row in self.api.items(*_VERSIONS, Name=name)]
        return {"content": content.parsed(answer["Content"]), "versions": versions}


def main() -> None:
    """Run the module."""
    run_info(Documents, DOCUMENTATION)


if __name__ == "__main__":
    main()
