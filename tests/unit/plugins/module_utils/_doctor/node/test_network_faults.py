# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong on a node's way to AWS is named as the first cause, and nothing is where nothing is wrong."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest

from tests.unit.plugins.module_utils._doctor.node.conftest import UNIT, Node
from tests.unit.plugins.module_utils._doctor.node.stand_ins import HOUR, Authority, refusing_port, silent_port


def assert_cause(node: Node, check_id: str, words: str) -> dict[str, t.Any]:
    cause = node.verdict().cause
    assert cause is not None
    assert (cause["id"], words in cause["cause"]) == (check_id, True), cause
    assert cause["evidence"]
    assert cause["remedy"]
    return cause


def statuses(node: Node) -> dict[str, str]:
    return {check.id: check.status for check in node.examine().checks}


def test_a_healthy_hybrid_node_has_no_alarm(node: Node) -> None:
    judged = node.verdict()
    assert [result for result in judged.checks if result["status"] not in ("ok", "skip")] == []
    assert (judged.cause, judged.healthy) == (None, True)
    assert {result["id"] for result in judged.checks} == {f"N{number}" for number in range(1, 22)}


def test_a_healthy_instance_has_no_alarm(node: Node) -> None:
    node.be_instance()
    assert [result for result in node.verdict().checks if result["status"] not in ("ok", "skip")] == []


def test_a_healthy_node_behind_a_proxy_has_no_alarm(node: Node) -> None:
    proxy = node.go_by_proxy(wants="user:pass word", sends="user:pass%20word")
    assert [result for result in node.verdict().checks if result["status"] not in ("ok", "skip")] == []
    assert proxy.requests


def test_it_says_who_the_node_is(node: Node) -> None:
    found = node.examine()
    assert (found.instance_id, found.region, found.agent_version) == ("mi-0123456789abcdef0", "eu-west-1", "3.3.987.0")


def test_a_name_that_does_not_resolve_is_the_cause(node: Node) -> None:
    node.connect("ssm", port=443, host="ssm.eu-west-1.invalid")
    assert_cause(node, "N3", "cannot resolve the names")


def test_a_proxy_whose_name_does_not_resolve_is_the_cause(node: Node) -> None:
    node.process(100, "amazon-ssm-agen", HTTPS_PROXY="http://proxy.invalid:3128")
    assert_cause(node, "N3", "the proxy's name")


def test_a_resolver_that_never_answers_is_the_cause(node: Node, no_resolver: None) -> None:
    node.total_timeout = 1.0
    began = time.monotonic()
    assert_cause(node, "N3", "cannot resolve")
    assert time.monotonic() - began < 2


def test_a_refused_connection_is_the_cause(node: Node) -> None:
    with refusing_port() as port:
        node.connect("ssm", "ssmmessages", port=port)
        assert_cause(node, "N4", "refused the connection")


def test_a_refused_connection_leaves_later_steps_unsaid(node: Node) -> None:
    with refusing_port() as port:
        node.connect(port=port)
        found = statuses(node)
    assert [found[name] for name in ("N3", "N4", "N5", "N6", "N7")] == ["ok", "fail", "skip", "skip", "skip"]


def test_a_firewall_that_drops_packets_is_the_cause(node: Node) -> None:
    with silent_port() as port:
        node.connect("ssmmessages", port=port)
        cause = assert_cause(node, "N4", "cannot be reached")
    assert "no answer within 1 s" in cause["evidence"]


def test_everything_that_times_out_takes_less_than_eight_seconds(node: Node) -> None:
    node.timeout = 2.0
    node.write("/usr/bin/systemctl", "#!/bin/sh\nexec sleep 60\n", 0o755)
    with silent_port() as port:
        node.connect(port=port)
        began = time.monotonic()
        assert_cause(node, "N4", "cannot be reached")
        assert time.monotonic() - began < 8


def test_only_what_the_agent_needs_is_a_failure(node: Node) -> None:
    with refusing_port() as port:
        node.connect("s3", "ec2messages", port=port)
        judged = node.verdict()
    assert judged.healthy
    assert [(result["id"], "S3" in result["cause"]) for result in judged.checks if result["status"] == "warn"] == [("N4", True)]


def test_an_old_agent_needs_ec2messages(node: Node) -> None:
    node.log("INFO Proxy environment variables:", "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.2.582.0")
    with refusing_port() as port:
        node.connect("ec2messages", port=port)
        assert_cause(node, "N4", "refused the connection")


