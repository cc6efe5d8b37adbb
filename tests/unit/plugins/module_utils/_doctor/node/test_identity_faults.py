# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a node's identity is named as the first cause: N9 to N14."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils._doctor.node.conftest import HEALTHY_LOG, HYBRID, INSTANCE, Node
from tests.unit.plugins.module_utils._doctor.node.stand_ins import MetadataService
from tests.unit.plugins.module_utils._doctor.node.test_network_faults import assert_cause

DENIED = (
    "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User:"
    " arn:aws:sts::123456789012:assumed-role/Role/mi-1 is not authorized to perform: ssm:UpdateInstanceInformation on resource: x"
)


def test_a_clone_is_the_cause(node: Node) -> None:
    node.fingerprint("a" * 32)
    assert "a" * 32 in assert_cause(node, "N9", "copy of the machine")["evidence"]


def test_a_clone_is_left_alone_where_the_comparison_is_off(node: Node) -> None:
    node.fingerprint("a" * 32, threshold=-1)
    assert node.verdict().healthy


def test_an_instance_has_no_fingerprint(node: Node) -> None:
    node.be_instance()
    node.fingerprint("a" * 32)
    assert node.check("N9")["status"] == "skip"


@pytest.mark.parametrize(
    ("line", "check_id", "words"),
    [
        (
            "Cannot connect to AWS Systems Manager.  The hardware ID (b) has changed from the registered value (a).",
            "N9",
            "machine id",
        ),
        (
            "Cannot connect to AWS Systems Manager.  Machine configuration has changed more than the allowed threshold.",
            "N9",
            "hardware differs",
        ),
        ("MachineFingerprintDoesNotMatch: Fingerprint does not match", "N9", "hardware differs"),
        ("InvalidInstanceId: Not existing InstanceId mi-0123456789abcdef0", "N10", "deregistered"),
        ("Failed to load: RegistrationKey does not exist", "N10", "no registration"),
        ("ActivationExpired: activation has expired", "N11", "has expired"),
        ("InvalidActivation: no such activation", "N11", "do not belong together"),
        ("Registration limit reached for activation", "N11", "as it allows"),
        ("no EC2 instance role found", "N12", "no instance profile"),
        ("SharedCredentialsStore: failed to load shared credentials file", "N12", "shared credentials cannot be read"),
        ("shared credentials are already expired, they were retrieved at X", "N12", "have expired"),
        (DENIED, "N13", "denied the agent ssm:UpdateInstanceInformation"),
        (
            "AccessDeniedException: Systems Manager's instance management role is not configured for account: 1",
            "N13",
            "default host management is off",
        ),
        ("Retrieve credentials produced error: AccessDeniedException: status 400", "N13", "denied the agent what it asked for"),
    ],
)
def test_what_the_log_tells_is_the_cause(node: Node, line: str, check_id: str, words: str) -> None:
    node.log_after_start("ERROR " + line)
    assert line[:40].split()[0] in assert_cause(node, check_id, words)["evidence"]


def test_what_was_denied_two_hours_ago_is_over(node: Node) -> None:
    node.log_after_start(DENIED, ago=7200)
    assert node.check("N13")["status"] == "ok"


def test_what_was_denied_before_the_last_start_is_over(node: Node) -> None:
    node.log(DENIED, *HEALTHY_LOG)
    assert node.verdict().healthy


def test_a_registration_that_was_blanked_is_the_cause(node: Node) -> None:
    node.registration(instanceID="", privateKey="", region="")
    assert HYBRID in assert_cause(node, "N10", "registration was cleared")["evidence"]


def test_a_machine_that_was_never_registered_is_the_cause(node: Node) -> None:
    node.remove("/var/lib/amazon/ssm")
    assert_cause(node, "N10", "never registered")


