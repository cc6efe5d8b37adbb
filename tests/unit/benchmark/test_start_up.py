# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the start of modules costs is measured in interpreters of their own."""

from __future__ import annotations

from tests.benchmark import start_up


def test_a_module_that_asks_aws_has_botocore_and_one_for_servers_has_not() -> None:
    of_aws, of_servers = (start_up.measure(name, rounds=1) for name in ("service_setting", "verified_download"))
    assert of_aws.below("botocore") > of_servers.below("botocore") == 0
    assert of_aws.seconds > of_servers.seconds > 0
    assert of_aws.own > 5


def test_the_dearest_is_on_top() -> None:
    ours = "ansible_collections.fleet.ssm.plugins.modules.a"
    cheap = start_up.Cost("cheap_one", 0.01, (ours,))
    dear = start_up.Cost("dear", 0.2, (ours, "botocore", "botocore.session", "botocores", "yaml"))
    assert start_up.table([cheap, dear]) == [
        "module         ms  imported  ours  botocore  yaml",
        "dear        200.0         5     1         2     1",
        "cheap_one    10.0         1     1         0     0",
    ]
