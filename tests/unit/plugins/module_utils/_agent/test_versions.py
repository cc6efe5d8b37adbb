# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the installed version will do."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import versions


@pytest.mark.parametrize(
    ("installed", "wanted", "pinned", "answer"),
    [
        ("", "3.3.2.0", False, True),
        ("3.3.1.0", "3.3.2.0", False, True),
        ("3.3.2.0", "3.3.2.0", False, False),
        ("3.3.9.0", "3.3.10.0", False, True),
        ("3.3.10.0", "3.3.9.0", False, False),
        ("3.3.1.0", "3.3.2.0", True, True),
        ("3.3.2.0", "3.3.2.0", True, False),
        ("1.300073.2b1889", "1.300073.2b1901", False, True),
    ],
)
def test_what_is_older_is_replaced_and_nothing_newer_without_need(installed: str, wanted: str, pinned: bool, answer: bool) -> None:
    assert versions.must_install(installed, wanted, pinned, False) is answer


def test_a_downgrade_must_be_allowed() -> None:
    with pytest.raises(versions.VersionError, match="allow_downgrade"):
        versions.must_install("3.3.2.0", "3.3.1.0", True, False)
    assert versions.must_install("3.3.2.0", "3.3.1.0", True, True)


def test_a_packages_revision_is_not_the_agents() -> None:
    assert versions.without_revision("3.3.987.0-1.amzn2") == "3.3.987.0"


@pytest.mark.parametrize(
    ("text", "answer"),
    [("3.3.987.0", True), ("1.300073.2b1889", True), ("3.3", True), ("3", False), ("latest", False), ("3.3/../x", False)],
)
def test_a_version_is_numbers_with_dots(text: str, answer: bool) -> None:
    assert versions.is_number(text) is answer
