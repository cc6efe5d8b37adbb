# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which packages of a program are installed, and how one is put in or taken out. Runs on the node: Python 3.6."""

import os
import re
import shutil
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import DEB, NAME, PKG, RPM, SNAP
from ansible_collections.fleet.ssm.plugins.module_utils._agent.versions import without_revision
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said, run

# A configuration file that was written before the package came stays as it is, and nobody is there to be asked.
_APT = ("apt-get", "--yes", "--no-install-recommends", "--option=DPkg::Lock::Timeout=120")
_DPKG_OPTIONS = ("--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold")
# Where the SSM agent's package for macOS puts things, and what its own uninstall.sh takes out (Tools/src of the agent).
_MAC_PROGRAM = "/opt/aws/ssm/bin/amazon-ssm-agent"
_MAC_RECEIPT = "com.amazon.aws.ssm"
_MAC_SERVICE = "/Library/LaunchDaemons/com.amazon.aws.ssm.plist"
_MAC_FILES = ("seelog.xml.template", "amazon-ssm-agent.json.template", "RELEASENOTES.md", "README.md", "NOTICE.md")
_QUIET: "dict[str, t.Any]" = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}


class Installed(t.NamedTuple):
    """A package that is there: its kind (deb, rpm, snap, pkg) and the program's version, without the package's revision."""

    kind: str
    version: str


class PackageError(Exception):
    """The package manager did not do it; the text says what it said."""


def installed(name: str) -> "list[Installed]":
    """Look into each package manager that is there, for some machines have two agents."""
    found = [(DEB, _deb(name)), (RPM, _rpm(name)), (SNAP, _snap(name)), (PKG, _pkg(name))]
    return [Installed(kind, without_revision(version)) for kind, version in found if version]


def version_in(name: str, kind: str, path: str) -> str:
    """Return the version of the program that a package file holds, empty when it holds something else."""
    if kind == DEB:
        said = run("dpkg-deb", "--show", "--showformat=${Package} ${Version}", path)
    else:
        said = run("rpm", "--query", "--package", "--nosignature", "--queryformat", "%{NAME} %{VERSION}", path)
    held, _space, version = said.output.strip().partition(" ")
    return without_revision(version) if held == name else ""


def install(kind: str, path: str, simulate: bool) -> None:
    """Put a package file in, over an older or a newer version; with ``simulate`` only see whether that could be done."""
    if kind == DEB:
        command = [*_APT, *_DPKG_OPTIONS, "--allow-downgrades", *(["--simulate"] if simulate else []), "install", path]
        _check(run(*command, **_QUIET))
    elif kind == PKG:
        # It cannot simulate.
        if not simulate:
            _check(run("installer", "-pkg", path, "-target", "/"))
    else:
        # Not dnf: it would ask every repository for a package that needs none of them. --test is rpm's simulation.
        _check(run("rpm", "--upgrade", "--oldpackage", *(["--test"] if simulate else []), path))


def remove(name: str, kind: str, simulate: bool) -> None:
    """Take a package out, with its own configuration files."""
    if kind == SNAP:
        if not simulate:
            _check(run("snap", "remove", name))
    elif kind == DEB:
        _check(run(*_APT, *(["--simulate"] if simulate else []), "purge", name, **_QUIET))
    elif kind == PKG:
        if not simulate:
            _remove_from_mac()
    else:
        _check(run("rpm", "--erase", *(["--test"] if simulate else []), name))


def _deb(name: str) -> str:
    said = run("dpkg-query", "--show", "--showformat=${Status}\t${Version}", name)
    status, _tab, version = said.output.partition("\t")
    # "deinstall ok config-files" is one that is gone.
    return version if said.code == 0 and status.endswith(" installed") else ""


def _rpm(name: str) -> str:
    said = run("rpm", "--query", "--queryformat", "%{VERSION}\n", name)
    return said.output.split("\n")[0] if said.code == 0 else ""


def _snap(name: str) -> str:
    lines = run("snap", "list", name).output.splitlines()
    rows = [line.split() for line in lines if line.startswith(name + " ")]
    return rows[0][1] if rows else ""


def _pkg(name: str) -> str:
    # The program tells; what the receipt has for a version is not known.
    said = run(_MAC_PROGRAM, "-version").output if name == NAME else ""
    found = re.search(r"\d+(\.\d+){3}", said)
    return found.group() if found else ""


def _remove_from_mac() -> None:
    # It fails when the agent was stopped before.
    run("launchctl", "unload", "-w", _MAC_SERVICE)
    folder = os.path.dirname(_MAC_PROGRAM)
    shutil.rmtree(folder)
    for path in [_MAC_SERVICE, *(os.path.join(os.path.dirname(folder), name) for name in _MAC_FILES)]:
        if os.path.exists(path):
            os.unlink(path)
    _check(run("pkgutil", "--forget", _MAC_RECEIPT))


def _check(said: Said) -> None:
    if said.code:
        lines = [line for line in (said.error + said.output).splitlines() if line.strip()]
        raise PackageError("The package manager refused (exit code {0}): {1}".format(said.code, " / ".join(lines[-8:])))