def test_a_registration_that_was_refused_before_the_last_start_is_the_cause(node: Node) -> None:
    node.remove("/var/lib/amazon/ssm")
    node.log("ERROR error registering the instance with AWS SSM. ActivationExpired", *HEALTHY_LOG[:3])
    judged = node.verdict()
    assert judged.cause is not None
    assert judged.cause["id"] == "N11"
    assert node.check("N10")["consequence_of"] == "N11"


def test_a_registration_in_another_region_is_the_cause(node: Node) -> None:
    cause = node.verdict("us-east-1").cause
    assert cause is not None
    assert (cause["id"], cause["cause"]) == ("N10", "The node is registered in eu-west-1, not in us-east-1.")


def test_a_registration_file_of_an_older_registration_is_warned_of(node: Node) -> None:
    node.write("/var/lib/amazon/ssm/registration", '{"ManagedInstanceID": "mi-0fedcba9876543210", "Region": "eu-west-1"}')
    assert (node.check("N10")["status"], node.verdict().healthy) == ("warn", True)


def test_the_private_key_is_never_shown(node: Node) -> None:
    assert "MIIEvgIBADAN" not in repr(node.examine())


def test_an_instance_needs_no_registration(node: Node) -> None:
    node.be_instance()
    assert node.check("N10")["status"] == "ok"
    assert node.examine().instance_id == INSTANCE


def test_credentials_that_expired_are_the_cause(node: Node) -> None:
    node.identity(-3600)
    assert "60 minutes ago" in assert_cause(node, "N12", "could not renew")["evidence"]


def test_a_broken_credentials_file_is_the_cause_and_its_lines_are_not_shown(node: Node) -> None:
    node.write("/root/.aws/credentials", "aws_secret_access_key = wJalrXUtnFEMI\n")
    assert_cause(node, "N12", "no valid ini file")
    assert "wJalrXUtnFEMI" not in repr(node.examine())


def test_an_instance_without_a_role_is_the_cause(node: Node) -> None:
    node.be_instance(profile="")
    node.identity(-1, CredentialsExpiresAt="0001-01-01T00:00:00Z")
    assert_cause(node, "N12", "has no role")


def test_an_instance_of_default_host_management_is_well(node: Node) -> None:
    node.be_instance(profile="")
    node.identity(1800, IdentityType="EC2", CredentialSource="SSM")
    assert node.verdict().healthy


def test_a_silent_metadata_service_of_an_instance_is_the_cause(node: Node) -> None:
    node.be_instance()
    node.metadata_address = "127.0.0.1:1"
    assert_cause(node, "N14", "does not answer")


def test_a_hybrid_node_on_ec2_needs_no_metadata_service(node: Node) -> None:
    node.write("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    assert node.verdict().healthy


def test_a_metadata_service_that_refuses_is_the_cause(node: Node) -> None:
    node.be_instance()
    service = MetadataService()
    service.answers.clear()
    node.serve_metadata(service)
    assert "401" in assert_cause(node, "N14", "does not answer")["evidence"]


def test_somebody_who_plays_the_metadata_service_outside_ec2_is_the_cause(node: Node) -> None:
    node.remove("/var/lib/amazon/ssm")
    node.serve_metadata(MetadataService("i-00000000000000000"))
    judged = node.verdict()
    assert judged.cause is not None
    assert (judged.cause["id"], "blackhole" in judged.cause["remedy"]) == ("N14", True)


def test_it_does_not_matter_to_a_registered_node(node: Node) -> None:
    node.serve_metadata(MetadataService("i-00000000000000000"))
    assert node.verdict().healthy


def test_a_wait_for_the_metadata_service_is_told_by_the_log(node: Node) -> None:
    node.be_instance()
    node.log_after_start("ERROR EC2 IMDS: IMDS request timeout")
    assert node.check("N14")["status"] == "warn"


def test_the_region_comes_from_the_metadata_service_of_an_instance(node: Node) -> None:
    node.be_instance()
    assert node.examine().region == "eu-west-1"
