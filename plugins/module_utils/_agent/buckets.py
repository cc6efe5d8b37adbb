# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Name the bucket of a region, the one for all, or a copy, and what is in it. Runs on the node: Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import regions

REGIONAL, GLOBAL, MIRROR = "regional", "global", "mirror"

# Of the regions whose buckets are known: the public ones, AWS China, AWS GovCloud.
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn")


class UnknownSourceError(Exception):
    """There are no packages for what was asked; the text says what to do."""


class Package(t.NamedTuple):
    """Where one package and its signature are; no URL of a signature when that is in the package."""

    url: str
    signature_url: str


class Bucket(t.NamedTuple):
    """Where AWS publishes one program: ``regional`` has {0} for the region and {1} for its domain, ``all_regions`` is one URL."""

    regional: str
    all_regions: str

    def place(self, source: str, region: str, mirror: str) -> str:
        """Return the URL below which the packages are, without a slash at its end."""
        if source == GLOBAL:
            return self.all_regions
        if source == MIRROR:
            return mirror.rstrip("/")
        # A typographic quote that was pasted with the name would only be found by a name server that does not know it.
        if not regions.is_region(region):
            raise UnknownSourceError("{0!r} is not the name of an AWS region; write it like eu-west-1.".format(region))
        domain = regions.domain(region)
        if domain not in _DOMAINS:
            raise UnknownSourceError(
                "The buckets of {0} are not known here; set the source to mirror and give its URL.".format(region)
            )
        return self.regional.format(region, domain)


def signed(url: str) -> Package:
    """Return a package whose signature is beside it, as AWS has them."""
    return Package(url, url + ".sig")
