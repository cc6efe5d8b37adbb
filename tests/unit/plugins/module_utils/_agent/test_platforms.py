# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which package a machine takes."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ID=debian\nVERSION_ID=12", "deb"),
        ("ID=ubuntu\nID_LIKE=debian", "deb"),
        ("ID=raspbian\nID_LIKE=debian", "deb"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "rpm"),
        ('ID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"', "rpm"),
        ('ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"', "rpm"),
        ('NAME="SLES"\nID="sles"\nID_LIKE="suse"\nVERSION_ID="15.6"', "rpm"),
        ('NAME="SLES"\nID="sles"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"', "rpm"),
        ('NAME="SLES_SAP"\nID="sles_sap"\nVERSION_ID="12.5"', "rpm"),
        ('ID="ol"\nID_LIKE="fedora"', "rpm"),
        ("ID=fedora", "rpm"),
    ],
)
def test_the_kind_of_package_is_told_by_os_release(text: str, kind: str) -> None:
    assert platforms.package_kind(platforms.read_os_release(text)) == kind


def test_a_system_of_neither_family_is_told_by_its_name() -> None:
    text = "# a comment\nID='opensuse-leap'\nID_LIKE='suse opensuse'\nPRETTY_NAME='openSUSE Leap 15.6'"
    with pytest.raises(platforms.UnsupportedError, match=r"openSUSE Leap 15\.6"):
        platforms.package_kind(platforms.read_os_release(text))


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("i686", "386")])
def test_the_architecture_has_the_name_that_packages_have(machine: str, name: str) -> None:
    assert platforms.architecture(machine) == name


def test_an_unknown_architecture_is_told() -> None:
    with pytest.raises(platforms.UnsupportedError, match="s390x"):
        platforms.architecture("s390x")
