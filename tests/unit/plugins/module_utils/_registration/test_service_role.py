# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IAM service role of hybrid nodes."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._registration import service_role


def test_a_name_with_or_without_path_is_taken_and_none_at_all() -> None:
    assert [service_role.refusal(role) for role in ("Plant", "service-role/Plant", "")] == ["", "", ""]


def test_of_an_arn_the_name_is_told() -> None:
    said = service_role.refusal("arn:aws:iam::1:role/x/Plant")
    assert said == "iam_role takes the name of the role and not its ARN: write 'x/Plant'."


def test_a_role_is_the_same_with_its_path() -> None:
    assert service_role.same("service-role/Plant", "Plant")
    assert not service_role.same("service-role/Plant", "Press")
