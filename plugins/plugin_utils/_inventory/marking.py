# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mark text from AWS so that a template in it stays text, on every ansible-core."""

from __future__ import annotations

import functools
import typing as t

import ansible.template
from ansible.utils.unsafe_proxy import wrap_var

# Since 2.19, ansible-core takes for templates only what it is told to trust, and before, all text that was not marked as unsafe.
_TRUST = getattr(ansible.template, "trust_as_template", None)


@functools.lru_cache(maxsize=65536)
def marked(text: str) -> str:
    """Mark text; what cannot be a template is trusted, so that ansible-inventory shows it as plain JSON."""
    if "{" in text or text.startswith("#jinja2"):  # a first line of that sort chooses other braces
        return str(text) if _TRUST is not None else t.cast("str", wrap_var(text))
    return trusted(text)


def trusted(text: str) -> str:
    """Mark the user's own text as one that may be a template."""
    return t.cast("str", _TRUST(text)) if _TRUST is not None else text


def inert(value: t.Any) -> t.Any:
    """Mark all text within a value."""
    if isinstance(value, str):
        return marked(value)
    if isinstance(value, dict):
        return {marked(key): inert(item) for key, item in value.items()}
    return [inert(item) for item in value] if isinstance(value, list) else value
