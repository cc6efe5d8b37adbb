# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Have a program of AWS's as a package whose signature holds, or have none. Runs on the node: Python 3.6."""

import os
import shutil
import tempfile
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import buckets, platforms, versions
from ansible_collections.fleet.ssm.plugins.module_utils._downloads import apple_signature, options, signatures, transfer
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import Verdict, day
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.verified import SignatureError, VerifiedSource, Wanted
from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run

# Of the module for each such program; one with snaps has replace_snap besides.
ARGUMENTS = dict(
    options.ARGUMENTS,
    state={"type": "str", "choices": ["present", "absent"], "default": "present"},
    version={"type": "str", "default": versions.PRESENT},
    region={"type": "str"},
    source={"type": "str", "choices": [buckets.REGIONAL, buckets.GLOBAL, buckets.MIRROR], "default": buckets.REGIONAL},
    mirror={"type": "str"},
    keys={"type": "list", "elements": "str", "no_log": False},
    allow_downgrade={"type": "bool", "default": False},
)  # type: t.Dict[str, t.Any]
REQUIRED_IF = [("source", buckets.MIRROR, ["mirror"])]
_LATEST = "latest"


class Trusted(t.NamedTuple):
    """The texts of the keys that count when the user gives none, and of those the only ones that do (empty: all)."""

    keys: "t.Sequence[str]"
    fingerprints: "t.Sequence[str]" = ()


class Product(t.NamedTuple):
    """A program: its package's name, what it is called, where it is, what its versions are called and
    one of them, who signs it, its units."""

    name: str
    title: str
    bucket: buckets.Bucket
    channels: "t.Sequence[str]"
    example: str
    version_url: "t.Callable[[str, str], str]"
    package: "t.Callable[[str, str, system.System], buckets.Package]"
    trusted: "t.Callable[[str, t.Callable[[str], bytes]], Trusted]"
    describe_key: "t.Callable[[str], str]"
    units: "t.Mapping[str, str]"


class RefusedError(Exception):
    """What was asked for cannot be; the text says what to do."""


ERRORS = (
    RefusedError,
    DownloadError,
    installation.PackageError,
    platforms.UnsupportedError,
    buckets.UnknownSourceError,
    versions.VersionError,
)


def ensure(product: Product, params: "t.Mapping[str, t.Any]", simulate: bool) -> "tuple[dict[str, t.Any], list[str]]":
    """Do what the options of a module say and return its result and its warnings; raises one of ERRORS."""
    folder = tempfile.mkdtemp(prefix="fleet.ssm-agent-")
    # The package manager's own user reads it there.
    os.chmod(folder, 0o755)
    try:
        work = _Work(product, params, simulate, folder)
        result = work.remove() if params["state"] == "absent" else work.have()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result, work.warnings


def _check(product: Product, version: str) -> None:
    words = (versions.PRESENT, *product.channels)
    if version not in words and not versions.is_number(version):
        raise RefusedError(
            "version must be {0} or a number such as {1}, not {2!r}.".format(", ".join(words), product.example, version)
        )


