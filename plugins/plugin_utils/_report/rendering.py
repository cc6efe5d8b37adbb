# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render a template of HTML in which every value is text. Pure.

Jinja's autoescape has no effect in Ansible's own environment, so there each value would have to be escaped by itself.
"""

from __future__ import annotations

import typing as t

import jinja2
import jinja2.sandbox


class BadTemplateError(ValueError):
    """The template cannot be rendered; the text says why."""


def rendered(text: str, variables: t.Mapping[str, t.Any]) -> str:
    """Render a template, with nothing but these variables and Jinja's own filters."""
    environment = jinja2.sandbox.SandboxedEnvironment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    try:
        return environment.from_string(text).render(variables)
    except jinja2.TemplateError as error:
        raise BadTemplateError(str(error)) from error
