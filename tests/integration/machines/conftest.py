# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booted machines for tests of what is done to a server, where there can be any."""

from __future__ import annotations

import collections.abc

import pytest

from tests.machines import bases, prerequisites, signing
from tests.machines.site import Site, remove_orphans


@pytest.fixture(scope="session")
def machine_bases() -> None:
    """Have the root file systems, or skip and say why there are none."""
    reason = prerequisites.missing()
    if reason:
        pytest.skip(reason)
    remove_orphans()
    try:
        for name in bases.BASES:
            bases.root_of(name)
    except bases.NoBaseError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def site(machine_bases: None) -> collections.abc.Iterator[Site]:
    """A private network for the machines of one test file, all of it gone afterwards."""
    with Site() as made:
        yield made


@pytest.fixture(scope="module")
def signer(machine_bases: None, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[signing.Signer]:
    """Who signs the packages of one test file, or a skip where there can be none."""
    reason = prerequisites.missing_of(prerequisites.PACKAGING_PROGRAMS)
    if reason:
        pytest.skip(reason)
    # gpg's socket is in it, whose path may have 107 characters.
    with signing.Signer(tmp_path_factory.mktemp("k") / "k") as made:
        yield made