class _Work:
    """The program on this machine, brought into the state that the options want."""

    def __init__(self, product: Product, params: "t.Mapping[str, t.Any]", simulate: bool, folder: str) -> None:
        self._product = product
        self._params = params
        self._simulate = simulate
        self._folder = folder
        self._route = options.route(params)
        _check(product, params["version"])
        self.warnings = []  # type: t.List[str]
        there = installation.installed(product.name)
        if len(there) > 1:
            kinds = " and ".join(one.kind for one in there)
            raise RefusedError("The agent is installed twice, as {0}. Remove one of them; both at once do not work.".format(kinds))
        self.before = there[0] if there else None

    def remove(self) -> "t.Dict[str, t.Any]":
        """Remove it."""
        if self.before is None:
            return self._result(False, None)
        if self.before.kind == platforms.SNAP and not self._params.get("replace_snap"):
            raise RefusedError("The agent is installed as a snap. Set replace_snap to have it removed.")
        installation.remove(self._product.name, self.before.kind, simulate=self._simulate)
        return self._result(True, None)

    def have(self) -> "t.Dict[str, t.Any]":
        """Install or update it, if need be."""
        snap = self.before is not None and self.before.kind == platforms.SNAP
        replace = bool(snap and self._params.get("replace_snap"))
        wanted = self._params["version"]
        if self.before is not None and wanted == versions.PRESENT and not replace:
            return self._result(False, self.before)
        if snap and not replace:
            sentence = "The agent is installed as a snap, which updates itself. Leave version at present, or set replace_snap."
            raise RefusedError(sentence)
        machine = system.this_system()
        place = self._place()
        pinned = wanted not in (versions.PRESENT, *self._product.channels)
        version = wanted if pinned else self._newest(place, wanted if wanted in self._product.channels else _LATEST)
        installed = "" if self.before is None or replace else self.before.version
        if not versions.must_install(installed, version, pinned, self._params["allow_downgrade"]):
            return self._result(False, self.before)
        return self._install(machine, place, version, replace)

    def _install(self, machine: system.System, place: str, version: str, replace: bool) -> "t.Dict[str, t.Any]":
        package = self._product.package(place, version, machine)
        path = os.path.join(self._folder, os.path.basename(package.url))
        if package.signature_url:
            verdict = self._load(package, place, path)
            proof = {"fingerprint": verdict.fingerprint, "key_expires": day(verdict.expires)}
            self._check_version(package, machine, path, version)
        else:
            proof = {"signer": self._load_signed_itself(package, path)}
        if replace:
            installation.remove(self._product.name, platforms.SNAP, simulate=self._simulate)
        installation.install(machine.kind, path, simulate=self._simulate)
        now = installation.Installed(machine.kind, version)
        if not self._simulate and now not in installation.installed(self._product.name):
            raise RefusedError(
                "The package manager installed {0} without an error, but {1} is not there.".format(package.url, version)
            )
        return dict(self._result(True, now), **proof)

    def _check_version(self, package: buckets.Package, machine: system.System, path: str, version: str) -> None:
        held = installation.version_in(self._product.name, machine.kind, path)
        if held != version:
            # A signature says nothing of the place: an old package, with old holes, would pass under a new name.
            what = "version {0}".format(held) if held else "no {0}".format(self._product.title)
            raise RefusedError("{0} is {1} and not {2}. Nothing was installed.".format(package.url, what, version))

    def _load_signed_itself(self, package: buckets.Package, path: str) -> str:
        """Load a package for macOS and return who has signed it."""
        signers = self._params["signers"]
        if not signers:
            raise RefusedError(
                "AWS does not document by whom the {0} for macOS is signed. Download {1}, look by pkgutil --check-signature, and"
                " name the first certificate of the chain in signers.".format(self._product.title, package.url)
            )
        transfer.load(package.url, path, self._route)
        said = run("pkgutil", "--check-signature", path)
        try:
            return apple_signature.judge(said.code, said.output, signers)
        except signatures.RefusedError as refused:
            raise RefusedError(
                "The signature of {0} does not hold: {1}. Nothing was installed.".format(package.url, refused)
            ) from refused

    def _load(self, package: buckets.Package, place: str, path: str) -> Verdict:
        trusted = self._trusted(place)
        wanted = Wanted(*package, trusted.keys, trusted.fingerprints, self._params["accept_expired_key"])
        try:
            verdict = VerifiedSource(wanted, self._route, self._folder).load(path)
        except SignatureError as error:
            known = self._product.describe_key(error.key_id)
            raise DownloadError(
                "{0}{1}".format(error, " The signature was made with {0}.".format(known) if known else "")
            ) from error
        self.warnings.extend(verdict.warnings)
        return verdict

    def _trusted(self, place: str) -> Trusted:
        keys, fingerprints = self._params["keys"], self._params["fingerprints"]
        if keys is not None:
            return Trusted(keys, fingerprints)
        trusted = self._product.trusted(place, lambda url: transfer.read(url, self._route))
        return Trusted(trusted.keys, fingerprints or trusted.fingerprints)

    def _place(self) -> str:
        params = self._params
        return self._product.bucket.place(params["source"], params["region"] or "", params["mirror"] or "")

    def _newest(self, place: str, channel: str) -> str:
        url = self._product.version_url(place, channel)
        version = transfer.read(url, self._route).decode("utf-8", "replace").strip()
        if not versions.is_number(version):
            raise RefusedError("{0} should hold a version and begins with {1!r}. Is that a proxy's page?".format(url, version[:40]))
        return version

    def _result(self, changed: bool, now: "installation.Installed | None") -> "t.Dict[str, t.Any]":
        result = {
            "changed": changed,
            "kind": now.kind if now else None,
            "version": now.version if now else None,
            "previous_version": self.before.version if self.before else None,
            "diff": {"before": self._described(self.before), "after": self._described(now)},
        }  # type: t.Dict[str, t.Any]
        return dict(result, unit=self._product.units[now.kind]) if now else result

    def _described(self, one: "installation.Installed | None") -> str:
        return "{0} {1} ({2})\n".format(self._product.name, one.version, one.kind) if one else ""
