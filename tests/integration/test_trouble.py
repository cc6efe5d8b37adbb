# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and trouble: the sentence the user reads, and that nothing hangs."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time

import pytest

from tests.integration.long_tasks import LongSleep, becomes_true, command, have_ended, processes
from tests.integration.running_emulator import Ansible

_PING = "- ansible.builtin.ping:"
_INTERACTIVE = "AWS-StartInteractiveCommand"


def test_a_node_id_that_is_not_connected_is_unreachable_with_cause_and_advice(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("i-0badbadbadbadbad0"))
    assert run.code == 4, str(run)
    assert run.says("i-0badbadbadbadbad0 is not connected to Systems Manager in us-east-1")
    assert run.says("aws ssm get-connection-status --target i-0badbadbadbadbad0")


def test_text_that_is_no_node_id_is_refused_with_awss_words(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("no_node_at_all!"))
    assert run.code == 4, str(run)
    assert "no_node_at_all!" in run.output


def test_a_denied_document_falls_back_to_the_accounts_default_one(ansible: Ansible) -> None:
    ansible.emulator.order({"fail": {"operation": "StartSession", "code": "AccessDeniedException", "document": _INTERACTIVE}})
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 2


def test_the_default_document_works_with_a_real_agent(ansible_on_real_agents: Ansible) -> None:
    ansible = ansible_on_real_agents
    ansible.emulator.order({"fail": {"operation": "StartSession", "code": "AccessDeniedException", "document": _INTERACTIVE}})
    run = ansible.playbook(_PING, ansible.inventory("real-1"))
    assert run.code == 0, str(run)


def test_denied_access_names_the_missing_iam_action(ansible: Ansible) -> None:
    message = (
        "User: arn:aws:iam::123456789012:user/demo is not authorized to perform: ssm:StartSession on resource:"
        " arn:aws:ssm:us-east-1::document/AWS-StartInteractiveCommand because no identity-based policy allows it"
    )
    denied = {"operation": "StartSession", "code": "AccessDeniedException", "message": message, "times": None}
    ansible.emulator.order({"fail": denied})
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("Allow the IAM action ssm:StartSession")
    assert run.says("The account's default session document is denied too")


def test_expired_credentials_are_called_so(ansible: Ansible) -> None:
    expired = {
        "operation": "StartSession",
        "code": "ExpiredTokenException",
        "message": "The security token included in the request is expired",
    }
    ansible.emulator.order({"fail": {**expired, "times": None}})
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("The AWS credentials have expired")


def test_wrong_keys_are_called_so(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("web-1"), AWS_SECRET_ACCESS_KEY="wrong")
    assert run.code == 4, str(run)
    assert run.says("AWS does not accept the credentials")


def test_a_clock_that_is_wrong_is_called_so(ansible: Ansible) -> None:
    message = "Signature expired: 20300101T000000Z is now earlier than 20300101T000500Z (20300101T001000Z - 5 min.)"
    skewed = {"operation": "StartSession", "code": "InvalidSignatureException", "message": message, "times": None}
    ansible.emulator.order({"fail": skewed})
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("Set this machine's clock right")


def test_a_hybrid_node_of_the_standard_tier_says_what_to_turn_on(ansible: Ansible) -> None:
    message = "Enable advanced-instances tier to use Session Manager with your on-premises instances"
    ansible.emulator.order({"fail": {"operation": "StartSession", "code": "BadRequest", "message": message, "times": None}})
    run = ansible.playbook(_PING, ansible.inventory("db-1"))
    assert run.code == 4, str(run)
    assert run.says("is a hybrid node of the standard-instances tier, which has no sessions")
    assert run.says("--setting-id /ssm/managed-instance/activation-tier --setting-value advanced")


def test_an_agent_too_old_for_the_document_is_to_be_updated(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("aged"))
    assert run.code == 4, str(run)
    assert run.says(f"the SSM agent on {ansible.emulator.nodes()['aged']} is too old for the session document {_INTERACTIVE}")
    assert run.says("aws ssm send-command --document-name AWS-UpdateSSMAgent")


def test_a_document_that_is_none_for_sessions_is_named(ansible: Ansible) -> None:
    wrong = {"operation": "StartSession", "code": "InvalidDocument", "message": "Document type is not supported.", "times": None}
    ansible.emulator.order({"fail": wrong})
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says(f"the session document {_INTERACTIVE} does not exist in us-east-1 or has another type than Session")


def test_a_region_that_does_not_exist_shows_the_endpoint_and_where_to_look(ansible: Ansible) -> None:
    del ansible.environment["AWS_ENDPOINT_URL"]
    run = ansible.playbook(_PING, ansible.inventory("web-1"), AWS_REGION="eu-nowhere-1", AWS_DEFAULT_REGION="eu-nowhere-1")
    assert run.code == 4, str(run)
    assert run.says("https://ssm.eu-nowhere-1.amazonaws.com/ cannot be reached. Check the region")


