# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large files by way of an S3 bucket: when one is named, whole, encrypted as asked, and gone from there afterwards."""

from __future__ import annotations

import os
import typing as t

import botocore.exceptions
import pytest

from tests.integration.running_emulator import Ansible, Run, RunningEmulator

pytestmark = pytest.mark.long

_BUCKET = "way"
_SIZE = 3_000_000


def _s3(emulator: RunningEmulator) -> t.Any:
    s3 = emulator.client("s3")
    try:
        s3.create_bucket(Bucket=_BUCKET)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return s3


def _copy_and_fetch(ansible: Ansible, machine: str = "web-1", **variables: str) -> Run:
    """Copy a file of 3 MB to a machine and fetch it again."""
    content = os.urandom(_SIZE)
    source, fetched = ansible.folder / "source", ansible.folder / "fetched"
    source.write_bytes(content)
    settings = {"ansible_ssm_s3_bucket": _BUCKET, "ansible_ssm_s3_threshold": "2", **variables}
    run = ansible.playbook(
        f"""
- ansible.builtin.copy: {{src: {source}, dest: /var/tmp/copied, mode: "0640"}}
- ansible.builtin.fetch: {{src: /var/tmp/copied, dest: {fetched}, flat: true}}
""",
        ansible.inventory(machine, **settings),
    )
    if run.code == 0:
        assert fetched.read_bytes() == content
    return run


def _objects(emulator: RunningEmulator) -> list[t.Any]:
    return list(_s3(emulator).list_objects_v2(Bucket=_BUCKET).get("Contents", []))


def test_a_large_file_goes_by_way_of_the_bucket_and_leaves_nothing_there(ansible: Ansible) -> None:
    _s3(ansible.emulator)
    ansible.emulator.reset()
    run = _copy_and_fetch(ansible)
    assert run.code == 0, str(run)
    statistics = ansible.emulator.statistics()
    assert statistics["s3_requests"] >= 7
    assert statistics["websocket"]["client_up"]["bytes"] < 500_000
    assert ansible.emulator.calls("ssm:StartSession") == 1
    assert _objects(ansible.emulator) == []


def test_a_large_file_of_a_real_agent_goes_by_way_of_the_bucket(ansible_on_real_agents: Ansible) -> None:
    _s3(ansible_on_real_agents.emulator)
    run = _copy_and_fetch(ansible_on_real_agents, "real-1")
    assert run.code == 0, str(run)
    assert _objects(ansible_on_real_agents.emulator) == []


def test_a_file_below_the_threshold_does_not_go_there_and_without_a_bucket_none_does(ansible: Ansible) -> None:
    for variables in ({"ansible_ssm_s3_threshold": "4"}, {"ansible_ssm_s3_bucket": ""}):
        run = _copy_and_fetch(ansible, **variables)
        assert run.code == 0, str(run)
    assert ansible.emulator.statistics()["s3_requests"] == 0


def test_objects_are_encrypted_as_asked_both_ways(ansible: Ansible, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = _s3(ansible.emulator)
    # What is deleted stays as a version.
    s3.put_bucket_versioning(Bucket=_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    try:
        key = ansible.emulator.client("kms").create_key()["KeyMetadata"]["Arn"]
        encryption = {"ansible_ssm_s3_sse": "aws:kms", "ansible_ssm_s3_kms_key_id": key, "ansible_ssm_s3_prefix": "encrypted/"}
        run = _copy_and_fetch(ansible, **encryption)
        assert run.code == 0, str(run)
        versions = s3.list_object_versions(Bucket=_BUCKET, Prefix="encrypted/")["Versions"]
        assert len(versions) == 2
        for version in versions:
            assert version["Key"].startswith(f"encrypted/{ansible.emulator.nodes()['web-1']}/")
            head = s3.head_object(Bucket=_BUCKET, Key=version["Key"], VersionId=version["VersionId"])
            assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    finally:
        s3.put_bucket_versioning(Bucket=_BUCKET, VersioningConfiguration={"Status": "Suspended"})


def test_a_bucket_that_does_not_exist_is_named(ansible: Ansible) -> None:
    run = _copy_and_fetch(ansible, ansible_ssm_s3_bucket="nowhere")
    assert run.code == 2, str(run)
    assert run.says("there is no bucket nowhere (s3_bucket)")


def test_denied_access_to_the_bucket_is_told_with_the_action(ansible: Ansible) -> None:
    _s3(ansible.emulator)
    ansible.emulator.order({"fail": {"operation": "s3:PUT", "code": "AccessDenied", "status": 403, "times": None}})
    run = _copy_and_fetch(ansible)
    assert run.code == 2, str(run)
    assert run.says("s3:PutObject")
    ansible.emulator.reset()
    assert _objects(ansible.emulator) == []


def test_a_node_that_s3_refuses_says_so_and_leaves_nothing(ansible: Ansible) -> None:
    _s3(ansible.emulator)
    # The region, the upload, and then the node.
    ansible.emulator.order(
        {"fail": {"operation": "s3:GET", "code": "AccessDenied", "message": "Request has expired", "status": 403}}
    )
    run = _copy_and_fetch(ansible)
    assert run.code == 2, str(run)
    text = " ".join(run.output.split())
    assert "S3 answered the node with status 403 (AccessDenied: Request has expired)" in text
    assert f"by way of the bucket {_BUCKET}, s3_bucket" in text
    assert "X-Amz-Signature" not in text
    assert _objects(ansible.emulator) == []
