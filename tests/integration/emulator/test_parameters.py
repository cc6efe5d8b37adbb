# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters are given by name, version, label and ARN."""

from __future__ import annotations

import typing as t


def test_a_parameter_says_by_which_version_or_label_it_was_asked_for(ssm: t.Any) -> None:
    name = "/emulator/parameter"
    ssm.put_parameter(Name=name, Value="first", Type="SecureString")
    ssm.put_parameter(Name=name, Value="second", Overwrite=True)
    ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["old"])
    arn = ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    try:
        answer = ssm.get_parameters(Names=[name, f"{name}:1", f"{name}:old", f"{name}:9", arn], WithDecryption=True)
        found = [(one["Name"], one.get("Selector"), one["Value"]) for one in answer["Parameters"]]
        plain = (name, None, "second")
        assert sorted(found, key=str) == sorted([plain, plain, (name, ":1", "first"), (name, ":old", "first")], key=str)
        assert answer["InvalidParameters"] == [f"{name}:9"]
        (encrypted,) = ssm.get_parameters(Names=[name])["Parameters"]
        assert encrypted["Value"] != "second"
    finally:
        ssm.delete_parameter(Name=name)