def test_a_proxy_that_does_not_answer_is_among_what_to_check(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("web-1"), HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert run.code == 4, str(run)
    assert run.says("cannot be reached. Check the region, endpoint_url, DNS, the proxy variables")
    assert run.says("127.0.0.1:9")


def test_no_region_says_where_to_set_one(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    ansible.environment |= {"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": str(tmp_path / "none")}
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 4, str(run)
    assert run.says("No AWS region is known. Set the option region, the environment variable AWS_REGION")


def test_an_untrusted_certificate_is_told_with_the_option_to_set(ansible: Ansible) -> None:
    system = next(path for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem") if pathlib.Path(path).exists())
    run = ansible.playbook(_PING, ansible.inventory("web-1"), AWS_CA_BUNDLE=system)
    assert run.code == 4, str(run)
    assert run.says("is not trusted")
    assert run.says("Set ca_bundle or AWS_CA_BUNDLE")


def test_throttling_of_startsession_is_waited_out(ansible: Ansible) -> None:
    ansible.emulator.order({"throttle": {"operation": "StartSession", "times": 3}})
    run = ansible.playbook(_PING, ansible.inventory("web-1", "web-2", "db-1"))
    assert run.code == 0, str(run)
    assert ansible.emulator.calls("ssm:StartSession") == 6


def _start_long_task(ansible: Ansible, sleep: LongSleep) -> subprocess.Popen[bytes]:
    """Start a playbook whose task sleeps long; return when it runs on the node."""
    play = ansible.write(f"- ansible.builtin.command: {sleep.command}")
    inventory = ansible.inventory("web-1", "web-2")
    controller = ansible.start("ansible-playbook", "-i", str(inventory), str(play))
    assert sleep.begins(times=2), "the task did not start"
    return controller


def _broker_of(controller: subprocess.Popen[bytes]) -> int:
    (broker,) = processes(f"_session.broker /tmp/fleet.ssm-{os.getuid()}/{controller.pid}.sock")
    return broker


def test_a_killed_controller_leaves_no_session_broker_or_worker(ansible: Ansible) -> None:
    sleep = LongSleep()
    controller = _start_long_task(ansible, sleep)
    broker = _broker_of(controller)
    group = [pid for pid in processes("ansible-playbook") if pid != controller.pid and str(ansible.folder) in command(pid)]
    assert group, "there are no workers to look at"
    controller.kill()
    controller.wait()
    assert ansible.emulator.no_session_is_left(5), "a session is open 5 s after the controller was killed"
    assert have_ended(broker), "the broker is left"
    assert have_ended(*group), "a worker is left"
    assert sleep.ends(), "the command is left on the node"


def test_an_interrupted_run_ends_its_sessions(ansible: Ansible) -> None:
    controller = _start_long_task(ansible, LongSleep())
    broker = _broker_of(controller)
    os.killpg(controller.pid, signal.SIGINT)
    try:
        controller.wait(20)
    except subprocess.TimeoutExpired:
        controller.kill()
        pytest.fail("the run hangs after Ctrl-C")
    assert ansible.emulator.no_session_is_left(5)
    assert have_ended(broker), "the broker is left"


def test_the_task_after_a_killed_broker_starts_a_new_one(ansible: Ansible) -> None:
    play = ansible.write(
        """
- ansible.builtin.command: echo before
- ansible.builtin.pause: {seconds: 3}
- ansible.builtin.command: echo after
"""
    )
    controller = ansible.start("ansible-playbook", "-i", str(ansible.inventory("web-1")), str(play))
    assert becomes_true(lambda: ansible.emulator.statistics()["sessions"]["open"] == 1, 30), "no session was opened"
    time.sleep(2)
    os.kill(_broker_of(controller), signal.SIGKILL)
    output, _nothing = controller.communicate(timeout=60)
    assert controller.returncode == 0, output.decode()
    assert ansible.emulator.calls("ssm:StartSession") == 2
    # The killed one could not end its session; AWS ends it when it was idle for long enough.
    ansible.emulator.terminate_sessions()


def test_nothing_of_a_run_is_left_in_the_temporary_folder(ansible: Ansible) -> None:
    controller = ansible.start("ansible-playbook", "-i", str(ansible.inventory("web-1")), str(ansible.write(_PING)))
    output, _nothing = controller.communicate(timeout=60)
    assert controller.returncode == 0, output.decode()
    folder = pathlib.Path(f"/tmp/fleet.ssm-{os.getuid()}")
    assert ansible.emulator.no_session_is_left()
    # Other runs of this user may have their brokers there.
    assert becomes_true(lambda: not list(folder.glob(f"{controller.pid}.*")), 5), list(folder.iterdir())


def test_a_lost_session_is_unreachable_and_its_command_is_not_repeated(ansible: Ansible) -> None:
    sleep = LongSleep()
    play = ansible.write(
        f"""
- ansible.builtin.file: {{path: ~/once, state: absent}}
- ansible.builtin.shell: echo x >> ~/once; {sleep.command}
  ignore_unreachable: true
- ansible.builtin.command: cat ~/once
  register: times
- ansible.builtin.assert: {{that: times.stdout == "x"}}
"""
    )
    controller = ansible.start("ansible-playbook", "-i", str(ansible.inventory("web-1")), str(play))
    assert sleep.begins(), "the task did not start"
    ansible.emulator.terminate_sessions()
    output, _nothing = controller.communicate(timeout=60)
    assert controller.returncode == 0, output.decode()
    assert "was closed" in output.decode()
    assert ansible.emulator.calls("ssm:StartSession") == 2
