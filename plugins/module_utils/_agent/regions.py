# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tell the code of a region from other text, and name the domain of its hosts. Pure; runs on nodes, with Python 3.6."""

import re

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_DOMAIN = "amazonaws.com"
_OTHER_DOMAINS = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)
"""By how a region's code begins."""


def is_region(text: str) -> bool:
    """Say whether it looks like a region's code; a pasted quotation mark does not."""
    return bool(_REGION.fullmatch(text))


def domain(region: str) -> str:
    """Return what the host names of a region's endpoints end with."""
    return next((name for beginning, name in _OTHER_DOMAINS if region.startswith(beginning)), _DOMAIN)