@pytest.mark.parametrize(("ahead", "words"), [(-400, "minutes ahead"), (400, "minutes behind"), (86400 * 9, "9 days behind")])
def test_a_wrong_clock_is_the_cause(node: Node, ahead: float, words: str) -> None:
    for aws in node.aws.values():
        aws.seconds_ahead = ahead
    cause = assert_cause(node, "N5", "clock is wrong")
    assert words in cause["evidence"]


def test_a_clock_that_drifts_is_warned_of(node: Node) -> None:
    for aws in node.aws.values():
        aws.seconds_ahead = 120
    assert node.check("N5")["status"] == "warn"
    assert node.verdict().healthy


def test_a_certificate_of_an_unknown_authority_is_the_cause_and_its_issuer_is_shown(node: Node, stranger: Authority) -> None:
    for aws in node.aws.values():
        aws.context = stranger.context()
    cause = assert_cause(node, "N6", "does not trust Corporate Inspection CA")
    assert "Corporate Inspection CA, Example" in cause["evidence"]


def test_an_authority_of_the_agents_own_is_trusted(node: Node, stranger: Authority) -> None:
    for aws in node.aws.values():
        aws.context = stranger.context()
    node.write("/etc/amazon/ssm/amazon-ssm-agent.crt", stranger.path.read_text(encoding="ascii"))
    assert node.verdict().healthy


def test_a_bundle_that_the_agents_environment_names_is_trusted(node: Node, stranger: Authority) -> None:
    for aws in node.aws.values():
        aws.context = stranger.context()
    node.write("/opt/bundle.pem", stranger.path.read_text(encoding="ascii"))
    node.process(100, "amazon-ssm-agen", SSL_CERT_FILE="/opt/bundle.pem")
    assert node.verdict().healthy


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [(-2 * HOUR, -HOUR, "has expired"), (HOUR, 2 * HOUR, "is not valid yet"), (-HOUR, datetime.timedelta(0), "has expired")],
)
def test_a_certificate_out_of_date_is_the_cause(node: Node, begins: t.Any, ends: t.Any, words: str) -> None:
    for aws in node.aws.values():
        aws.context = node.authority.context(begins, ends)
    assert_cause(node, "N6", words)


def test_a_wrong_clock_comes_before_the_certificate_that_it_makes_invalid(node: Node) -> None:
    for aws in node.aws.values():
        aws.context, aws.seconds_ahead = node.authority.context(HOUR, 3 * HOUR), 2 * 3600
    judged = node.verdict()
    assert [(result["id"], result["consequence_of"]) for result in judged.checks if result["status"] == "fail"] == [
        ("N5", ""),
        ("N6", "N5"),
    ]


def test_a_certificate_of_another_host_is_the_cause(node: Node) -> None:
    node.aws["ssm"].context = node.authority.context(host="elsewhere.example")
    assert_cause(node, "N6", "another host's")


def test_a_connection_that_is_broken_off_in_the_handshake_is_the_cause(node: Node) -> None:
    node.aws["ssmmessages"].breaks_off = True
    assert_cause(node, "N6", "breaks TLS off")


def test_an_endpoint_that_does_not_answer_is_the_cause(node: Node) -> None:
    node.aws["ssm"].silent = True
    assert_cause(node, "N7", "does not answer")


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (403, {"Content-Type": "text/html", "Server": "squid/5.7"})])
def test_somebody_else_who_answers_is_the_cause(node: Node, status: int, headers: dict[str, str]) -> None:
    node.aws["ssm"].status, node.aws["ssm"].headers = status, headers
    cause = assert_cause(node, "N7", "answers in AWS's place")
    assert headers.get("Server", "503") in cause["evidence"]


def test_a_proxy_that_lets_no_websocket_through_is_the_cause(node: Node) -> None:
    node.go_by_proxy()
    node.aws["ssmmessages"].upgrade_status, node.aws["ssmmessages"].upgrade_headers = 502, {"Via": "1.1 gateway"}
    cause = assert_cause(node, "N7", "lets no websocket through")
    assert "1.1 gateway" in cause["evidence"]


def test_a_websocket_that_is_hung_up_on_is_the_cause(node: Node) -> None:
    node.aws["ssmmessages"].hangs_up_on_upgrade = True
    assert_cause(node, "N7", "lets no websocket through")


def test_a_proxy_that_wants_a_password_is_the_cause(node: Node) -> None:
    node.go_by_proxy(wants="user:secret")
    cause = assert_cause(node, "N8", "wants a user and password")
    assert "407" in cause["evidence"]


def test_a_wrong_password_for_the_proxy_is_the_cause_and_is_not_shown(node: Node) -> None:
    node.go_by_proxy(wants="user:secret", sends="user:swordfish")
    assert_cause(node, "N8", "wants a user and password")
    assert "swordfish" not in repr(node.examine())


