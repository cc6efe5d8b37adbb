# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which packages of the agent are installed, and how one is put in or taken out. Runs on the node: Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import DEB, RPM, SNAP
from ansible_collections.fleet.ssm.plugins.module_utils._agent.versions import without_revision
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said, run

NAME = "amazon-ssm-agent"

# A configuration file that was written before the package came stays as it is, and nobody is there to be asked.
_APT = ("apt-get", "--yes", "--no-install-recommends", "--option=DPkg::Lock::Timeout=120")
_DPKG_OPTIONS = ("--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}


class Installed(t.NamedTuple):
    """A package that is there: its kind (deb, rpm, snap) and the agent's version, without the package's revision."""

    kind: str
    version: str


class PackageError(Exception):
    """The package manager did not do it; the text says what it said."""


def installed() -> "list[Installed]":
    """Look into each package manager that is there, for some machines have two agents."""
    found = [(DEB, _deb()), (RPM, _rpm()), (SNAP, _snap())]
    return [Installed(kind, without_revision(version)) for kind, version in found if version]


def version_in(kind: str, path: str) -> str:
    """Return the version of the agent that a package file holds, empty when it holds something else."""
    if kind == DEB:
        said = run("dpkg-deb", "--show", "--showformat=${Package} ${Version}", path)
    else:
        said = run("rpm", "--query", "--package", "--nosignature", "--queryformat", "%{NAME} %{VERSION}", path)
    name, _space, version = said.output.strip().partition(" ")
    return without_revision(version) if name == NAME else ""


def install(kind: str, path: str, simulate: bool) -> None:
    """Put a package file in, over an older or a newer version; with ``simulate`` only see whether that could be done."""
    if kind == DEB:
        command = [*_APT, *_DPKG_OPTIONS, "--allow-downgrades", *(["--simulate"] if simulate else []), "install", path]
        _check(run(*command, **_QUIET))
    else:
        # Not dnf: it would ask every repository for a package that needs none of them. --test is rpm's simulation.
        _check(run("rpm", "--upgrade", "--oldpackage", *(["--test"] if simulate else []), path))


def remove(kind: str, simulate: bool) -> None:
    """Take a package out, with its own configuration files."""
    if kind == SNAP:
        if not simulate:
            _check(run("snap", "remove", NAME))
    elif kind == DEB:
        _check(run(*_APT, *(["--simulate"] if simulate else []), "purge", NAME, **_QUIET))
    else:
        _check(run("rpm", "--erase", *(["--test"] if simulate else []), NAME))


def _deb() -> str:
    said = run("dpkg-query", "--show", "--showformat=${Status}\t${Version}", NAME)
    status, _tab, version = said.output.partition("\t")
    # "deinstall ok config-files" is one that is gone.
    return version if said.code == 0 and status.endswith(" installed") else ""


def _rpm() -> str:
    said = run("rpm", "--query", "--queryformat", "%{VERSION}\n", NAME)
    return said.output.split("\n")[0] if said.code == 0 else ""


def _snap() -> str:
    lines = run("snap", "list", NAME).output.splitlines()
    rows = [line.split() for line in lines if line.startswith(NAME + " ")]
    return rows[0][1] if rows else ""


def _check(said: Said) -> None:
    if said.code:
        lines = [line for line in (said.error + said.output).splitlines() if line.strip()]
        raise PackageError("The package manager refused (exit code {0}): {1}".format(said.code, " / ".join(lines[-8:])))
