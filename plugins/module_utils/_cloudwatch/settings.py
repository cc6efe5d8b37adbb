# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What common-config.toml and the region in the credentials' profile are to say. Runs on the node: Python 3.6.

Source: cfg/commonconfig and translator/util/sdkutil.go of aws/amazon-cloudwatch-agent.
"""

import posixpath
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import sections

SSM, PROFILE, NONE = "ssm", "profile", "none"
# What the SSM agent calls the credentials of a hybrid node.
DEFAULT_PROFILE = "default"


class Profile(t.NamedTuple):
    """A profile, and the file with its credentials."""

    name: str
    file: str


def profile(credentials: "str | None", name: "str | None", file: "str | None") -> "Profile | None":
    """Return the profile that the agent is to use, None when it is to find credentials by itself or as it does now."""
    if credentials == SSM:
        return Profile(DEFAULT_PROFILE, configuration.SHARED_CREDENTIALS)
    if credentials == PROFILE:
        return Profile(name or DEFAULT_PROFILE, file or configuration.SHARED_CREDENTIALS)
    return None


def common_config(text: str, params: "t.Mapping[str, t.Any]") -> str:
    """Return common-config.toml with the wanted options laid over it; an option that is None leaves its section alone."""
    for section, values in _common_values(params):
        text = sections.edit(text, section, values, sections.TOML)
    return text


def profile_config_path(used: Profile) -> str:
    """Return the file in which the agent looks for the profile's region: beside the one with its credentials."""
    return posixpath.join(posixpath.dirname(used.file), "config")


def profile_config(text: str, used: Profile, region: str) -> str:
    """Return that file with the region in the profile's section."""
    section = used.name if used.name == DEFAULT_PROFILE else "profile {0}".format(used.name)
    return sections.edit(text, section, {"region": region}, sections.INI)


def _common_values(params: "t.Mapping[str, t.Any]") -> "t.Iterator[tuple[str, sections.Values]]":
    if params["credentials"] is not None:
        used = profile(params["credentials"], params["profile"], params["credentials_file"])
        yield (
            "credentials",
            {
                "shared_credential_profile": used.name if used else None,
                "shared_credential_file": used.file if used else None,
            },
        )
    if params["proxy"] is not None:
        yield "proxy", _proxy(params["proxy"])
    if params["ca_bundle"] is not None:
        yield "ssl", {"ca_bundle_path": params["ca_bundle"] or None}


def _proxy(proxy: "t.Mapping[str, str | None]") -> "sections.Values":
    values = {"http_proxy": proxy.get("http") or None, "https_proxy": proxy.get("https") or None}  # type: t.Dict[str, t.Optional[str]]
    exceptions = [name.strip() for name in (proxy.get("no") or "").split(",") if name.strip()]
    if any(values.values()) and configuration.METADATA not in exceptions:
        exceptions.append(configuration.METADATA)
    return dict(values, no_proxy=",".join(exceptions) or None)
