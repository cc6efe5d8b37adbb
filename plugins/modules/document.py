# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: document
short_description: Create, update or delete SSM documents
version_added: 0.1.0
description:
  - An SSM document is what Run Command, Automation, State Manager, Session Manager, Distributor and Change Calendar carry out or
    follow.
  - A change of its content makes a new version of it. Contents are compared by what they mean; the order of keys makes no
    difference, and neither whether they are JSON or YAML.
  - It needs C(ssm:DescribeDocument) and C(ssm:GetDocument), and as needed C(ssm:CreateDocument), C(ssm:UpdateDocument),
    C(ssm:UpdateDocumentDefaultVersion), C(ssm:DeleteDocument), C(ssm:ListDocumentVersions), C(ssm:DescribeDocumentPermission),
    C(ssm:ModifyDocumentPermission), C(ssm:ListTagsForResource), C(ssm:AddTagsToResource), C(ssm:RemoveTagsFromResource).
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
      - The name of the document, of 3 to 128 letters, digits, dots, hyphens and underscores. AWS keeps names that begin with
        C(aws), C(amazon) and C(amzn) for itself.
    type: str
    required: true
  state:
    description:
      - Whether there is to be such a document. V(absent) deletes all its versions, and takes it from those it is shared with first.
    type: str
    choices: [present, absent]
    default: present
  content:
    description:
      - The content, as a dictionary, or as a text of JSON or YAML, or of iCalendar for O(document_type=ChangeCalendar). For a file
        use P(ansible.builtin.file#lookup).
      - Required to create it.
    type: raw
  document_type:
    description:
      - The type. AWS cannot change it later, and takes V(Command) when this is not given.
    type: str
    choices:
      - Command
      - Automation
      - Session
      - Package
      - ChangeCalendar
      - Policy
      - ApplicationConfiguration
      - ApplicationConfigurationSchema
      - Automation.ChangeTemplate
      - ProblemAnalysis
      - ProblemAnalysisTemplate
      - CloudFormation
      - ConformancePackTemplate
      - QuickSetup
      - ManualApprovalPolicy
      - AutoApprovalPolicy
  document_format:
    description:
      - In which format a new version is kept. Without it, that in which O(content) is written, and V(JSON) for a dictionary.
      - Another format alone is no difference.
    type: str
    choices: [JSON, YAML, TEXT]
  default_version:
    description:
      - V(latest) has the version with this O(content) be the default, a new one or an old one.
      - V(keep) leaves the default as it is when there is a new version.
      - The number of a version has that be the default.
    type: str
    default: latest
  version_name:
    description:
      - What to call a new version. Each name can be used once; another name alone is no difference.
    type: str
  display_name:
    description:
      - A friendly name.
    type: str
  target_type:
    description:
      - The kind of resources it can run on, such as V(/AWS::EC2::Instance), or V(/) for all.
    type: str
  attachments:
    description:
      - The files that belong to a new version, such as those of a package. They are read when a version is made, and no difference
        alone; a package's C(manifest.json), which is its O(content), has their checksums.
    type: list
    elements: dict
    suboptions:
      key:
        description:
          - V(SourceUrl) for a folder in S3, V(S3FileUrl) for a file there, V(AttachmentReference) for one of a document.
        type: str
        required: true
        choices: [SourceUrl, S3FileUrl, AttachmentReference]
      values:
        description:
          - Where it is, a list of one.
        type: list
        elements: str
        required: true
      name:
        description:
          - The name of the file.
        type: str
  on_difference:
    description:
      - What to do when the document is there with another O(document_type), which AWS cannot change.
      - V(fail) says so and changes nothing.
      - V(replace) deletes it, with all its versions, and creates another one.
    type: str
    choices: [fail, replace]
    default: fail
  shared_with:
    description:
      - All accounts, by their ids, that may use the default version, or V(all) for everybody. It is shared no longer with others.
    type: list
    elements: str
  tags:
    description:
      - Tags that it is to have.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Those of AWS, which begin with C(aws:), never are.
    type: bool
    default: false
  wait_timeout:
    description:
      - How many seconds a new version may take until it can be used. A package takes as long as AWS copies its files.
    type: int
    default: 300
seealso:
  - module: fleet.ssm.document_info
  - name: SSM documents
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/documents.html
"""

EXAMPLES = r"""
- name: Have a command document
  fleet.ssm.document:
    name: restart-web
    document_type: Command
    content:
      schemaVersion: "2.2"
      description: Restart the web server
      mainSteps:
        - action: aws:runShellScript
          name: restart
          inputs:
            runCommand: [systemctl restart nginx]
    tags:
      team: platform

- name: Have a runbook from a file, shared with another account
  fleet.ssm.document:
    name: rotate-certificates
    document_type: Automation
    content: "{{ lookup('ansible.builtin.file', 'rotate-certificates.yaml') }}"
    shared_with: ["111122223333"]

- name: Have a calendar that is closed over the holidays
  fleet.ssm.document:
    name: freeze
    document_type: ChangeCalendar
    content: "{{ lookup('ansible.builtin.file', 'freeze.ics') }}"

- name: Have a package of files that are in S3
  fleet.ssm.document:
    name: our-agent
    document_type: Package
    content: "{{ lookup('ansible.builtin.file', 'manifest.json') }}"
    attachments:
      - key: SourceUrl
        values: [s3://our-packages/our-agent/1.2.3]
    version_name: 1.2.3

- name: Go back to the first version
  fleet.ssm.document:
    name: restart-web
    default_version: "1"

- name: Delete it
  fleet.ssm.document:
    name: restart-web
    state: absent
"""

RETURN = r"""
document:
  description:
    - The document, as AWS describes its default version. Empty when there is none.
    - In check mode, what would be, as far as AWS does not make it up.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      returned: when there is a document
      type: str
      sample: restart-web
    content:
      description: The content, as a dictionary where it is JSON or YAML, of the version that was compared with what is wanted.
      returned: when there is a document
      type: raw
      sample: {schemaVersion: "2.2", description: Restart the web server}
    document_type:
      description: Its type.
      returned: when there is a document
      type: str
      sample: Command
    default_version:
      description: The number of the default version.
      returned: when there is a document
      type: str
      sample: "2"
    latest_version:
      description: The number of the latest version.
      returned: when there is a document
      type: str
      sample: "2"
    status:
      description: Whether it can be used.
      returned: when there is a document
      type: str
      sample: Active
    shared_with:
      description: The accounts that may use it.
      returned: if O(shared_with) is given
      type: list
      elements: str
      sample: ["111122223333"]
    tags:
      description: Its tags.
      returned: when there is a document
      type: dict
      sample: {team: platform}
"""

import functools
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._documents import content
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Facet
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import PRESENT, Resource

_LATEST = "latest"
_KEEP = "keep"
_NONE_SUCH = "InvalidDocument"
_UNDER_WAY = {"Creating", "Updating"}
_PAUSE_SECONDS = 2.0
_ACCOUNTS_A_CALL = 20
# What a new version is made for, if it differs.
_OF_VERSION = ("Content", "DisplayName", "TargetType")
# What makes no new version, if it differs alone.
_NOT_COMPARED = frozenset({"DocumentFormat", "VersionName", "Attachments"})


class SharedWith(Facet):
    """The accounts that may use a document."""

    name = "shared_with"

    def read(self, thing: Thing) -> list[str]:
        """Ask for them, page by page."""
        accounts: list[str] = []
        more: dict[str, str] = {}
        while True:
            answer = self.api.call("DescribeDocumentPermission", Name=thing["Name"], PermissionType="Share", **more)
            accounts += answer.get("AccountIds", [])
            if not answer.get("NextToken"):
                return sorted(account.lower() for account in accounts)
            more = {"NextToken": answer["NextToken"]}

    def new(self) -> list[str]:
        """Give none."""
        return []

    def goal(self, have: t.Any) -> list[str]:
        """Give exactly those wanted."""
        return sorted({str(account).lower() for account in self.options[self.name]})

    def write(self, thing: Thing, have: t.Any, goal: t.Any) -> None:
        """Share it with some, and no longer with others, as many in a call as AWS takes."""
        for member, accounts in (
            ("AccountIdsToRemove", sorted(set(have) - set(goal))),
            ("AccountIdsToAdd", sorted(set(goal) - set(have))),
        ):
            for start in range(0, len(accounts), _ACCOUNTS_A_CALL):
                some = {member: accounts[start : start + _ACCOUNTS_A_CALL]}
                self.api.call("ModifyDocumentPermission", Name=thing["Name"], PermissionType="Share", **some)


class Document(Resource):
    """An SSM document of the account's own, by its default version, with the content to compare."""

    noun = "document"
    title = "name"
    ids = ("Name",)
    create = "CreateDocument"
    update = "UpdateDocument"
    delete = "DeleteDocument"
    tagged_as = "Document"
    # There is one of a name.
    deleted_first = True

    def check(self) -> None:
        """Refuse what is no version."""
        wanted = self.options["default_version"]
        if wanted not in (_LATEST, _KEEP) and not wanted.isdigit():
            raise RefusedError(f"default_version must be latest, keep or the number of a version, not {wanted!r}.")

    def shape(self) -> t.Any:
        """Give what DescribeDocument tells."""
        return self.api.answer_shape("DescribeDocument").members["Document"]

    def told(self, thing: Thing) -> dict[str, t.Any]:
        """Add the content."""
        return {"content": content.parsed(thing["Content"])} if thing.get("Content") else {}

    @functools.cached_property
    def text(self) -> content.Written | None:
        """The content wanted, as AWS takes it."""
        given = self.options["content"]
        return None if given is None else content.written(given, self.options["document_format"])

    def wanted(self) -> dict[str, t.Any]:
        """Add the content, and the format that it has."""
        written = {} if self.text is None else {"Content": self.text.text, "DocumentFormat": self.text.content_format}
        return {**super().wanted(), **written}

    def check_limits(self, want: t.Mapping[str, t.Any]) -> None:
        """Leave it to find() whether there must be a content."""
        super().check_limits({"Content": "-", **want})

    def find(self) -> list[dict[str, t.Any]]:
        """Read the version to compare: the default, and where that is not as wanted the latest."""
        try:
            described = self._described()
        except AwsFailure as failure:
            if failure.code != _NONE_SUCH:
                raise
            if self.options["state"] == PRESENT and self.text is None:
                raise RefusedError(f"There is no document {self.options['name']!r}. Give its content to create it.") from failure
            return []
        if self.options["state"] != PRESENT:
            return [described]
        default, latest = described["DefaultVersion"], described["LatestVersion"]
        of_default = self._with_content(described) if self.options["default_version"] == _LATEST or default == latest else None
        if of_default and (default == latest or self._is_as_wanted(of_default)):
            return [of_default]
        return [self._with_content(self._described(latest))]

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Leave out what makes no new version."""
        return {member: value for member, value in want.items() if member not in _NOT_COMPARED}

    def goals(self, want: dict[str, t.Any], have: Thing) -> dict[str, t.Any]:
        """Add which version is to be the default: AWS numbers a new one by one more than the latest."""
        said = self.options["default_version"]
        if said == _KEEP or (said == _LATEST and self.text is None):
            return want
        if said == _LATEST:
            said = have["DocumentVersion"] if self._is_as_wanted(have) else str(int(have["LatestVersion"]) + 1)
        return {**want, "DefaultVersion": said}

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare contents by what they mean."""
        return content.same(have, want) if member == "Content" else super().same(member, have, want)

    def updatable(self) -> frozenset[str]:
        """Add what another operation changes."""
        return super().updatable() | {"DefaultVersion"}

    def alter(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Make a new version if it takes one, and have the right one be the default."""
        differing = [member for member in _OF_VERSION if member in want and not self.same(member, have.get(member), want[member])]
        number = self._new_version(have, want) if differing else have["DocumentVersion"]
        said = self.options["default_version"]
        default = {_LATEST: have["DefaultVersion"] if self.text is None else number, _KEEP: have["DefaultVersion"]}.get(said, said)
        if default != have["DefaultVersion"]:
            self.api.call("UpdateDocumentDefaultVersion", Name=have["Name"], DocumentVersion=default)
        return {}

    def created(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Wait until it can be used."""
        self._settle(answer["DocumentDescription"]["DocumentVersion"])
        return {}

    def _new_version(self, have: Thing, want: t.Mapping[str, t.Any]) -> str:
        there = {"Content": have["Content"], "DocumentFormat": have.get("DocumentFormat", "JSON")}
        request = {**there, **self.changes(have, want), "DocumentVersion": "$LATEST"}
        try:
            answer = self.api.call("UpdateDocument", Name=have["Name"], **request)
        except AwsFailure as failure:
            if failure.code != "DuplicateDocumentContent":
                raise
            return self._old_version(have, request["Content"], failure)
        number = str(answer["DocumentDescription"]["DocumentVersion"])
        self._settle(number)
        return number

    def _old_version(self, have: Thing, text: str, failure: AwsFailure) -> str:
        """Find the version that has a content of which AWS makes no second one."""
        if content.same(have["Content"], text):
            raise RefusedError(
                "AWS makes no new version for another display_name or target_type alone."
                " Change the content too, for instance its description."
            ) from failure
        for row in self.api.items("ListDocumentVersions", "DocumentVersions", Name=have["Name"]):
            if content.same(self._content_of(row["DocumentVersion"], row.get("DocumentFormat", "JSON")), text):
                if self.options["default_version"] == _LATEST:
                    return str(row["DocumentVersion"])
                raise RefusedError(
                    f"Version {row['DocumentVersion']} has this content already, and AWS makes no second one of it."
                    f" Set default_version={row['DocumentVersion']} without content to use it, or change the content."
                ) from failure
        raise failure

    def _settle(self, number: str) -> None:
        deadline = time.monotonic() + self.options["wait_timeout"]
        while (version := self._described(number)).get("Status") in _UNDER_WAY:
            if time.monotonic() > deadline:
                seconds = self.options["wait_timeout"]
                raise RefusedError(f"Version {number} is still {version['Status']} after {seconds} s. Set a longer wait_timeout.")
            time.sleep(_PAUSE_SECONDS)
        if version.get("Status") == "Failed":
            raise RefusedError(f"AWS could not make version {number}: {version.get('StatusInformation', 'it does not say why')}.")

    def _described(self, number: str | None = None) -> dict[str, t.Any]:
        version = {"DocumentVersion": number} if number else {}
        described: dict[str, t.Any] = self.api.call("DescribeDocument", Name=self.options["name"], **version)["Document"]
        return described

    def _with_content(self, described: dict[str, t.Any]) -> dict[str, t.Any]:
        return {**described, "Content": self._content_of(described["DocumentVersion"], described.get("DocumentFormat", "JSON"))}

    def _content_of(self, number: str, content_format: str) -> str:
        wanted = {"DocumentVersion": number, "DocumentFormat": content_format}
        return str(self.api.call("GetDocument", Name=self.options["name"], **wanted)["Content"])

    def _is_as_wanted(self, version: Thing) -> bool:
        return self.text is None or content.same(version["Content"], self.text.text)

    def release(self, thing: Thing) -> None:
        """Share it no longer: AWS deletes no shared document."""
        sharing = SharedWith(self.api, self.options)
        sharing.write(thing, sharing.read(thing), [])

    def facets(self) -> list[Facet]:
        """Add with whom it is shared."""
        return [*super().facets(), SharedWith(self.api, self.options)]


def main() -> None:
    """Run the module."""
    run_resource(Document, DOCUMENTATION)


if __name__ == "__main__":
    main()