def test_a_proxy_that_does_not_allow_the_host_is_the_cause(node: Node) -> None:
    node.go_by_proxy(403)
    assert_cause(node, "N8", "does not let the node through")


def test_a_proxy_that_does_not_reach_aws_is_the_cause(node: Node) -> None:
    node.go_by_proxy(502)
    assert_cause(node, "N8", "does not reach AWS itself")


def test_a_proxy_that_is_none_is_the_cause(node: Node) -> None:
    node.process(100, "amazon-ssm-agen", https_proxy=f"http://localhost:{node.aws['s3'].port}")
    assert_cause(node, "N8", "is none")


def test_a_proxy_that_does_not_run_is_the_cause(node: Node) -> None:
    with refusing_port() as port:
        node.process(100, "amazon-ssm-agen", https_proxy=f"http://localhost:{port}")
        assert_cause(node, "N4", "The proxy refused")


def test_a_proxy_that_cannot_be_read_is_the_cause(node: Node) -> None:
    node.process(100, "amazon-ssm-agen", https_proxy="http://\u201cproxy\u201d:3128")
    assert_cause(node, "N8", "cannot be read")


def test_a_proxy_set_for_the_wrong_unit_is_the_cause(node: Node) -> None:
    node.write(
        "/etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service.d/override.conf",
        '[Service]\nEnvironment="https_proxy=http://proxy:3128"\n',
    )
    with refusing_port() as port:
        node.connect(port=port)
        assert_cause(node, "N8", "for another unit")


def test_a_proxy_that_only_the_machine_has_is_the_cause(node: Node) -> None:
    node.write("/etc/environment", 'HTTPS_PROXY="http://proxy:3128"\n')
    with refusing_port() as port:
        node.connect(port=port)
        assert_cause(node, "N8", "the agent's unit does not name it")


def test_a_proxy_that_the_running_agent_does_not_have_yet_is_the_cause(node: Node) -> None:
    node.write(f"/etc/systemd/system/{UNIT}.d/proxy.conf", "[Service]\nEnvironment=https_proxy=http://proxy:3128\n")
    with refusing_port() as port:
        node.connect(port=port)
        cause = assert_cause(node, "N8", "does not have yet")
    assert "daemon-reload" in cause["remedy"]


def test_the_connections_that_fail_for_want_of_a_proxy_are_its_consequence(node: Node) -> None:
    node.write("/etc/environment", 'HTTPS_PROXY="http://proxy:3128"\n')
    with refusing_port() as port:
        node.connect(port=port)
        assert node.check("N4")["consequence_of"] == "N8"


def test_a_proxy_that_takes_the_metadata_service_over_is_the_cause(node: Node) -> None:
    node.be_instance()
    node.process(100, "amazon-ssm-agen", http_proxy="http://proxy:3128")
    cause = assert_cause(node, "N8", "asks the proxy for the instance metadata service")
    assert "no_proxy=169.254.169.254" in cause["remedy"]


def test_a_proxy_from_the_unit_is_used_where_no_agent_runs(node: Node) -> None:
    proxy = node.go_by_proxy(407)
    node.remove("/proc/100")
    node.write(f"/lib/systemd/system/{UNIT}", "[Service]\nEnvironmentFile=-/etc/default/ssm\n")
    node.write("/etc/default/ssm", f"https_proxy=http://localhost:{proxy.port}\n")
    assert statuses(node)["N8"] == "fail"


def test_what_the_agent_met_with_and_is_over_now_is_warned_of(node: Node) -> None:
    node.log_after_start(
        'ERROR [ssm-agent-worker] RequestError: send request failed caused by: Post "https://ssm.eu-west-1.amazonaws.com/":'
        " dial tcp: lookup ssm.eu-west-1.amazonaws.com: no such host"
    )
    check = node.check("N3")
    assert (check["status"], "restart the agent" in check["remedy"]) == ("warn", True)


def test_what_the_agent_has_got_over_is_not_mentioned(node: Node) -> None:
    node.log_after_start(
        "ERROR dial tcp: lookup ssm.eu-west-1.amazonaws.com: no such host",
        "INFO [CredentialRefresher] Credentials ready",
        "INFO Set up control channel successfully",
    )
    assert node.check("N3")["status"] == "ok"


def test_a_machine_of_which_no_region_is_known_is_unknown(node: Node) -> None:
    node.remove("/var/lib/amazon/ssm")
    node.endpoints.clear()
    found = {check.id: check for check in node.examine().checks}
    assert [found[name].status for name in ("N3", "N4", "N5", "N6", "N7")] == ["unknown"] * 5
    assert "option region" in found["N3"].remedy
